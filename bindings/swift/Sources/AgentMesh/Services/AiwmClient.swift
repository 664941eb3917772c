import Foundation

/// How an agent is kept connected. Everything has a default.
public struct SupervisorOptions: Sendable {
    /// Default: that of the environment (`AIWM_ENABLED`, `AIWM_BASE_URL`, `AIWM_AGENT_ID`, `AIWM_AGENT_SECRET`) and of `envFile`, or none.
    public var controller: Controller?
    public var envFile: String?
    public var instructionFile: String?
    /// Throws if the controller refuses the agent.
    public var failFast: Bool?
    /// Numbers for heartbeats.
    public var metrics: [String: JSON]?
    /// Default: every minute.
    public var heartbeat: TimeInterval?
    /// Pauses before the tries after a failed one. Default: 1, 2 and 4 seconds.
    public var retries: [TimeInterval]?
    /// The pause between tries later. Default: 5 minutes.
    public var probe: TimeInterval?

    public init(controller: Controller? = nil, envFile: String? = nil) {
        self.controller = controller
        self.envFile = envFile
    }
}

/// An answer for an HTTP server of the agent's.
public struct HTTPAnswer: Sendable, Hashable {
    public let status: Int
    public let contentType: String
    public let body: String
}

/// Keeps an agent connected to its controller: configuration, heartbeats, tokens, fallback. **Nothing is encrypted end to end**: the
/// controller reads and writes everything.
///
/// ```swift
/// let supervisor = try await AiwmSupervisor.start(options: SupervisorOptions(envFile: ".env"))
/// print(try supervisor.state, try supervisor.config.model)
/// try supervisor.setStatus(.busy)
/// ```
///
/// It starts with a configuration in any case: the controller's, or after four tries a local one.
public final class AiwmSupervisor: @unchecked Sendable {
    private let native: NativeAiwmSupervisor

    private init(_ native: NativeAiwmSupervisor) { self.native = native }

    /// Connects, and returns with a configuration.
    public static func start(options: SupervisorOptions = SupervisorOptions()) async throws -> AiwmSupervisor {
        let retries = try options.retries.map { JSON.array(try $0.map { .int(Int64(try Coding.milliseconds($0))) }) }
        let settings = try Coding.object([
            "env_file": JSON(options.envFile), "instruction_file": JSON(options.instructionFile), "fail_fast": JSON(options.failFast),
            "retries_ms": retries, "heartbeat_ms": Coding.span(options.heartbeat), "probe_ms": Coding.span(options.probe),
        ])
        let controller = options.controller.map { NativeController(settings: $0.settings, secret: $0.secret) }
        let made = AiwmSupervisor(
            try await later { try await startAiwmSupervisor(controller: controller, settings: settings) })
        if let metrics = options.metrics { try made.setMetrics(metrics) }
        return made
    }

    /// The configuration now.
    public var config: AgentConfig {
        get throws { AgentConfig(try JSON(text: now { try native.config() })) }
    }
    /// The state now.
    public var state: AiwmState {
        get throws { AiwmState(rawValue: try now { try native.state() }) }
    }
    /// What happens from now on.
    public func events() throws -> Items<AiwmEvent> { Items(try now { try native.events() }, AiwmEvent.read) }

    /// What the agent is doing.
    public var status: AgentStatus {
        get throws { AgentStatus(rawValue: try now { try native.status() }) ?? .online }
    }
    /// Says what the agent is doing; the next heartbeat tells it.
    public func setStatus(_ status: AgentStatus) throws { try now { try native.setStatus(status: status.rawValue) } }

    /// Numbers for heartbeats: `cpu`, `memory`, `uptime`, or whatever the agent counts.
    public func setMetrics(_ metrics: [String: JSON]?) throws {
        let text = metrics.map { JSON.object($0).text }
        try now { try native.setMetrics(metrics: text) }
    }

    /// How often things happened, such as `aiwm_heartbeat_success_total`.
    public var counters: [String: Int] {
        get throws {
            (try JSON(text: now { try native.counters() }).objectValue ?? [:]).compactMapValues { $0.intValue.map(Int.init) }
        }
    }
    /// How the agent stands with its controller: `status` is `ok`, or `degraded` while it cannot be used; details as `GET /health` says.
    public var health: JSON {
        get throws { try JSON(text: now { try native.health() }) }
    }

    /// The answer to `GET path` for whatever HTTP server an agent has: `/health` and `/metrics`, 404 for others.
    public func respond(_ path: String) throws -> HTTPAnswer {
        let answer = try now { try native.respond(path: path) }
        return HTTPAnswer(status: Int(answer.status), contentType: answer.contentType, body: answer.body)
    }

    /// Stops heartbeats, tells the controller if that takes less than two seconds, wipes token and secret. Again is fine.
    public func shutdown() async throws { try await later { try await native.shutdown() } }
}

/// What a controller gave. Its token and whatever may hold secrets are not shown when it is printed.
public struct Connection: Sendable, CustomStringConvertible, CustomReflectable {
    let token: String
    /// For how many seconds the token is good.
    public let lifetime: TimeInterval
    /// `nil` if the controller has none.
    public let instruction: String?
    /// What the agent may use; `nil` if the controller does not say.
    public let tools: [JSON]?
    /// MCP servers by name. They hold the token.
    public let mcpServers: [String: JSON]
    /// What the controller says of the agent.
    public let agent: [String: JSON]
    /// Settings, as they came.
    public let settings: [String: JSON]
    /// Where a managed agent's model is.
    public let deployment: [String: JSON]
    /// Whatever else the controller says. Newer ones may put secrets there.
    public let other: [String: JSON]

    init(_ native: NativeAiwmConnected) throws {
        let said = try JSON(text: native.answer)
        token = native.token
        lifetime = said["lifetime_s"]?.doubleValue ?? 0
        instruction = said["instruction"]?.stringValue
        tools = said["tools"]?.arrayValue
        mcpServers = said["mcp_servers"]?.objectValue ?? [:]
        agent = said["agent"]?.objectValue ?? [:]
        settings = said["settings"]?.objectValue ?? [:]
        deployment = said["deployment"]?.objectValue ?? [:]
        other = said["other"]?.objectValue ?? [:]
    }

    public var description: String { "Connection for \(lifetime) s" }
    public var customMirror: Mirror { Mirror(self, children: ["lifetime": lifetime]) }
}

/// Talks to a controller call by call. The supervisor does it by itself.
public final class AiwmClient: @unchecked Sendable {
    private let native: NativeAiwmClient

    public init(_ controller: Controller) throws {
        native = try now { try NativeAiwmClient(settings: controller.settings, secret: controller.secret) }
    }

    /// Shows the secret, and gets a token and the configuration. The controller counts every success.
    public func connect() async throws -> Connection { try Connection(try await later { try await native.connect() }) }

    /// Says that the agent is alive. `AIWM_AUTH_REJECTED` asks for a new connection.
    public func heartbeat(_ connection: Connection, status: AgentStatus = .online, metrics: [String: JSON]? = nil) async throws {
        let text = metrics.map { JSON.object($0).text }
        try await later { try await native.heartbeat(token: connection.token, status: status.rawValue, metrics: text) }
    }

    /// Says that the agent goes. Older controllers answer with an error of kind `not_found`.
    public func disconnect(_ connection: Connection, reason: String = "shutdown") async throws {
        try await later { try await native.disconnect(token: connection.token, reason: reason) }
    }
}
