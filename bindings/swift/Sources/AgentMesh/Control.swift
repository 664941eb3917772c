import Foundation

/// What the owner of an agent can ask and order.
extension AgentMeshClient {
    private func list<T: Decodable>(_ call: (NativeAgent) async throws -> String) async throws -> T {
        try Coding.decode(T.self, from: try await later { try await call(native) })
    }

    /// How far a message of ours is; `nil` once it was handled, failed, or was never sent.
    public func stage(_ id: String) async throws -> Stage? {
        try await later { try await native.stage(id: id) }.map(Stage.init(number:))
    }

    /// Takes a message back that was not delivered. It may arrive all the same if it was sent already.
    public func cancel(_ id: String) async throws { try await later { try await native.cancel(id: id) } }

    /// Messages that are not handled yet, oldest first.
    public func outbox() async throws -> [OutboxItem] { try await list { try await $0.outbox() } }

    /// Messages that came in and are not handled, oldest first.
    public func inbox() async throws -> [InboxItem] { try await list { try await $0.inbox() } }

    /// Streams that have not ended.
    public func openStreams() async throws -> [OpenStream] { try await list { try await $0.openStreams() } }

    /// All sessions that have keys, without anything secret.
    public func sessions() async throws -> [SessionSummary] { try await list { try await $0.sessions() } }

    /// Ends the session with a peer. The next message to it knocks anew.
    public func closeSession(_ peer: String) async throws { try await later { try await native.closeSession(peer: peer) } }

    /// Ends every session with a peer and tells it so; what was queued for it is given up.
    public func killSession(_ peer: String) async throws { try await later { try await native.killSession(peer: peer) } }

    /// Rejects new sessions from now on, also after a restart. Those that exist go on.
    public func pauseNew() async throws { try await later { try await native.pauseNew() } }

    /// Takes new sessions again; a stopped agent stays stopped.
    public func resumeNew() async throws { try await later { try await native.resumeNew() } }

    /// Works again, whether paused or stopped. A stopped agent is offline until `connect` is called.
    public func resume() async throws { try await later { try await native.resume() } }

    /// Ends every session, gives up everything that was queued, goes offline, and stays so over restarts.
    public func emergencyStop() async throws { try await later { try await native.emergencyStop() } }

    /// Shuts a peer out: nothing is sent to it, what comes from it is dropped unread. Holds over restarts.
    public func block(_ peer: String) async throws { try await later { try await native.block(peer: peer) } }

    /// Lets a blocked peer in again.
    public func unblock(_ peer: String) async throws { try await later { try await native.unblock(peer: peer) } }

    /// The circuit breakers as they stand.
    public func circuitState() async throws -> CircuitStatus { try await list { try await $0.circuitState() } }

    /// KNOCKs without a decision, oldest first.
    public func pendingKnocks() async throws -> [PendingKnock] { try await list { try await $0.pendingKnocks() } }

    /// Accepts a KNOCK that waits for a decision, by the session that it asked for.
    public func acceptKnock(_ session: String, ttl: TimeInterval? = nil) async throws {
        let decision = try Decision.accept(ttl: ttl).native()
        try await later { try await native.decide(session: session, decision: decision) }
    }

    /// Rejects a KNOCK that waits for a decision.
    public func rejectKnock(_ session: String, reason: String, retryAfter: TimeInterval? = nil) async throws {
        let decision = try Decision.reject(reason: reason, retryAfter: retryAfter).native()
        try await later { try await native.decide(session: session, decision: decision) }
    }

    /// The policy in force.
    public func policy() async throws -> Policy { try Policy(text: try await later { try await native.policy() }) }

    /// Replaces the policy. Sessions that exist go on, but for those with peers that it blocks.
    public func setPolicy(_ policy: Policy) async throws {
        let text = policy.json.text
        try await later { try await native.setPolicy(policy: text) }
    }

    /// How full the limits on sending are.
    public func rateStatus(peer: String? = nil) async throws -> RateStatus { try await list { try await $0.rateStatus(peer: peer) } }

    /// Waits until a message to `peer` would pass the limits on sending; `SEND_RATE_LIMITED` if that takes too long.
    public func waitForCapacity(_ peer: String, timeout: TimeInterval = 30) async throws {
        let most = try Coding.milliseconds(timeout)
        try await later { try await native.waitForCapacity(peer: peer, maxMs: most) }
    }

    /// Agents in the registry, by capability or all. What it says of them is not proven.
    public func search(
        _ capability: String? = nil, minTier: Tier? = nil, minReputation: Double? = nil, limit: Int? = nil, offset: Int? = nil
    ) async throws -> SearchPage {
        try await list {
            try await $0.search(
                capability: capability, minTier: minTier?.rawValue, minReputation: minReputation,
                limit: limit.map { UInt64(clamping: $0) }, offset: offset.map { UInt64(clamping: $0) })
        }
    }

    /// An agent's entry in the registry; its signing key is checked against the AMID.
    public func lookup(_ amid: String) async throws -> Listing { try await list { try await $0.lookup(amid: amid) } }

    /// Tells the registry what this agent can do.
    public func setCapabilities(_ capabilities: [String]) async throws {
        try await later { try await native.setCapabilities(capabilities: capabilities) }
    }

    /// Asks a peer for capabilities and returns what it grants. A wish may have `*` for any characters.
    public func negotiate(_ peer: String, wanted: [String], timeout: TimeInterval = 30) async throws -> Agreement {
        let deadline = try Coding.milliseconds(timeout)
        return try await list { try await $0.negotiate(peer: peer, wanted: wanted, deadlineMs: deadline) }
    }

    /// Seals the identity under a passphrase, with what another store needs to go on from here. Neither sessions nor messages are in it.
    public func backUp(passphrase: String) async throws -> String {
        try await later { try await native.backUp(passphrase: passphrase) }
    }

    /// Replaces the exchange key, with which peers open new sessions. Returns the new public one.
    @discardableResult
    public func rotateExchangeKey() async throws -> Data { try await later { try await native.rotateExchangeKey() } }
}
