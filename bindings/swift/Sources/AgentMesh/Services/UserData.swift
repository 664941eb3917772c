import Foundation

/// A skill.
public struct Skill: Sendable, Hashable {
    public let name: String
    /// Its text.
    public let content: String
    /// Bytes.
    public let size: Int
    /// Who stored it, and when.
    public let metadata: [String: JSON]
    /// When it was stored, ISO 8601.
    public let uploaded: String
    /// Whatever else the answer holds.
    public let other: [String: JSON]
}

/// A line of a list of conversations.
public struct ConversationEntry: Sendable, Hashable {
    public let id: String
    /// When it was saved, ISO 8601.
    public let savedAt: String
    /// Bytes.
    public let size: Int
    /// Whatever else the answer holds.
    public let other: [String: JSON]
}

/// A stored conversation.
public struct Conversation: Sendable, Hashable {
    public let id: String
    /// The body as it was saved, with everything in it.
    public let body: [String: JSON]
    /// Who stored it, and when.
    public let metadata: [String: JSON]
    /// When it was stored, ISO 8601.
    public let uploaded: String
    /// Whatever else the answer holds.
    public let other: [String: JSON]
    /// Its messages: by custom objects with `role` and `content`.
    public var messages: [JSON] { body["messages"]?.arrayValue ?? [] }
}

/// A user's settings under one name.
public struct Settings: Sendable, Hashable {
    public let name: String
    /// The object that was put.
    public let values: [String: JSON]
    /// Who stored it, and when.
    public let metadata: [String: JSON]
    /// When it was stored, ISO 8601.
    public let uploaded: String
    /// Whatever else the answer holds.
    public let other: [String: JSON]
}

/// A sandbox is ready for a session. Its token is not shown when it is printed.
public struct Setup: Sendable, CustomStringConvertible, CustomReflectable {
    public let sessionID: String
    /// The user whose skills it has.
    public let userID: String
    /// How it gets them: `r2_load_dev`, `r2_mount`, `r2_load_fallback`, or something newer.
    public let method: String
    /// Paths of the skills in the sandbox. Empty if there are none, or if they are mounted.
    public let skillsLoaded: [String]
    /// What the server says to people.
    public let message: String
    /// What the channel of this session is opened with, at servers that want it.
    public let sessionToken: String?
    /// Whatever else the answer holds.
    public let other: [String: JSON]

    init(_ native: NativeSandboxSetup) throws {
        let said = try JSON(text: native.answer)
        sessionID = said.string("sessionId")
        userID = said.string("userId")
        method = said.string("setupMethod")
        skillsLoaded = said.texts("skillsLoaded")
        message = said.string("message")
        sessionToken = native.sessionToken
        other = said.others("sessionId", "userId", "setupMethod", "skillsLoaded", "message")
    }

    public var description: String { "Setup \(sessionID)" }
    public var customMirror: Mirror { Mirror(self, children: ["sessionID": sessionID, "userID": userID, "method": method]) }
}

/// How a service is reached. Everything has a default.
public struct UserDataOptions: Sendable {
    public var apiKey: String?
    public var requestTimeout: TimeInterval?
    public var setupTimeout: TimeInterval?
    public var uploadTimeout: TimeInterval?
    /// Pauses before a request is sent again. Default: half a second, one and two; an empty list sends everything once.
    public var retryPauses: [TimeInterval]?
    /// Whether the server may be reached unencrypted on another machine.
    public var allowInsecure: Bool?

    public init(apiKey: String? = nil) { self.apiKey = apiKey }
}

/// A client of a user data service. **Nothing is encrypted end to end**: whoever runs the server reads everything.
///
/// ```swift
/// let client = try UserDataClient("https://api.example.com", options: UserDataOptions(apiKey: key))
/// let channel = try await client.channel("session-1", options: ChannelOptions(user: "alice", hooks: .allowTools(["Read"])))
/// for try await part in try await channel.send("Help me debug this issue") {
///     if case .delta(let text, _) = part { print(text) }
/// }
/// ```
///
/// It connects when it is first used, and needs no closing. Every request has a time limit and an id that the server's log has, too;
/// those that can be repeated without harm are. Names are checked before anything is sent (`USER_DATA_INVALID_NAME`).
public final class UserDataClient: @unchecked Sendable {
    /// The name that a user's settings have unless they have another.
    public static let preferences = "preferences"

    let native: NativeUserDataClient

    /// `baseURL` keeps its path.
    public init(_ baseURL: String, options: UserDataOptions = UserDataOptions()) throws {
        let pauses = try options.retryPauses.map { JSON.array(try $0.map { .int(Int64(try Coding.milliseconds($0))) }) }
        let settings = try Coding.object([
            "base_url": .string(baseURL), "allow_insecure": JSON(options.allowInsecure), "retry_pauses_ms": pauses,
            "request_timeout_ms": Coding.span(options.requestTimeout), "setup_timeout_ms": Coding.span(options.setupTimeout),
            "upload_timeout_ms": Coding.span(options.uploadTimeout),
        ])
        native = try now { try NativeUserDataClient(settings: settings, key: options.apiKey) }
    }

    private func ask(_ call: (NativeUserDataClient) async throws -> String) async throws -> JSON {
        try JSON(text: try await later { try await call(native) })
    }

    /// Stores a skill, over one of the same name. Where it is in the store.
    @discardableResult
    public func putSkill(_ user: String, _ name: String, _ content: String) async throws -> String {
        try await ask { try await $0.putSkill(user: user, name: name, content: content) }.string("key")
    }

    /// The names of all skills of a user; none for a user that nobody knows.
    public func listSkills(_ user: String) async throws -> [String] {
        try await ask { try await $0.listSkills(user: user) }.texts("skills")
    }

    /// A skill; an error of kind `not_found` if there is none.
    public func skill(_ user: String, _ name: String) async throws -> Skill {
        let said = try await ask { try await $0.skill(user: user, name: name) }
        return Skill(
            name: said.string("skillName"), content: said.string("content"), size: Int(said["size"]?.intValue ?? 0),
            metadata: said["metadata"]?.objectValue ?? [:], uploaded: said.string("uploaded"),
            other: said.others("skillName", "content", "size", "metadata", "uploaded"))
    }

    /// Deletes a skill. One that is not there is deleted, too.
    public func deleteSkill(_ user: String, _ name: String) async throws {
        _ = try await ask { try await $0.deleteSkill(user: user, name: name) }
    }

    /// Stores a conversation, over one of the same id: a whole object with a `conversationId` and `messages`, which is kept as it is.
    /// Where it is in the store.
    @discardableResult
    public func saveConversation(_ user: String, _ conversation: some Encodable) async throws -> String {
        let body = try Coding.text(conversation)
        return try await ask { try await $0.saveConversation(user: user, conversation: body) }.string("key")
    }

    /// A conversation as it was saved; an error of kind `not_found` if there is none.
    public func conversation(_ user: String, _ id: String) async throws -> Conversation {
        let said = try await ask { try await $0.conversation(user: user, id: id) }
        return Conversation(
            id: said.string("conversationId"), body: said["conversation"]?.objectValue ?? [:],
            metadata: said["metadata"]?.objectValue ?? [:], uploaded: said.string("uploaded"),
            other: said.others("conversationId", "conversation", "metadata", "uploaded"))
    }

    /// All conversations of a user, without their contents. Deployed servers have no such list.
    public func listConversations(_ user: String) async throws -> [ConversationEntry] {
        let said = try await ask { try await $0.listConversations(user: user) }
        return (said["conversations"]?.arrayValue ?? []).map {
            ConversationEntry(
                id: $0.string("conversationId"), savedAt: $0.string("savedAt"), size: Int($0["size"]?.intValue ?? 0),
                other: $0.others("conversationId", "savedAt", "size"))
        }
    }

    /// Deletes a conversation. One that is not there is deleted, too. Deployed servers delete none.
    public func deleteConversation(_ user: String, _ id: String) async throws {
        _ = try await ask { try await $0.deleteConversation(user: user, id: id) }
    }

    /// Stores settings, over those of the same name. Deployed servers have none.
    public func putSettings(_ user: String, _ values: [String: JSON], name: String = preferences) async throws {
        let text = JSON.object(values).text
        _ = try await ask { try await $0.putSettings(user: user, name: name, settings: text) }
    }

    /// Settings; an error of kind `not_found` if there are none.
    public func settings(_ user: String, name: String = preferences) async throws -> Settings {
        let said = try await ask { try await $0.settings(user: user, name: name) }
        return Settings(
            name: said.string("name"), values: said["settings"]?.objectValue ?? [:], metadata: said["metadata"]?.objectValue ?? [:],
            uploaded: said.string("uploaded"), other: said.others("name", "settings", "metadata", "uploaded"))
    }

    /// Deletes settings. Those that are not there are deleted, too.
    public func deleteSettings(_ user: String, name: String = preferences) async throws {
        _ = try await ask { try await $0.deleteSettings(user: user, name: name) }
    }

    /// Makes a sandbox ready for a session and loads the user's skills into it; a channel does it by itself. Without a user, the server
    /// takes the session's id for one.
    public func setup(_ session: String, user: String? = nil) async throws -> Setup {
        try Setup(try await later { try await native.setup(session: session, user: user) })
    }

    /// Throws a session's sandbox away, with everything in it that is not stored.
    public func destroySandbox(_ session: String) async throws {
        try await later { try await native.destroySandbox(session: session) }
    }

    /// What the server says of itself: `status` is `healthy` or `ok`. Needs no key, and sends none.
    public func health() async throws -> [String: JSON] { try await ask { try await $0.health() }.objectValue ?? [:] }

    /// Opens a conversation with the agent of a session: stores the skills, makes the sandbox ready, connects.
    public func channel(_ session: String, options: ChannelOptions = ChannelOptions()) async throws -> UserDataChannel {
        try await UserDataChannel.open(native, session, options)
    }
}
