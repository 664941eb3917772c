import Foundation

/// How the agent works. Servers take some of it, and drop the rest with a warning; what is absent they decide.
public struct AgentOptions: Sendable {
    /// Turns of the agent with its model.
    public var maxTurns: Int?
    public var model: String?
    /// What the model is told first.
    public var systemPrompt: String?
    /// When the agent asks before it does something.
    public var permissionMode: String?
    /// Tools that may be used, and no others.
    public var allowedTools: [String]?
    /// Tools that may not be used.
    public var disallowedTools: [String]?
    /// How much the model may think.
    public var maxThinkingTokens: Int?
    /// Whether answers come piece by piece.
    public var includePartialMessages: Bool?
    /// A conversation that is known from elsewhere. By default, the one that this channel heard of last.
    public var resume: String?
    /// Begins a new conversation.
    public var newConversation: Bool?
    /// Whatever else, under the names of the protocol.
    public var other: [String: JSON]?
    /// Whether a turn may begin while another is under way.
    public var overlap = false

    public init(model: String? = nil, systemPrompt: String? = nil) {
        self.model = model
        self.systemPrompt = systemPrompt
    }

    func settings() throws -> String {
        try Coding.object([
            "max_turns": JSON(maxTurns), "model": JSON(model), "system_prompt": JSON(systemPrompt),
            "permission_mode": JSON(permissionMode), "allowed_tools": JSON(allowedTools), "disallowed_tools": JSON(disallowedTools),
            "max_thinking_tokens": JSON(maxThinkingTokens), "include_partial_messages": JSON(includePartialMessages),
            "resume": JSON(resume), "new_conversation": JSON(newConversation), "other": other.map(JSON.object),
            "overlap": .bool(overlap),
        ])
    }
}

/// With which key a channel is opened.
public enum ChannelKey: Sendable {
    /// The token that the setup issued, if it issued one.
    case session
    /// A session's token from elsewhere.
    case token(String)
    /// The client's key. Deployed servers hand what comes over the channel to the sandbox, where the agent can read it.
    case apiKey

    fileprivate var native: NativeChannelKey {
        switch self {
        case .session: return .sessionToken
        case .token(let token): return .token(token: token)
        case .apiKey: return .apiKey
        }
    }
}

/// How a channel is opened. Everything has a default.
public struct ChannelOptions: Sendable {
    public var user: String?
    /// Stored for the user before: by path, such as `debugging.md`.
    public var skills: [String: String]
    /// With `false`, the sandbox is ready already.
    public var setup = true
    public var key = ChannelKey.session
    public var namespace: String?
    /// Which tools the agent may use. Default: none.
    public var hooks: HookPolicy
    public var callTimeout: TimeInterval?
    public var turnTimeout: TimeInterval?

    public init(user: String? = nil, skills: [String: String] = [:], hooks: HookPolicy = HookPolicy()) {
        self.user = user
        self.skills = skills
        self.hooks = hooks
    }
}

/// An open conversation with the agent of one session, from ``UserDataClient/channel(_:options:)``. It connects again by itself when the
/// connection is lost, and its events say so; what is said is never sent again by itself. The sandbox stays:
/// ``UserDataClient/destroySandbox(_:)``.
public final class UserDataChannel: @unchecked Sendable {
    private let native: NativeUserDataChannel

    private init(_ native: NativeUserDataChannel) { self.native = native }

    static func open(_ client: NativeUserDataClient, _ session: String, _ options: ChannelOptions) async throws -> UserDataChannel {
        let skills = options.skills.sorted { $0.key < $1.key }.map { JSON.array([.string($0.key), .string($0.value)]) }
        let settings = try Coding.object([
            "session": .string(session), "user": JSON(options.user), "skills": .array(skills), "without_setup": .bool(!options.setup),
            "namespace": JSON(options.namespace), "tools": options.hooks.json, "call_timeout_ms": Coding.span(options.callTimeout),
            "turn_timeout_ms": Coding.span(options.turnTimeout),
        ])
        let hooks = options.hooks.handler.map { _ in NativeHooks() }
        let native = try await later {
            if let hooks, let handler = options.hooks.handler { answerHooks(hooks, handler) }
            return try await openUserDataChannel(client: client, settings: settings, key: options.key.native, hooks: hooks)
        }
        return UserDataChannel(native)
    }

    /// Says something to the agent, and gives what it answers as it comes: `for try await part in try await channel.send(…)`. One turn at a
    /// time, unless the options say `overlap`. What goes wrong is thrown by the turn. Leaving the turn does not interrupt the agent.
    public func send(_ prompt: String, options: AgentOptions = AgentOptions()) async throws -> Items<TurnPart> {
        let settings = try options.settings()
        return Items(try await later { try await native.send(prompt: prompt, settingsJson: settings) }, TurnPart.read)
    }

    /// Says something and waits for the end of the turn.
    public func ask(_ prompt: String, options: AgentOptions = AgentOptions()) async throws -> TurnEnd {
        for try await part in try await send(prompt, options: options) {
            if case .end(let end) = part { return end }
        }
        try Task.checkCancellation()
        throw AgentMeshError.internalError("the turn has no end")
    }

    /// Starts the agent before anything is said.
    public func start(options: AgentOptions = AgentOptions()) async throws {
        let settings = try options.settings()
        try await later { try await native.start(settingsJson: settings) }
    }

    /// Interrupts what the agent does. The turn that is under way throws `USER_DATA_INTERRUPTED`.
    public func interrupt(reason: String? = nil) async throws { try await later { try await native.interrupt(reason: reason) } }

    /// What was said in this session, oldest first, nothing twice.
    public func history() async throws -> [ChannelMessage] {
        try JSON(text: try await later { try await native.history() }).arrayValue?.map(ChannelMessage.init) ?? []
    }

    /// Interrupts the agent and empties the session's history.
    public func clear() async throws { try await later { try await native.clear() } }

    /// What the server knows of the session, as it says it. Older servers do not answer.
    public func diagnostics() async throws -> [String: JSON] {
        try JSON(text: try await later { try await native.diagnostics() }).objectValue ?? [:]
    }

    /// Stores the session's history as a conversation of a user. Where it is in the store.
    @discardableResult
    public func save(_ user: String, _ conversation: String) async throws -> String {
        try JSON(text: try await later { try await native.save(user: user, conversation: conversation) }).string("key")
    }

    /// What happens besides turns. The first to ask gets everything since the start, others what comes from now on.
    public func events() throws -> Items<ChannelEvent> { Items(try now { try native.events() }, ChannelEvent.read) }

    /// What the setup answered, if there was one.
    public var setup: Setup? {
        guard let setup = try? native.setup() else { return nil }
        return try? Setup(setup)
    }

    /// The agent's id for the conversation, once it is known.
    public var conversation: String? { (try? native.conversation()) ?? nil }
    /// Whether there is a connection now.
    public var isConnected: Bool { (try? native.isConnected()) ?? false }

    /// Gives up what is under way and takes leave, in at most three seconds. Again is fine.
    public func close() async throws { try await later { try await native.close() } }
}
