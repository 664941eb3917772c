import Foundation

/// The prekeys of an identity, for applications that move bytes themselves. Keeps nothing in memory; a restart between two calls changes
/// nothing. Bundles are JSON, to be passed on: native peers believe only what is signed in `native`.
public final class PrekeyManager: @unchecked Sendable {
    let native: NativePrekeyManager

    /// Opens the storage if it is not open yet.
    public init(identity: Identity, storage: Storage) async throws {
        let sealed = try await storage.sealed()
        native = try now { try NativePrekeyManager(identity: identity.native, store: sealed) }
    }

    /// The bundle to publish, with all unused one-time keys. Makes the first prekeys if there are none.
    public func loadOrInitialize() async throws -> JSON { try JSON(text: try await later { try await native.loadOrInitialize() }) }

    /// Adds one-time prekeys; the bundle with all of them.
    public func replenishOneTimePrekeys(_ count: Int) async throws -> JSON {
        try JSON(text: try await later { try await native.replenishOneTimePrekeys(number: UInt32(clamping: count)) })
    }

    /// Replaces the signed prekey; the bundle with the new one.
    public func rotateSignedPrekey() async throws -> JSON { try JSON(text: try await later { try await native.rotateSignedPrekey() }) }

    /// The bundle as it is.
    public func bundle() async throws -> JSON { try JSON(text: try await later { try await native.bundle() }) }

    /// One-time prekeys that are left.
    public func remaining() async throws -> Int { Int(try await later { try await native.remaining() }) }

    /// Whether it is time to add some.
    public func needsReplenishment() async throws -> Bool { try await later { try await native.needsReplenishment() } }
}

/// A message that was decrypted, of whatever type.
public struct Incoming: Sendable {
    public let from: String
    public let id: String?
    public let kind: String
    public let inReplyTo: String?
    public let sentAt: Date?
    public let payload: Payload
}

/// The sessions of one identity. Every call loads, computes and commits before it returns; what failed has changed nothing. X3DH messages
/// and envelopes are JSON, to be passed on.
public final class SessionManager: @unchecked Sendable {
    let native: NativeSessionManager

    /// `allowLegacy`: also sessions with peers that speak only `agentmesh/0.2`.
    public init(prekeys: PrekeyManager, allowLegacy: Bool = false) throws {
        native = try now { try NativeSessionManager(prekeys: prekeys.native, allowLegacy: allowLegacy) }
    }

    /// Opens a session with a peer whose bundle is known; the session, and what the peer accepts it with.
    public func initiateSession(
        _ peer: String, bundle: JSON, signingKey: Data, request: KnockRequest? = nil
    ) async throws -> (sessionID: String, x3dhMessage: JSON) {
        let (bundle, request) = (bundle.text, try request?.json().text)
        let begun = try await later {
            try await native.initiateSession(peer: peer, bundle: bundle, signingKey: signingKey, request: request)
        }
        return (begun.sessionId, try JSON(text: begun.x3dhMessage))
    }

    /// Opens our end of a session that a peer initiated; the session.
    public func acceptSession(_ peer: String, x3dhMessage: JSON) async throws -> String {
        let text = x3dhMessage.text
        return try await later { try await native.acceptSession(peer: peer, message: text) }
    }

    /// Hands the initiator the responder's ratchet key; only 0.2 needs it.
    public func activateSession(_ session: String, ratchetKey: Data) async throws {
        try await later { try await native.activateSession(session: session, key: ratchetKey) }
    }

    /// The public half of our current ratchet key; `nil` if the session has none.
    public func ratchetPublicKey(_ session: String) async throws -> Data? {
        try await later { try await native.ratchetPublicKey(session: session) }
    }

    /// Encrypts JSON or `Data`. The session is stored before the envelope is returned.
    public func encryptMessage(_ session: String, _ message: some Encodable) async throws -> JSON {
        let content = try Payload.encoding(message).native
        return try JSON(text: try await later { try await native.encrypt(session: session, payload: content) })
    }

    /// Decrypts a message of the application; its JSON. A message returned once is not decrypted again.
    public func decryptMessage<T: Decodable>(_ session: String, _ envelope: JSON, as type: T.Type = T.self) async throws -> T {
        let text = envelope.text
        return try Coding.payload(type, from: try await later { try await native.decrypt(session: session, envelope: text) })
    }

    /// Decrypts a message of whatever type, bytes for one.
    public func openEnvelope(_ session: String, _ envelope: JSON) async throws -> Incoming {
        let text = envelope.text
        let opened = try await later { try await native.open(session: session, envelope: text) }
        return Incoming(
            from: opened.sender, id: opened.id, kind: opened.kind, inReplyTo: opened.inReplyTo,
            sentAt: opened.sentAt.map(Coding.moment), payload: Payload(opened.payload))
    }

    /// All sessions, oldest first.
    public func sessions() async throws -> [SessionSummary] {
        try Coding.decode([SessionSummary].self, from: try await later { try await native.sessions() })
    }

    /// The session in which messages to a peer go, if there is one.
    public func sessionByPeer(_ peer: String) async throws -> SessionSummary? {
        try await later { try await native.sessionByPeer(peer: peer) }.map { try Coding.decode(SessionSummary.self, from: $0) }
    }

    /// Ends a session here; its keys are deleted. The peer is not told.
    public func closeSession(_ session: String) async throws { try await later { try await native.closeSession(session: session) } }

    /// Deletes what has served; to be called every few hours. How many records.
    @discardableResult
    public func maintain() async throws -> Int { Int(try await later { try await native.maintain() }) }
}

/// KNOCKs and their answers: who opens a session says what for, and the policy of the other end decides.
public final class KnockProtocol: @unchecked Sendable {
    private let native: NativeKnockProtocol
    private let sessions: SessionManager

    public init(sessions: SessionManager, policy: Policy) throws {
        let text = policy.json.text
        self.sessions = sessions
        native = try now { try NativeKnockProtocol(sessions: sessions.native, policy: text) }
    }

    /// Knocks: opens a session that says what it is wanted for.
    public func createKnock(
        _ peer: String, bundle: JSON, signingKey: Data, request: KnockRequest
    ) async throws -> (sessionID: String, x3dhMessage: JSON) {
        try await sessions.initiateSession(peer, bundle: bundle, signingKey: signingKey, request: request)
    }

    /// Believes a KNOCK, changes nothing, and asks the policy about it; with what the registry says of the peer.
    public func judge(
        _ peer: String, x3dhMessage: JSON, tier: Tier = .anonymous, reputation: Double = 0
    ) async throws -> (knock: Knock, decision: Decision) {
        let text = x3dhMessage.text
        let judged = try await later {
            try await native.judge(peer: peer, message: text, tier: tier.rawValue, reputation: reputation)
        }
        return (try Coding.decode(Knock.self, from: judged.knock), Decision(judged.decision))
    }

    /// Answers a KNOCK. Accepting opens our end of the session; rejecting uses the KNOCK up.
    public func answer(
        _ peer: String, x3dhMessage: JSON, decision: Decision
    ) async throws -> (sessionID: String, envelope: JSON) {
        let (text, decision) = (x3dhMessage.text, try decision.native())
        let answered = try await later { try await native.answer(peer: peer, message: text, decision: decision) }
        return (answered.sessionId, try JSON(text: answered.envelope))
    }

    /// Believes the answer to a KNOCK of ours. A rejected session is closed.
    public func verifyAnswer(_ session: String, envelope: JSON) async throws -> Decision {
        let text = envelope.text
        return Decision(try await later { try await native.verifyAnswer(session: session, envelope: text) })
    }
}
