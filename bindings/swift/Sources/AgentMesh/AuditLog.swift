import Foundation

/// How grave an event of the audit log is.
public enum Severity: String, Sendable, Codable, CaseIterable {
    case debug = "DEBUG"
    case info = "INFO"
    case warning = "WARNING"
    case error = "ERROR"
    case critical = "CRITICAL"
}

/// What an audit log's verification found.
public struct AuditReport: Sendable, Hashable, Decodable {
    public let files: Int
    public let lines: Int
    public let events: Int
    public let anchors: Int
    /// Number of the last line that an anchor in the log vouches for; `nil` if there is none. What comes after could be rewritten by whoever can
    /// write the files.
    public let anchored: Int?
    public let encrypted: Bool
    /// Events that found the queue full.
    public let dropped: Int
    public let repairs: Int
    /// Bytes of a last line that is cut, as a crash leaves it.
    public let torn: Int
}

/// The audit log of an agent: every line is chained to the one before, and signed.
public final class AuditLog: @unchecked Sendable {
    private let native: NativeAuditLog

    init(_ native: NativeAuditLog) { self.native = native }

    /// Logs an event of the application. Never waits.
    public func log(
        _ type: String, _ severity: Severity, _ message: String, peer: String? = nil, fields: [String: JSON] = [:]
    ) throws {
        let metadata = JSON.object(fields).text
        try now { try native.log(kind: type, severity: severity.rawValue, message: message, peer: peer, metadata: metadata) }
    }

    /// The events that match, oldest first.
    public func query(
        types: [String]? = nil, minSeverity: Severity? = nil, peer: String? = nil, session: String? = nil, since: Date? = nil,
        until: Date? = nil, limit: Int? = nil
    ) async throws -> [JSON] {
        func moment(_ date: Date?) -> JSON? { date.map { .int(Int64($0.timeIntervalSince1970 * 1000)) } }
        let conditions = try Coding.object([
            "types": JSON(types), "min_severity": JSON(minSeverity?.rawValue), "peer": JSON(peer), "session": JSON(session),
            "since": moment(since), "until": moment(until), "limit": JSON(limit),
        ])
        return try JSON(text: try await later { try await native.query(conditions: conditions) }).arrayValue ?? []
    }

    /// Checks the whole log; with an anchor, also that it still has what the anchor says. `AUDIT_BROKEN` names the first line that is
    /// wrong.
    @discardableResult
    public func verify(anchor: String? = nil) async throws -> AuditReport {
        try Coding.decode(AuditReport.self, from: try await later { try await native.verify(anchor: anchor) })
    }

    /// Signs the end of the log; to be kept where its disk is not.
    public func anchor() async throws -> String { try await later { try await native.anchor() } }

    /// Returns when everything logged before is on disk.
    public func flush() async throws { try await later { try await native.flush() } }
}
