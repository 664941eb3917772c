import Foundation

/// How a session is to be used.
public enum SessionType: String, Sendable, Codable {
    case oneShot = "one-shot"
    case streaming
    case persistent
}

/// What a session is asked for.
public struct KnockRequest: Sendable, Hashable {
    /// The capability asked for, such as `weather/forecast`. Policies go by it.
    public var capability: String
    /// What to do with it.
    public var action: String
    /// Parameters.
    public var params: JSON?
    /// How the session is to be used.
    public var sessionType: SessionType
    /// How long it is to live, in seconds.
    public var ttl: TimeInterval
    /// How many messages there will be, as far as known.
    public var expectedMessages: Int?

    public init(
        capability: String = "*", action: String = "message", params: JSON? = nil, sessionType: SessionType = .oneShot,
        ttl: TimeInterval = 300, expectedMessages: Int? = nil
    ) {
        self.capability = capability
        self.action = action
        self.params = params
        self.sessionType = sessionType
        self.ttl = ttl
        self.expectedMessages = expectedMessages
    }

    func json() throws -> JSON {
        var intent: [String: JSON] = ["capability": .string(capability), "action": .string(action)]
        intent["params"] = params
        var request: [String: JSON] = ["type": .string(sessionType.rawValue), "intent": .object(intent)]
        request["ttl"] = JSON(try Coding.wholeSeconds(ttl))
        request["expectedMessages"] = JSON(expectedMessages)
        return .object(request)
    }
}

/// A KNOCK that was verified: who asks for a session, and what for.
public struct Knock: Sendable, Hashable {
    /// Who knocks.
    public let from: String
    /// The session that is asked for; it names the KNOCK.
    public let session: String
    /// The suite's name.
    public let suite: String
    /// What the registry says that the peer is.
    public let tier: Tier
    /// What the registry says of its reputation, 0 to 1.
    public let reputation: Double
    /// The capability asked for.
    public let capability: String
    /// What to do with it.
    public let action: String
    /// Parameters.
    public let params: JSON?
    /// How the session is to be used.
    public let sessionType: SessionType
    /// The lifetime asked for, in seconds.
    public let ttl: TimeInterval
    /// How many messages there will be, as far as known.
    public let expectedMessages: Int?
    /// How urgent it is, if the peer says so.
    public let priority: Double?
}

extension Knock: Decodable {
    enum CodingKeys: String, CodingKey {
        case from = "sender"
        case ttl = "ttlS"
        case session, suite, tier, reputation, capability, action, params, sessionType, expectedMessages, priority
    }
}

/// A KNOCK without a decision.
public struct PendingKnock: Sendable, Hashable, Decodable {
    /// Who asks, and what for.
    public let knock: Knock
    /// When it came.
    public let receivedAt: Date
    /// Messages that are held until it is decided.
    public let held: Int
}

/// What can be decided about a KNOCK.
public enum Decision: Sendable, Hashable {
    /// The session is opened, for `ttl` seconds if not for as long as was asked for.
    case accept(ttl: TimeInterval? = nil)
    /// The session is closed, and the peer told why, and when it may try again.
    case reject(reason: String = "rejected", retryAfter: TimeInterval? = nil)
    /// Leaves it to the owner, by ``AgentMeshClient/acceptKnock(_:ttl:)`` or ``AgentMeshClient/rejectKnock(_:reason:retryAfter:)``;
    /// messages are held until then.
    case later

    init(_ native: NativeDecision) {
        switch native {
        case .accept(let ttl): self = .accept(ttl: ttl.map { TimeInterval($0) })
        case .reject(let reason, let retry): self = .reject(reason: reason, retryAfter: retry.map { TimeInterval($0) })
        case .later: self = .later
        }
    }

    func native() throws -> NativeDecision {
        switch self {
        case .accept(let ttl): return .accept(ttlS: try Coding.wholeSeconds(ttl))
        case .reject(let reason, let retry): return .reject(reason: reason, retryAfterS: try Coding.wholeSeconds(retry))
        case .later: return .later
        }
    }
}

/// Decides about KNOCKs that the policy lets through. One that throws decides nothing: the KNOCK is left for later.
public typealias KnockHandler = @Sendable (Knock) async throws -> Decision
