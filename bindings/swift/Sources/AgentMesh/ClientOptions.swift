import Foundation

/// How much may be sent, how fast.
public struct RateLimit: Sendable, Hashable {
    /// Messages in a minute, in the long run.
    public var perMinute: Int
    /// Messages at once.
    public var burst: Int

    public init(perMinute: Int, burst: Int) {
        self.perMinute = perMinute
        self.burst = burst
    }

    var json: JSON { ["per_minute": .int(Int64(perMinute)), "burst": .int(Int64(burst))] }
}

/// An audit log to be kept.
public struct AuditOptions: Sendable, Hashable {
    /// Where its files are.
    public var directory: String
    /// Whether its lines are encrypted under the store's key.
    public var encrypted: Bool
    /// What is less grave is not logged.
    public var minSeverity: Severity?

    public init(directory: String, encrypted: Bool = false, minSeverity: Severity? = nil) {
        self.directory = directory
        self.encrypted = encrypted
        self.minSeverity = minSeverity
    }
}

/// Whether an identity must be in the store.
public enum OpenMode: Sendable {
    case openOrCreate
    case load
    case createNew

    var native: NativeOpenMode {
        switch self {
        case .openOrCreate: return .openOrCreate
        case .load: return .load
        case .createNew: return .createNew
        }
    }
}

/// How an agent is opened. Everything has a default.
public struct ClientOptions: Sendable {
    /// Default: the environment variable `AGENTMESH_REGISTRY_URL`, else `https://agentmesh.online/v1`.
    public var registryURL: String?
    /// Default: the environment variable `AGENTMESH_RELAY_URL`, else `wss://relay.agentmesh.online/v1/connect`.
    public var relayURL: String?
    /// Works with neither registry nor relay.
    public var offline = false
    /// The identity for a new store; without, one is made.
    public var identity: Identity?
    /// A backup for a new store.
    public var backup: Backup?
    /// What the identity is called in its store; default: the environment variable `AGENT_IDENTITY_KEY`, else `agent-identity`.
    public var identityKey: String?
    /// Whether the identity must be there.
    public var mode = OpenMode.openOrCreate
    /// Shown in the registry.
    public var displayName: String?
    /// What the agent can do.
    public var capabilities: [String]?
    /// Who may open sessions. Default: ``Policy/verified``.
    public var policy: Policy?
    /// A file that says it, followed as it changes.
    public var policyFile: String?
    /// How often the file is looked at, in seconds, as all spans of time.
    public var policyPoll: TimeInterval?
    /// Decides about sessions that the policy lets through. Without, they are accepted.
    public var onKnock: KnockHandler?
    /// How long that may take.
    public var knockTimeout: TimeInterval?
    /// How long ``AgentMeshClient/connect(displayName:capabilities:)`` waits.
    public var connectTimeout: TimeInterval?
    /// Messages handed on and not acknowledged, at most.
    public var deliveryWindow: Int?
    /// How often the registry is told that the agent is online.
    public var heartbeat: TimeInterval?
    /// The largest payload taken from a peer, in bytes.
    public var maxPayload: Int?
    /// How fast messages may be sent, all together.
    public var rateLimit: RateLimit?
    /// How fast messages may be sent to one peer.
    public var peerRateLimit: RateLimit?
    /// Messages that the relay takes in a minute, for streams; 0 if it does not limit them.
    public var relayMessagesPerMinute: Int?
    /// How long chunks of a stream may wait for a reader that consumes nothing.
    public var streamStallTimeout: TimeInterval?
    /// Keeps an audit log.
    public var auditLog: AuditOptions?
    /// Whether registry and relay may be reached unencrypted on other machines.
    public var allowInsecure = false
    /// Whether peers that speak only `agentmesh/0.2` may be spoken to.
    public var allowLegacy = false

    /// Defaults; what is often said can be said here, everything else by the members.
    public init(
        registryURL: String? = nil, relayURL: String? = nil, offline: Bool = false, policy: Policy? = nil, identity: Identity? = nil,
        backup: Backup? = nil, displayName: String? = nil, capabilities: [String]? = nil, onKnock: KnockHandler? = nil
    ) {
        self.registryURL = registryURL
        self.relayURL = relayURL
        self.offline = offline
        self.policy = policy
        self.identity = identity
        self.backup = backup
        self.displayName = displayName
        self.capabilities = capabilities
        self.onKnock = onKnock
    }

    /// The settings as the library reads them.
    func settings() throws -> String {
        func variable(_ name: String) -> String? {
            let value = offline ? nil : ProcessInfo.processInfo.environment[name]
            return value?.isEmpty == false ? value : nil
        }
        var limits: [String: JSON] = [:]
        limits["overall"] = rateLimit?.json
        limits["per_peer"] = peerRateLimit?.json
        var audit: [String: JSON] = [:]
        if let auditLog {
            audit = ["directory": .string(auditLog.directory), "encrypted": .bool(auditLog.encrypted)]
            audit["min_severity"] = JSON(auditLog.minSeverity?.rawValue)
        }
        return try Coding.object([
            "registry_url": JSON(registryURL ?? variable("AGENTMESH_REGISTRY_URL")),
            "relay_url": JSON(relayURL ?? variable("AGENTMESH_RELAY_URL")),
            "offline": offline ? true : nil,
            "identity_key": JSON(identityKey),
            "display_name": JSON(displayName),
            "capabilities": JSON(capabilities),
            "policy": policy?.json,
            "policy_file": JSON(policyFile),
            "policy_poll_ms": Coding.span(policyPoll),
            "rate_limits": limits.isEmpty ? nil : .object(limits),
            "knock_timeout_ms": Coding.span(knockTimeout),
            "connect_timeout_ms": Coding.span(connectTimeout),
            "delivery_window": JSON(deliveryWindow),
            "heartbeat_ms": Coding.span(heartbeat),
            "max_payload": JSON(maxPayload),
            "relay_messages_per_minute": JSON(relayMessagesPerMinute),
            "stream_stall_timeout_ms": Coding.span(streamStallTimeout),
            "audit": audit.isEmpty ? nil : .object(audit),
            "allow_insecure": allowInsecure ? true : nil,
            "allow_legacy": allowLegacy ? true : nil,
        ])
    }
}
