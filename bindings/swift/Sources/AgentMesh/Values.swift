import Foundation

/// How far a message has come.
public enum Stage: UInt8, Sendable, Codable, Comparable {
    /// In our own outbox, on disk.
    case queued = 0
    /// On the relay's disk.
    case stored = 1
    /// Decrypted by the peer, and on its disk.
    case delivered = 2
    /// Handled by the peer.
    case handled = 3

    public static func < (one: Stage, other: Stage) -> Bool { one.rawValue < other.rawValue }

    init(number: UInt8) { self = Stage(rawValue: number) ?? .handled }
}

/// How well the registry knows who is behind an agent. Not a cryptographic fact.
public struct Tier: RawRepresentable, Sendable, Hashable, Codable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public static let anonymous = Tier(rawValue: "anonymous")
    public static let verified = Tier(rawValue: "verified")
    public static let organization = Tier(rawValue: "organization")
}

/// What came of a message by the time that sending it returned.
public struct Sent: Sendable, Hashable {
    /// Its id.
    public let id: String
    /// The recipient.
    public let to: String
    /// How far it came, at least as far as was asked for.
    public let stage: Stage

    init(_ native: NativeSent) {
        id = native.id
        to = native.to
        stage = Stage(number: native.stage)
    }
}

/// Where the chains of a session stand.
public struct SessionChains: Sendable, Hashable, Decodable {
    /// Messages sent in the current chain.
    public let sent: Int
    /// Messages sent in the chain before.
    public let previous: Int
    /// Number of the next message expected; `nil` before the peer's first.
    public let received: Int?
    /// Whether the next message sent begins a new chain.
    public let turnDue: Bool
    /// Keys kept for messages that were overtaken.
    public let skipped: Int
}

/// A session, without anything secret.
public struct SessionSummary: Sendable, Hashable, Decodable {
    /// The session.
    public let id: String
    /// The agent at the other end.
    public let peer: String
    /// The suite's name, such as `x25519-mlkem768`.
    public let suite: String
    /// When this end was made.
    public let createdAt: Date
    /// Whether we opened it.
    public let initiator: Bool
    /// Whether it was accepted, as far as this end knows.
    public let accepted: Bool
    /// Whether the peer has shown that it has the session.
    public let confirmed: Bool
    /// Whether the next message to the peer goes here.
    public let sending: Bool
    /// Where its chains stand; `nil` in 0.2.
    public let chains: SessionChains?
}

/// The circuit breakers as they stand.
public struct CircuitStatus: Sendable, Hashable {
    /// Whether the agent works.
    public enum State: String, Sendable {
        case running
        /// It rejects new sessions.
        case paused
        /// It does nothing.
        case stopped
    }

    /// Whether the agent works.
    public let state: State
    /// Since when; `nil` if it never was otherwise.
    public let since: Date?
    /// Who is shut out, and since when.
    public let blocked: [String: Date]
}

/// How many parts of a payload are there, of how many.
public struct Parts: Sendable, Hashable {
    public let done: Int
    public let total: Int
}

extension Parts: Decodable {
    public init(from decoder: Decoder) throws {
        var pair = try decoder.unkeyedContainer()
        done = try pair.decode(Int.self)
        total = try pair.decode(Int.self)
    }
}

/// A message in the outbox.
public struct OutboxItem: Sendable, Hashable, Decodable {
    public let id: String
    /// The recipient.
    public let to: String
    public let stage: Stage
    public let queuedAt: Date
    /// When it is given up if nobody confirms it.
    public let expiresAt: Date
    /// Bytes kept for it.
    public let size: Int
    /// How often it was handed to the relay since the agent was opened.
    public let attempts: Int
    /// The code of what went wrong last.
    public let lastError: String?
    /// Of a payload in parts: how many the recipient has.
    public let parts: Parts?
}

/// A message that came in and is not handled.
public struct InboxItem: Sendable, Hashable, Decodable {
    /// What a message waits for.
    public enum Awaited: String, Sendable, Decodable {
        case handler
        /// On its sender's KNOCK.
        case decision
        /// The rest of its parts.
        case parts
    }

    public let id: String
    /// Who sent it.
    public let from: String
    public let kind: String
    public let inReplyTo: String?
    public let sentAt: Date
    public let receivedAt: Date
    /// Bytes of the payload that are here.
    public let size: Int
    public let waitsFor: Awaited
    public let parts: Parts?

    enum CodingKeys: String, CodingKey {
        case from = "sender"
        case id, kind, inReplyTo, sentAt, receivedAt, size, waitsFor, parts
    }
}

/// A stream that has not ended.
public struct OpenStream: Sendable, Hashable, Decodable {
    /// The agent at the other end.
    public let peer: String
    /// The request; it names the stream.
    public let id: String
    /// Whether we read it; otherwise we send it.
    public let reading: Bool
    /// Sender: chunks queued. Reader: chunks consumed.
    public let position: UInt64
}

/// How full a limit on sending is.
public struct Bucket: Sendable, Hashable, Decodable {
    /// Messages that may be sent at once, now.
    public let available: Int
    /// Messages that may be sent at once, at most.
    public let burst: Int
    /// Messages a second in the long run.
    public let perSecond: Double
}

/// How full the limits on sending are.
public struct RateStatus: Sendable, Hashable, Decodable {
    /// All messages together.
    public let overall: Bucket?
    /// Those to the peer that was asked about.
    public let peer: Bucket?
    /// Peers that are counted.
    public let peers: Int
}

/// What the registry says of an agent. Only the signing key is proven: the AMID is its hash.
public struct Listing: Sendable, Hashable {
    public let amid: String
    public let signingKey: Data
    public let exchangeKey: Data
    public let displayName: String?
    public let organization: String?
    public let tier: Tier
    public let capabilities: [String]
    /// Whether it says it can be reached: `online`, `away`, `offline`, `dnd`.
    public let status: String
    /// 0 to 1.
    public let reputation: Double
    public let lastSeen: Date?
}

extension Listing: Decodable {
    enum CodingKeys: String, CodingKey {
        case amid, signingKey, exchangeKey, displayName, organization, tier, capabilities, status, reputation, lastSeen
    }

    public init(from decoder: Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        amid = try values.decode(String.self, forKey: .amid)
        signingKey = Data(try values.decode([UInt8].self, forKey: .signingKey))
        exchangeKey = Data(try values.decode([UInt8].self, forKey: .exchangeKey))
        displayName = try values.decodeIfPresent(String.self, forKey: .displayName)
        organization = try values.decodeIfPresent(String.self, forKey: .organization)
        tier = try values.decode(Tier.self, forKey: .tier)
        capabilities = try values.decode([String].self, forKey: .capabilities)
        status = try values.decode(String.self, forKey: .status)
        reputation = try values.decode(Double.self, forKey: .reputation)
        lastSeen = try values.decodeIfPresent(Date.self, forKey: .lastSeen)
    }
}

/// A page of search results.
public struct SearchPage: Sendable, Hashable, Decodable {
    /// By reputation, then by last sign of life.
    public let agents: [Listing]
    /// How many the registry counts on all pages.
    public let total: Int
    /// Where the next page begins; `nil` if this one was the last.
    public let nextOffset: Int?
    /// Entries left out, because their key is not that of their AMID.
    public let rejected: Int
}

/// A wish, and what is granted for it.
public struct CapabilityMatch: Sendable, Hashable, Decodable {
    public let wanted: String
    public let offered: String
    /// `exact`, `wildcard` or `prefix`.
    public let fit: String
}

/// What a peer grants of what it was asked for.
public struct Agreement: Sendable, Hashable, Decodable {
    public let agreed: [CapabilityMatch]
}

extension CircuitStatus: Decodable {
    enum CodingKeys: String, CodingKey { case state, since, blocked }

    private struct Entry: Decodable {
        let peer: String
        let at: Date

        init(from decoder: Decoder) throws {
            var pair = try decoder.unkeyedContainer()
            peer = try pair.decode(String.self)
            at = try pair.decode(Date.self)
        }
    }

    public init(from decoder: Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        state = State(rawValue: try values.decode(String.self, forKey: .state)) ?? .stopped
        let began = try values.decode(Date.self, forKey: .since)
        since = began.timeIntervalSince1970 == 0 ? nil : began
        let entries = try values.decode([Entry].self, forKey: .blocked)
        blocked = Dictionary(entries.map { ($0.peer, $0.at) }, uniquingKeysWith: { $1 })
    }
}
