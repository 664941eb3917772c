import Foundation

/// JSON as it crosses to the native library: names with underscores, moments in milliseconds since 1970.
enum Coding {
    /// What the library says, as one of this package's values.
    static func decode<T: Decodable>(_ type: T.Type, from text: String) throws -> T {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.dateDecodingStrategy = .millisecondsSince1970
        do {
            return try decoder.decode(type, from: Data(text.utf8))
        } catch {
            throw AgentMeshError.internalError("what the library said cannot be read: \(error)")
        }
    }

    /// What an application wrote and a peer sent, as a type of the application's: nothing is converted.
    static func payload<T: Decodable>(_ type: T.Type, from text: String) throws -> T {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return try decoder.decode(type, from: Data(text.utf8))
    }

    /// A value as JSON text, members sorted.
    static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        do {
            return String(decoding: try encoder.encode(value), as: UTF8.self)
        } catch let error as EncodingError {
            throw AgentMeshError.argument("a payload is what JSON can say, Data, or nothing: \(Coding.reason(error))")
        }
    }

    private static func reason(_ error: EncodingError) -> String {
        if case .invalidValue(_, let context) = error { return context.debugDescription }
        return "it cannot be encoded"
    }

    /// Settings as the library reads them: what was left out is left out. `nil` if all was.
    static func settings(_ members: [String: JSON?]) throws -> String? {
        let given = members.compactMapValues { $0 }
        return given.isEmpty ? nil : try text(JSON.object(given))
    }

    /// The same, an empty object if all was left out.
    static func object(_ members: [String: JSON?]) throws -> String {
        try settings(members) ?? "{}"
    }

    /// A span of time for a setting: seconds, not negative and finite, as milliseconds.
    static func span(_ seconds: TimeInterval?) throws -> JSON? {
        guard let seconds else { return nil }
        return .int(Int64(try milliseconds(seconds)))
    }

    /// Seconds as milliseconds.
    static func milliseconds(_ seconds: TimeInterval) throws -> UInt64 {
        guard seconds >= 0, seconds <= 1e12 else {
            throw AgentMeshError.argument("a span of time is a number of seconds, not negative and finite")
        }
        return UInt64((seconds * 1000).rounded())
    }

    /// Whole seconds, at least one.
    static func wholeSeconds(_ seconds: TimeInterval?) throws -> UInt64? {
        guard let seconds else { return nil }
        return max(1, try (milliseconds(seconds) + 500) / 1000)
    }

    /// Milliseconds since 1970.
    static func moment(_ milliseconds: UInt64) -> Date {
        Date(timeIntervalSince1970: TimeInterval(milliseconds) / 1000)
    }

    /// `some_name` as `someName`.
    static func camel(_ name: String) -> String {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        guard let first = parts.first else { return name }
        return parts.dropFirst().reduce(String(first)) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
    }
}

extension JSON {
    init?(_ text: String?) {
        guard let text else { return nil }
        self = .string(text)
    }

    init?(_ number: Int?) {
        guard let number else { return nil }
        self = .int(Int64(number))
    }

    init?(_ number: UInt64?) {
        guard let number else { return nil }
        self = .int(Int64(clamping: number))
    }

    init?(_ flag: Bool?) {
        guard let flag else { return nil }
        self = .bool(flag)
    }

    init?(_ texts: [String]?) {
        guard let texts else { return nil }
        self = .array(texts.map(JSON.string))
    }
}
