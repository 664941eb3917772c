import Foundation

/// What an agent says of itself: ready, at work, nothing to do.
public enum AgentStatus: String, Sendable {
    case online, busy, idle
}

/// Where an agent stands with its controller.
public struct AiwmState: RawRepresentable, Sendable, Hashable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    /// Everything is local.
    public static let disabled = AiwmState(rawValue: "disabled")
    public static let connecting = AiwmState(rawValue: "connecting")
    public static let online = AiwmState(rawValue: "online")
    /// The controller cannot be used, and the configuration is the last one, or local.
    public static let degraded = AiwmState(rawValue: "degraded")
    /// It does not know the agent any more.
    public static let gone = AiwmState(rawValue: "gone")
    public static let stopped = AiwmState(rawValue: "stopped")
}

/// Where a controller is, and who the agent is there. Its secret is not shown when it is printed.
public struct Controller: Sendable, CustomStringConvertible, CustomReflectable {
    /// Base URL, with its path; `https`, or `http` on this machine.
    public var baseURL: String
    /// The agent's id, 24 hexadecimal digits.
    public var agentID: String
    /// The agent's secret.
    public var secret: String
    /// Lets `http` reach other machines. Everybody on the way then reads the secret.
    public var allowInsecure: Bool

    public init(baseURL: String, agentID: String, secret: String, allowInsecure: Bool = false) {
        self.baseURL = baseURL
        self.agentID = agentID
        self.secret = secret
        self.allowInsecure = allowInsecure
    }

    public var description: String { "Controller \(agentID) at \(baseURL)" }
    public var customMirror: Mirror { Mirror(self, children: ["baseURL": baseURL, "agentID": agentID]) }

    var settings: String {
        JSON.object([
            "base_url": .string(baseURL), "agent_id": .string(agentID), "allow_insecure": .bool(allowInsecure),
        ]).text
    }
}

/// A platform on which the agent talks. Its token is not shown when it is printed.
public struct Platform: Sendable, CustomStringConvertible, CustomReflectable {
    /// The bot's token.
    public let token: String?
    /// Channels (Discord) or groups (Telegram).
    public let places: [String]
    /// The bot's id (Discord) or name (Telegram).
    public let bot: String?

    init(_ said: JSON?) {
        token = said?["token"]?.stringValue
        places = said?.texts("places") ?? []
        bot = said?["bot"]?.stringValue
    }

    public var description: String { "Platform \(bot ?? "without a bot")" }
    public var customMirror: Mirror { Mirror(self, children: ["places": places, "bot": bot as Any]) }
}

/// What an agent runs with: what the controller says, then the environment, then defaults. Only what holds no secret is shown when it is
/// printed.
public struct AgentConfig: Sendable, CustomStringConvertible, CustomReflectable {
    public let instruction: String?
    /// Where the instruction is from: `controller` or `file`; `nil` if there is none.
    public let instructionSource: String?
    /// Tools that the agent may use, as the controller describes them; `nil` if it did not say.
    public let tools: [JSON]?
    public let model: String
    public let maxTurns: Int
    /// `default` unless somebody chose another.
    public let permissionMode: String
    /// Whether to go on with the last conversation.
    public let resume: Bool
    /// OAuth token of the model's provider.
    public let oauthToken: String?
    public let discord: Platform
    public let telegram: Platform
    /// Roles of the agent.
    public let authRoles: [String]
    /// The agent's name.
    public let name: String?
    /// MCP servers. They hold the agent's token.
    public let mcpServers: [String: JSON]
    /// All settings as the controller sent them.
    public let settings: [String: JSON]
    /// Environment variables that say all this to a child process. Some values are secrets.
    public let variables: [String: String]

    init(_ said: JSON) {
        instruction = said["instruction"]?.stringValue
        instructionSource = said["instruction_source"]?.stringValue
        tools = said["tools"]?.arrayValue
        model = said.string("model")
        maxTurns = Int(said["max_turns"]?.intValue ?? 0)
        permissionMode = said.string("permission_mode")
        resume = said["resume"]?.boolValue ?? false
        oauthToken = said["oauth_token"]?.stringValue
        discord = Platform(said["discord"])
        telegram = Platform(said["telegram"])
        authRoles = said.texts("auth_roles")
        name = said["name"]?.stringValue
        mcpServers = said["mcp_servers"]?.objectValue ?? [:]
        settings = said["settings"]?.objectValue ?? [:]
        variables = (said["variables"]?.objectValue ?? [:]).compactMapValues(\.stringValue)
    }

    public var description: String { "AgentConfig \(name ?? model)" }
    public var customMirror: Mirror { Mirror(self, children: ["model": model, "maxTurns": maxTurns, "name": name as Any]) }
}

/// What happens to an agent under a controller.
public enum AiwmEvent: Sendable {
    case state(AiwmState)
    /// A connect brought another configuration. Nothing is changed in the running agent: most need a restart.
    case configUpdated(AgentConfig)
    /// The controller does not know the agent any more. Heartbeats have stopped; tell the administrator.
    case agentDeleted
    case connectFailed(AgentMeshError)
    /// The reader was too slow for so many events.
    case lagged(missed: Int)
    case other(String)

    @Sendable static func read(_ kind: String, _ said: JSON) throws -> AiwmEvent {
        switch kind {
        case "state": return .state(AiwmState(rawValue: said.string("state")))
        case "config_updated": return .configUpdated(AgentConfig(said["config"] ?? .null))
        case "agent_deleted": return .agentDeleted
        case "connect_failed": return .connectFailed(said.error("error") ?? .internalError("nobody said what"))
        case "lagged": return .lagged(missed: Int(said["missed"]?.intValue ?? 0))
        default: return .other(kind)
        }
    }
}
