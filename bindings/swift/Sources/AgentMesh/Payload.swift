import Foundation

/// What a message carries: JSON, bytes, or nothing at all.
public enum Payload: Sendable {
    /// Nothing.
    case none
    /// JSON text, as it came or is to go.
    case json(String)
    /// Bytes.
    case bytes(Data)

    /// `Data` is bytes; everything else is encoded as JSON. Dates are ISO 8601.
    public static func encoding(_ value: some Encodable) throws -> Payload {
        if let payload = value as? Data { return .bytes(payload) }
        return .json(try Coding.text(value))
    }

    /// The payload as a type of your own: `Data` for bytes, anything `Decodable` for JSON. Throws `DecodingError` if it is not one.
    public func decode<T: Decodable>(_ type: T.Type = T.self) throws -> T {
        switch self {
        case .json(let text):
            return try Coding.payload(type, from: text)
        case .bytes(let data):
            if let data = data as? T { return data }
            throw DecodingError.typeMismatch(type, .init(codingPath: [], debugDescription: "the payload is bytes"))
        case .none:
            throw DecodingError.valueNotFound(type, .init(codingPath: [], debugDescription: "the message carries nothing"))
        }
    }

    /// The JSON value; `nil` if it is none.
    public var jsonValue: JSON? {
        if case .json(let text) = self { return try? Coding.payload(JSON.self, from: text) }
        return nil
    }

    /// The bytes; `nil` if it is something else.
    public var data: Data? {
        if case .bytes(let data) = self { return data }
        return nil
    }

    /// The text of a JSON string; `nil` if it is something else.
    public var string: String? { jsonValue?.stringValue }

    /// Whether the message carries nothing.
    public var isEmpty: Bool {
        if case .none = self { return true }
        return false
    }
}

extension Payload: Equatable {
    /// JSON is compared as values, not as text.
    public static func == (one: Payload, other: Payload) -> Bool {
        switch (one, other) {
        case (.none, .none): return true
        case (.bytes(let one), .bytes(let other)): return one == other
        case (.json(let text), .json(let same)) where text == same: return true
        case (.json, .json): return one.jsonValue == other.jsonValue
        default: return false
        }
    }
}

extension Payload {
    init(_ native: NativePayload) {
        switch native {
        case .empty: self = .none
        case .json(let text): self = .json(text)
        case .bytes(let bytes): self = .bytes(bytes)
        }
    }

    var native: NativePayload {
        switch self {
        case .none: return .empty
        case .json(let text): return .json(text: text)
        case .bytes(let data): return .bytes(bytes: data)
        }
    }
}
