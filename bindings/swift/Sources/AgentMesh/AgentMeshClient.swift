import Foundation

/// An agent: sends and receives end-to-end encrypted messages.
///
/// ```swift
/// let client = try await AgentMeshClient.create(storage: SqliteStorage("agent.db"), key: .file("agent.key"))
/// try await client.connect()
/// try await client.send(to: peer, ["hello": "world"])
/// for try await message in client.messages() {
///     print(message.from, try message.decode([String: String].self))
///     try await message.ack()
/// }
/// ```
///
/// What ``send(to:_:wait:timeout:options:)-(_,Encodable,_,_,_)`` reported as queued or better survives a crash. A message that comes in
/// counts as handled when it was acknowledged, and not before. An agent that is forgotten goes offline; ``close()`` waits for it.
///
/// Cancelling a task cancels the call that it waits in, down into the library: the call throws `CancellationError`. A message that was
/// queued stays queued.
public final class AgentMeshClient: @unchecked Sendable {
    let native: NativeAgent
    let handlers = Handlers()
    let readers = Readers()
    private let knocks: KnockDesk
    /// Kept for as long as the agent is open: a store that is written in Swift answers its calls.
    private let storage: Storage

    private init(native: NativeAgent, knocks: KnockDesk, storage: Storage) {
        self.native = native
        self.knocks = knocks
        self.storage = storage
    }

    /// Opens an agent; one with a fresh identity if the storage holds none. Does not go online.
    ///
    /// The key seals what is stored; without, it is the storage's own, see ``Storage``.
    public static func create(
        storage: Storage, key: Key? = nil, options: ClientOptions = ClientOptions()
    ) async throws -> AgentMeshClient {
        let store = try await storage.opened()
        let desk = KnockDesk(options.onKnock)
        let opening = NativeOpening(
            storage: store, key: (key ?? storage.key).native, identity: options.identity?.native, backup: options.backup?.native,
            knocks: desk.native, settings: try options.settings(), mode: options.mode.native)
        let agent = try await later { try await openAgent(opening: opening) }
        desk.start()
        return AgentMeshClient(native: agent, knocks: desk, storage: storage)
    }

    /// Opens the agent whose identity is in a storage, by the name that it has there; an error if it is not.
    public static func load(
        storage: Storage, identityKey: String? = nil, key: Key? = nil, options: ClientOptions = ClientOptions()
    ) async throws -> AgentMeshClient {
        var options = options
        options.mode = .load
        options.identityKey = identityKey ?? options.identityKey
        return try await create(storage: storage, key: key, options: options)
    }

    /// Goes online: registers, publishes prekeys, connects to the relay. Afterwards the client stays online by itself.
    ///
    /// `displayName` and `capabilities` are what the registry shall show from now on. Fails with `AGENT_NOT_ONLINE` if that takes
    /// too long; the client goes on trying.
    public func connect(displayName: String? = nil, capabilities: [String]? = nil) async throws {
        try await later { try await native.connect(displayName: displayName, capabilities: capabilities) }
    }

    /// Goes offline and closes the storage. What waits stays in the outbox on disk. Returns when handlers have ended. Again is fine.
    public func close() async throws {
        try await later { try await native.close() }
        await handlers.ended()
    }

    /// The agent's address.
    public var amid: String { (try? native.amid()) ?? "" }

    /// The public signing key, 32 bytes.
    public var signingPublicKey: Data {
        get throws { try now { try native.publicKeys().signing } }
    }

    /// The public exchange key as of now: it can be rotated.
    public var exchangePublicKey: Data {
        get throws { try now { try native.publicKeys().exchange } }
    }

    /// The audit log, if the agent keeps one.
    public var auditLog: AuditLog? {
        get throws { try now { try native.auditLog() }.map(AuditLog.init) }
    }

    /// A fresh message id, for sending the same message again after a crash of your own.
    public func newID() throws -> String { try now { try native.newId() } }

    /// Sends a message and waits until it reached the stage `wait`. It is in the outbox, on disk, before anything is sent, and works
    /// offline, too. Cancelling gives up waiting, not the message.
    ///
    /// `payload` is anything that can be encoded as JSON, or `Data`. `timeout` is in seconds, 30 unless said otherwise; then the call
    /// throws `STAGE_NOT_REACHED`, and the message stays queued.
    @discardableResult
    public func send(
        to peer: String, _ payload: some Encodable, wait: Stage = .stored, timeout: TimeInterval? = nil,
        options: SendOptions = SendOptions()
    ) async throws -> Sent {
        try await send(to: peer, .encoding(payload), wait: wait, timeout: timeout, options: options)
    }

    /// Sends a message with a payload that is made already, or none.
    @discardableResult
    public func send(
        to peer: String, _ payload: Payload = .none, wait: Stage = .stored, timeout: TimeInterval? = nil,
        options: SendOptions = SendOptions()
    ) async throws -> Sent {
        var members = try options.members()
        members["wait"] = .int(Int64(wait.rawValue))
        members["timeout_ms"] = try Coding.span(timeout)
        let settings = try Coding.settings(members)
        return Sent(try await later { try await native.send(to: peer, payload: payload.native, settingsJson: settings) })
    }

    /// Sends a request and waits for the response. With an `id` it is idempotent: the peer handles a request of one id once, however
    /// often it is sent. Throws `REQUEST_ERROR_RESPONSE` if the peer answers with an error, see ``AgentMeshError/remote``;
    /// `REQUEST_NO_RESPONSE` if no answer came in time; one that comes later is among the ``messages()``.
    public func request(
        to peer: String, _ payload: some Encodable, timeout: TimeInterval = 30, options: SendOptions = SendOptions()
    ) async throws -> Message {
        try await request(to: peer, .encoding(payload), timeout: timeout, options: options)
    }

    /// Sends a request with a payload that is made already, or none.
    public func request(
        to peer: String, _ payload: Payload = .none, timeout: TimeInterval = 30, options: SendOptions = SendOptions()
    ) async throws -> Message {
        let (deadline, settings) = (try Coding.milliseconds(timeout), try Coding.settings(options.members()))
        return Message(
            try await later {
                try await native.request(to: peer, payload: payload.native, deadlineMs: deadline, settingsJson: settings)
            })
    }

    /// Sends a request and reads the answer as it comes.
    public func stream(
        to peer: String, _ payload: some Encodable, options: StreamOptions = StreamOptions()
    ) async throws -> IncomingStream {
        try await stream(to: peer, .encoding(payload), options: options)
    }

    /// Asks for a stream with a payload that is made already, or none.
    public func stream(
        to peer: String, _ payload: Payload = .none, options: StreamOptions = StreamOptions()
    ) async throws -> IncomingStream {
        let settings = try options.settings()
        return IncomingStream(try await later { try await native.stream(to: peer, payload: payload.native, settingsJson: settings) })
    }

    /// Reads a stream on from a chunk, such as after a crash.
    public func resumeStream(
        peer: String, id: String, from position: UInt64, options: StreamOptions = StreamOptions()
    ) async throws -> IncomingStream {
        let settings = try options.settings()
        return IncomingStream(
            try await later { try await native.resumeStream(peer: peer, id: id, from: position, settingsJson: settings) })
    }

    /// Tells a peer how far something is, as news that nobody keeps: a `status` event there.
    public func status(to peer: String, _ payload: some Encodable, inReplyTo id: String? = nil) async throws {
        let content = try Payload.encoding(payload).native
        try await later { try await native.status(to: peer, inReplyTo: id, payload: content) }
    }

    /// The messages that come in, each to be acknowledged. One reader at a time: a new loop, or a handler, ends the one before.
    public func messages() -> Messages { Messages(client: self) }

    /// All events from now on.
    public func events() throws -> Events { Events(try now { try native.events() }) }

    /// Decides about KNOCKs that the policy lets through, from now on; also a member of ``ClientOptions``. `nil` accepts them.
    public func onKnock(_ handler: KnockHandler?) { knocks.set(handler) }
}

extension AgentMeshClient: CustomStringConvertible {
    public var description: String { "AgentMeshClient \(amid)" }
}
