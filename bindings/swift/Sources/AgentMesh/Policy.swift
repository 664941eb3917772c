import Foundation

/// Who may open sessions with an agent. What a policy does not let through, no handler is asked about.
///
/// ```swift
/// let policy = try Policy(["minTier": "verified", "allowedCapabilities": ["weather/*"]])
/// ```
public struct Policy: Sendable, Hashable {
    /// The policy as JSON, in camelCase, with every member.
    public let json: JSON

    /// Reads a policy. What is not understood is an error, never a yes (`POLICY_MALFORMED`).
    public init(_ json: JSON) throws {
        let text = try Coding.text(json)
        self.json = try JSON(text: now { try normalizePolicy(policy: text) })
    }

    /// Reads a policy from JSON text.
    public init(text: String) throws {
        self.json = try JSON(text: now { try normalizePolicy(policy: text) })
    }

    private init(preset name: String) {
        // These four exist; a library of another version is refused when it is loaded.
        json = (try? JSON(text: policyPreset(name: name))) ?? .object([:])
    }

    /// Lets everybody in who is at least anonymous, within limits.
    public static let `default` = Policy(preset: "default")
    /// Lets everybody in.
    public static let permissive = Policy(preset: "permissive")
    /// Lets in whom the registry calls verified. What clients have unless they say otherwise.
    public static let verified = Policy(preset: "verified")
    /// Lets in whom the registry calls an organization's.
    public static let organization = Policy(preset: "organization")

    /// A policy that differs from this one in some members.
    public func with(_ members: [String: JSON]) throws -> Policy {
        try Policy(.object((json.objectValue ?? [:]).merging(members) { $1 }))
    }

    /// Judges a KNOCK that is described.
    public func evaluate(
        sender: String, capability: String, tier: String? = nil, reputation: Double = 0, sessionType: SessionType? = nil,
        ttl: TimeInterval? = nil, legacy: Bool = false, sessions: Int = 0, knocksLastMinute: Int = 0
    ) throws -> Decision {
        let knock = try Coding.object([
            "sender": .string(sender), "capability": .string(capability), "tier": JSON(tier), "reputation": .double(reputation),
            "session_type": JSON(sessionType?.rawValue), "ttl_s": JSON(Coding.wholeSeconds(ttl)), "legacy": .bool(legacy),
            "sessions": .int(Int64(sessions)), "knocks_last_minute": .int(Int64(knocksLastMinute)),
        ])
        let policy = json.text
        return Decision(try now { try evaluatePolicy(policy: policy, knock: knock) })
    }
}
