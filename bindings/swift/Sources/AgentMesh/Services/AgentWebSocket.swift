import Foundation

/// What is known of a session.
public struct SessionInfo: Sendable, Hashable, Decodable {
    /// How the server talks: `documented`, `deployed`, or `unknown` if no welcome came.
    public let dialect: String
    /// The session's id, if the welcome names it.
    public let sessionId: String?
    /// What the agent calls itself, if it says so.
    public let agent: String?
    /// The server says which query an answer belongs to, so that several can be under way and commands can overtake.
    public let correlates: Bool
}

/// A message from a server. Nothing in it is verified: show `content` as text, never as HTML.
public struct AgentMessage: Sendable, Hashable {
    /// What it is: `response`, `response_delta`, `status`, `notification`, `error`, or something newer.
    public let kind: String
    /// Its text. What was not a string is JSON again.
    public let content: String
    /// When the server says that it was written, or else when it came.
    public let timestamp: Date
    /// Who wrote it, if the server says so.
    public let sender: String?
    /// The id of the query that it belongs to, if the server says so.
    public let correlationID: String?
    /// The session, in a welcome.
    public let sessionID: String?
    /// When to try again, in seconds, of an error about the rate.
    public let retryAfter: TimeInterval?
    /// The number of a piece, of a streamed answer.
    public let index: Int?

    init(_ said: JSON) {
        kind = said.string("kind")
        content = said.string("content")
        timestamp = said.moment("timestamp_ms") ?? Date()
        sender = said["sender"]?.stringValue
        correlationID = said["correlation_id"]?.stringValue
        sessionID = said["session_id"]?.stringValue
        retryAfter = said.seconds("retry_after_ms")
        index = said["index"]?.intValue.map(Int.init)
    }
}

/// A part of an answer that is shown as it comes: pieces of its text, and the whole at the end.
public enum AnswerPart: Sendable {
    case delta(AgentMessage)
    case answer(AgentMessage)
}

/// What happens besides answers.
public enum AgentWebSocketEvent: Sendable {
    case connected(SessionInfo)
    /// After a lost connection: the server has begun anew, and knows nothing of before.
    case newSession(SessionInfo)
    /// How far the agent is.
    case status(AgentMessage)
    case notification(AgentMessage)
    /// An answer that nobody waits for, such as to a query that was given up.
    case unmatched(AgentMessage)
    /// A message of a kind that this version knows nothing of.
    case other(AgentMessage)
    /// A frame that could not be read. The connection stays.
    case unreadable(reason: String)
    /// The connection was lost, or could not be made; the next attempt follows, in so many seconds.
    case disconnected(error: AgentMeshError, retryIn: TimeInterval)
    /// The end: nothing follows.
    case closed(error: AgentMeshError)
    /// The reader was too slow for so many events.
    case lagged(missed: Int)
    /// Something that this version knows nothing of.
    case unknown(String)

    @Sendable static func read(_ kind: String, _ said: JSON) throws -> AgentWebSocketEvent {
        let error = said.error("error") ?? AgentMeshError.internalError("nobody said what")
        switch kind {
        case "connected": return .connected(try said.value())
        case "new_session": return .newSession(try said.value())
        case "status": return .status(AgentMessage(said))
        case "notification": return .notification(AgentMessage(said))
        case "unmatched": return .unmatched(AgentMessage(said))
        case "other": return .other(AgentMessage(said))
        case "unreadable": return .unreadable(reason: said.string("reason"))
        case "disconnected": return .disconnected(error: error, retryIn: said.seconds("retry_in_ms") ?? 0)
        case "closed": return .closed(error: error)
        case "lagged": return .lagged(missed: Int(said["missed"]?.intValue ?? 0))
        default: return .unknown(kind)
        }
    }
}

/// How an agent is reached. Everything has a default.
public struct AgentWebSocketOptions: Sendable {
    /// A token for `Authorization`.
    public var bearer: String?
    /// With `false`, returns at once and tries on; otherwise throws what the first attempt failed with.
    public var wait = true
    public var connectTimeout: TimeInterval?
    /// How long to wait for a welcome; without one the server is used all the same.
    public var welcomeTimeout: TimeInterval?
    /// Default: 90 seconds.
    public var queryTimeout: TimeInterval?
    /// The pause before the first attempt to connect again.
    public var reconnectPause: TimeInterval?
    /// Queries that wait or are under way, at most.
    public var maxWaiting: Int?
    /// Connects again even after the server closed for inactivity.
    public var reconnectOnTimeout: Bool?
    /// So many questions and answers of a lost session are told to the new one, in a query of its own, which costs a call of the agent's
    /// model.
    public var replayContext: Int?

    public init(bearer: String? = nil, wait: Bool = true) {
        self.bearer = bearer
        self.wait = wait
    }
}

/// A conversation with one agent over a WebSocket. **Nothing is encrypted end to end**: whoever runs the server reads everything.
///
/// ```swift
/// let client = try await AgentWebSocketClient.connect("ws://127.0.0.1:8766")
/// print(try await client.query("What is a WebSocket?").content)
/// for try await part in try await client.queryStream("And more?") { if case .delta(let piece) = part { print(piece.content) } }
/// ```
///
/// It connects again by itself when the connection is lost, and its events say so; a query that was under way then fails
/// (`AGENT_WS_CONNECTION_LOST`), because nobody knows whether the agent worked on it.
public final class AgentWebSocketClient: @unchecked Sendable {
    private let native: NativeAgentWebSocketClient

    private init(_ native: NativeAgentWebSocketClient) { self.native = native }

    /// Connects. `url` begins with `ws` or `wss`.
    public static func connect(
        _ url: String, options: AgentWebSocketOptions = AgentWebSocketOptions()
    ) async throws -> AgentWebSocketClient {
        let settings = try Coding.object([
            "url": .string(url), "max_waiting": JSON(options.maxWaiting), "reconnect_on_timeout": JSON(options.reconnectOnTimeout),
            "replay_context": JSON(options.replayContext), "open_timeout_ms": Coding.span(options.connectTimeout),
            "welcome_timeout_ms": Coding.span(options.welcomeTimeout), "query_timeout_ms": Coding.span(options.queryTimeout),
            "pause_ms": Coding.span(options.reconnectPause),
        ])
        return AgentWebSocketClient(
            try await later { try await connectAgentWebSocket(settings: settings, bearer: options.bearer, wait: options.wait) })
    }

    /// Asks, and waits for the answer. Cancelling gives up waiting; the agent goes on working, unless it gets the command `cancel`.
    /// Throws `AGENT_WS_AGENT` if the agent answers with an error.
    public func query(_ content: String, timeout: TimeInterval? = nil) async throws -> AgentMessage {
        let deadline = try timeout.map(Coding.milliseconds)
        return AgentMessage(try JSON(text: try await later { try await native.query(content: content, deadlineMs: deadline) }))
    }

    /// Asks, and shows the answer piece by piece where the server knows how; the whole answer comes last in any case.
    public func queryStream(_ content: String, timeout: TimeInterval? = nil) async throws -> Items<AnswerPart> {
        let deadline = try timeout.map(Coding.milliseconds)
        return Items(try await later { try await native.queryStream(content: content, deadlineMs: deadline) }) { kind, said in
            kind == "delta" ? .delta(AgentMessage(said)) : .answer(AgentMessage(said))
        }
    }

    /// Sends a command, such as `cancel` or `clear`, ahead of queries that wait. What the agent has to say to it comes as an event.
    public func command(_ command: String) async throws { try await later { try await native.command(command: command) } }

    /// Sends what a person thinks of an answer, with anything that belongs to it.
    public func humanFeedback(_ content: String, metadata: JSON? = nil) async throws {
        try await later { try await native.humanFeedback(content: content, metadata: metadata?.text) }
    }

    /// What happens besides answers. The first to ask gets everything since the start, others what comes from now on.
    public func events() throws -> Items<AgentWebSocketEvent> { Items(try now { try native.events() }, AgentWebSocketEvent.read) }

    /// The session, if there is one now.
    public var session: SessionInfo? {
        guard let text = try? native.session() else { return nil }
        return try? Coding.decode(SessionInfo.self, from: text)
    }

    /// Gives up all queries and takes leave of the server, in at most three seconds. Again is fine.
    public func close() async throws { try await later { try await native.close() } }
}
