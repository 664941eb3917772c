import Foundation

/// Who a client is in a room. With them another process goes on as the same client: keep them like a password.
public struct SessionCredentials: Sendable, Hashable {
    /// The client's id, which everybody in the room knows.
    public let id: String
    /// What proves it.
    public let token: String
    /// The server takes credentials in headers, so they need not be in a URL.
    public let headerAuth: Bool

    public init(id: String, token: String, headerAuth: Bool) {
        self.id = id
        self.token = token
        self.headerAuth = headerAuth
    }
}

extension SessionCredentials: CustomStringConvertible, CustomReflectable {
    public var description: String { "SessionCredentials \(id)" }
    public var customMirror: Mirror { Mirror(self, children: ["id": id]) }
}

/// A STUN or TURN server, or several with the same credential.
public struct IceServer: Sendable, Hashable, Decodable {
    /// `stun:`, `stuns:`, `turn:` or `turns:`.
    public let urls: [String]
    /// For TURN.
    public let username: String?
    /// For TURN; works for a limited time.
    public let credential: String?
}

/// What happens in a room, in its order.
public enum SignalingEvent: Sendable {
    /// The room is joined for the first time.
    case joined(id: String, iceServers: [IceServer])
    /// The stream is back, and this client is who it was. What peers sent meanwhile follows.
    case resumed(id: String, iceServers: [IceServer])
    /// The server does not take this client's credentials any more. It joins anew; `identityChanged` follows.
    case identityLost(id: String)
    /// The server gave this client another id. Peers see it as somebody new: begin anew with them.
    case identityChanged(old: String, new: String, iceServers: [IceServer])
    /// Who is in the room besides this client, after every change. `first` is the first of this id: offer to all in it.
    case roster(peers: [String], joined: [String], left: [String], first: Bool)
    /// What a peer sent. The server verifies nothing in it. `signedBy` is the address of the agent whose identity key signed it: compare
    /// it with the one that you expect; `problem` is what is wrong with a signature: treat that as an attack, or ignore it.
    case signal(from: String, value: JSON, signedBy: String?, problem: AgentMeshError?)
    /// An event that could not be read. The stream goes on.
    case unreadable(problem: String)
    /// The stream was lost, or could not be opened; the next attempt follows, in so many seconds.
    case disconnected(error: AgentMeshError, retryIn: TimeInterval)
    /// Another process resumed this session. `closed` follows.
    case superseded
    /// The end: nothing follows.
    case closed(error: AgentMeshError)
    /// The reader was too slow for so many events.
    case lagged(missed: Int)
    /// Something that this version knows nothing of.
    case other(String)

    @Sendable static func read(_ kind: String, _ said: JSON) throws -> SignalingEvent {
        func ice() throws -> [IceServer] { try said["ice_servers"]?.value() ?? [] }
        let error = said.error("error") ?? AgentMeshError.internalError("nobody said what")
        switch kind {
        case "joined": return .joined(id: said.string("id"), iceServers: try ice())
        case "resumed": return .resumed(id: said.string("id"), iceServers: try ice())
        case "identity_lost": return .identityLost(id: said.string("id"))
        case "identity_changed": return .identityChanged(old: said.string("old"), new: said.string("new"), iceServers: try ice())
        case "roster":
            return .roster(
                peers: said.texts("peers"), joined: said.texts("joined"), left: said.texts("left"),
                first: said["first"]?.boolValue ?? false)
        case "signal":
            return .signal(
                from: said.string("sender"), value: said["value"] ?? .null, signedBy: said["signed_by"]?.stringValue,
                problem: said.error("problem"))
        case "unreadable": return .unreadable(problem: said.string("problem"))
        case "disconnected": return .disconnected(error: error, retryIn: said.seconds("retry_in_ms") ?? 0)
        case "superseded": return .superseded
        case "closed": return .closed(error: error)
        case "lagged": return .lagged(missed: Int(said["missed"]?.intValue ?? 0))
        default: return .other(kind)
        }
    }
}

/// How a room is joined. Everything has a default.
public struct JoinOptions: Sendable {
    /// For rooms that want one.
    public var joinKey: String?
    /// Goes on as a client of before.
    public var resume: SessionCredentials?
    /// Signs every description with an agent's identity key.
    public var signWith: Identity?
    /// With `false`, returns at once and tries on; otherwise throws what the first attempt failed with.
    public var wait = true
    public var connectTimeout: TimeInterval?
    public var idleTimeout: TimeInterval?
    public var sendTimeout: TimeInterval?
    /// How many attempts may fail in a row before the client gives up. Default: it never does.
    public var attempts: Int?
    /// Signals that wait to be sent, at most.
    public var maxQueued: Int?
    /// Whether the server may be reached unencrypted on another machine.
    public var allowInsecure: Bool?

    public init(joinKey: String? = nil, resume: SessionCredentials? = nil, signWith: Identity? = nil, wait: Bool = true) {
        self.joinKey = joinKey
        self.resume = resume
        self.signWith = signWith
        self.wait = wait
    }
}

/// A place in a room of a signaling server. **Nothing is encrypted end to end**: whoever runs the server reads every signal.
///
/// ```swift
/// let client = try await SignalingClient.join("http://127.0.0.1:18787", room: "agents")
/// for try await event in try client.events() {
///     if case .roster(_, let joined, _, _) = event { for peer in joined { try await client.send(to: peer, ["type": "agent-ping"]) } }
///     if case .signal(let from, let value, _, _) = event { print(from, "says", value) }
/// }
/// ```
///
/// It resumes by itself when the stream is lost, and its events say so. This package brings no WebRTC stack; ``Negotiator`` tells one of
/// your choice what to do.
public final class SignalingClient: @unchecked Sendable {
    private let native: NativeSignalingClient

    private init(_ native: NativeSignalingClient) { self.native = native }

    /// Joins a room. `url` is the server's origin, or the part of its path before `/api`.
    public static func join(_ url: String, room: String, options: JoinOptions = JoinOptions()) async throws -> SignalingClient {
        let settings = try Coding.object([
            "url": .string(url), "room": .string(room), "attempts": JSON(options.attempts), "max_queued": JSON(options.maxQueued),
            "allow_insecure": JSON(options.allowInsecure), "open_timeout_ms": Coding.span(options.connectTimeout),
            "idle_timeout_ms": Coding.span(options.idleTimeout), "send_timeout_ms": Coding.span(options.sendTimeout),
        ])
        let resume = options.resume.map { NativeSignalingCredentials(id: $0.id, token: $0.token, headerAuth: $0.headerAuth) }
        let opening = NativeSignalingOpening(
            settings: settings, joinKey: options.joinKey, resume: resume, signWith: options.signWith?.native)
        return SignalingClient(try await later { try await joinSignaling(opening: opening, wait: options.wait) })
    }

    /// Sends a signal, anything that JSON can say but `null`, and waits until the server took it. At least once: a peer may get a
    /// signal twice if an answer was lost. Signals wait for their turn, 45 at once and 9 a second, descriptions before candidates;
    /// those to one peer stay in order. Throws an error of kind `not_found` if the peer is not in the room.
    public func send(to peer: String, _ signal: some Encodable) async throws {
        let text = try Coding.text(signal)
        try await later { try await native.send(to: peer, signal: text) }
    }

    /// Sends a signal.
    public func send(to peer: String, _ signal: JSON) async throws {
        let text = signal.text
        try await later { try await native.send(to: peer, signal: text) }
    }

    /// What happens. The first to ask gets everything since the start, others what comes from now on.
    public func events() throws -> Items<SignalingEvent> { Items(try now { try native.events() }, SignalingEvent.read) }

    /// This client's id, once it joined. It can change: `identityChanged`.
    public var id: String? { (try? native.id()) ?? nil }
    /// The room, as servers know it.
    public var room: String { (try? native.room()) ?? "" }
    /// Who else is in the room, by the last roster.
    public var peers: [String] { (try? native.peers()) ?? [] }
    /// ICE servers, by the last word of the server.
    public var iceServers: [IceServer] { (try? Coding.decode([IceServer].self, from: native.iceServers())) ?? [] }
    /// Whether there is a stream now.
    public var isOnline: Bool { (try? native.isOnline()) ?? false }
    /// What another process needs to go on as this client.
    public var credentials: SessionCredentials? {
        guard let found = try? native.credentials() else { return nil }
        return SessionCredentials(id: found.id, token: found.token, headerAuth: found.headerAuth)
    }

    /// Gives the place up, and waits for the server's word: at most five seconds, `urgent` two. Signals that wait fail. Again is fine.
    public func leave(urgent: Bool = false) async throws { try await later { try await native.leave(urgent: urgent) } }
}
