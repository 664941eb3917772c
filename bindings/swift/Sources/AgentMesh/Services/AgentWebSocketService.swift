import Foundation

/// One thing that was said.
public struct Said: Sendable, Hashable, Codable {
    /// `system`, `user` or `assistant`.
    public let role: String
    public let content: String
}

/// A conversation that wants an answer.
public struct Question: Sendable {
    /// What was asked last.
    public let text: String
    /// The system's words first, the question last: as models take it.
    public let messages: [Said]
    /// Whether the client wants to see the answer as it comes.
    public let wantsDeltas: Bool
    /// Shows a piece of the answer to clients that want it. The whole answer is what the handler returns.
    public let delta: @Sendable (String) async throws -> Void
}

/// Answers. What a ``Failure`` says is told to the client. Its task is cancelled when nobody waits for the answer any more: the client
/// left or sent `cancel`, or the time is up.
public typealias ChatHandler = @Sendable (Question) async throws -> String

/// What a service has done so far.
public struct ServiceStats: Sendable, Hashable, Decodable {
    /// Sessions now.
    public let sessions: Int
    /// Sessions since the start.
    public let sessionsTotal: Int
    /// Messages that came in.
    public let messages: Int
    /// Error messages that went out.
    public let errors: Int
    /// Questions that were answered.
    public let answers: Int
}

/// How a service listens. Everything has a default.
public struct ServiceOptions: Sendable {
    public var host = "127.0.0.1"
    /// 0 is a free one.
    public var port = 0
    public var path: String?
    /// With tokens, clients need one of them.
    public var tokens: [String] = []
    /// Lets pages of these origins in, and no others.
    public var origins: [String]?
    /// Whether tokens may be in the URL. They are in logs then.
    public var tokenInQuery: Bool?
    public var agentName: String?
    public var systemPrompt: String?
    public var sessionTimeout: TimeInterval?
    public var answerTimeout: TimeInterval?
    public var maxHistory: Int?
    public var maxSessions: Int?
    public var maxSessionsPerAddress: Int?
    /// How many messages a session may send, at once and a minute. Default: 10 and 30; 0 a minute is any number.
    public var rate: (burst: Int, perMinute: Int)?
    /// Whether what people think of an answer is a question.
    public var feedbackIsQuery: Bool?

    public init() {}

    func settings() throws -> String {
        try Coding.object([
            "listen": .string(host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"), "path": JSON(path),
            "agent_name": JSON(agentName), "system_prompt": JSON(systemPrompt), "max_history": JSON(maxHistory),
            "max_sessions": JSON(maxSessions), "max_sessions_per_address": JSON(maxSessionsPerAddress),
            "rate": rate.map { [.int(Int64($0.burst)), .int(Int64($0.perMinute))] }, "feedback_is_query": JSON(feedbackIsQuery),
            "origins": JSON(origins), "token_in_query": JSON(tokenInQuery), "session_timeout_ms": Coding.span(sessionTimeout),
            "answer_timeout_ms": Coding.span(answerTimeout),
        ])
    }
}

/// An agent that listens for WebSockets, in front of a handler of yours.
///
/// ```swift
/// let service = try await AgentWebSocketService.start { question in
///     try await model.answer(question.messages)
/// }
/// ```
///
/// Speaks without TLS: for other machines put a proxy with a certificate before it.
public final class AgentWebSocketService: @unchecked Sendable {
    private let native: NativeAgentWebSocketService
    private let serving: Task<Void, Never>

    private init(_ native: NativeAgentWebSocketService, _ handler: @escaping ChatHandler) {
        self.native = native
        serving = Task {
            await withTaskGroup(of: Void.self) { group in
                while let call = try? await native.next() {
                    group.addTask { await AgentWebSocketService.answer(call, handler) }
                }
            }
        }
    }

    deinit { serving.cancel() }

    /// Listens. When this returns, clients can connect.
    public static func start(
        options: ServiceOptions = ServiceOptions(), handler: @escaping ChatHandler
    ) async throws -> AgentWebSocketService {
        let settings = try options.settings()
        let native = try await later { try await startAgentWebSocketService(settings: settings, tokens: options.tokens) }
        return AgentWebSocketService(native, handler)
    }

    /// What clients on this machine take as the agent's URL.
    public var url: String { native.url() }

    /// What it has done so far.
    public var stats: ServiceStats {
        get throws { try Coding.decode(ServiceStats.self, from: now { try native.stats() }) }
    }

    /// Shows a notification to the client of a session; an error of kind `not_found` if there is none.
    public func notify(_ session: String, _ message: String) throws { try now { try native.notify(session: session, message: message) } }

    /// Admits nobody any more, tells every session to come back later, and waits for their end and the handlers'. Again is fine.
    public func close() async throws {
        try await later { try await native.shutdown() }
        serving.cancel()
        await serving.value
    }

    private static func answer(_ call: NativeChatCall, _ handler: @escaping ChatHandler) async {
        guard let messages = try? Coding.decode([Said].self, from: call.messages()) else { return }
        let question = Question(
            text: messages.last?.content ?? "", messages: messages, wantsDeltas: call.wantsDeltas(),
            delta: { piece in if call.wantsDeltas() { try await later { try await call.delta(text: piece) } } })
        let answering = Task { try await handler(question) }
        let watching = Task {
            try? await call.gone()
            if !Task.isCancelled { answering.cancel() }
        }
        defer { watching.cancel() }
        do {
            try call.answer(text: try await answering.value)
        } catch let failure as Failure {
            try? call.fail(message: failure.message.isEmpty ? failure.code : failure.message)
        } catch {
            // What a handler throws when it is told to stop, and what is said to nobody, is no news.
            if answering.isCancelled || error is NativeError { return }
            Log.report("the handler of questions failed", error)
            try? call.fail(message: "the agent failed")
        }
    }
}
