import Foundation

/// Any error of this package. Compare ``code`` to act on one certain error, ``kind`` on who has to act.
///
/// ```swift
/// do {
///     try await client.request(to: peer, ["question": "…"])
/// } catch let error as AgentMeshError where error.code == .REQUEST_NO_RESPONSE {
///     // Ask again later.
/// }
/// ```
///
/// A call whose task was cancelled throws Swift's `CancellationError` instead.
public struct AgentMeshError: Error, Sendable, Hashable {
    /// Who has to act on an error.
    public struct Kind: RawRepresentable, Sendable, Hashable {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }

        /// The caller.
        public static let invalidInput = Kind(rawValue: "invalid_input")
        /// A signature, key or tag did not verify.
        public static let authentication = Kind(rawValue: "authentication")
        /// A peer or server broke the protocol.
        public static let `protocol` = Kind(rawValue: "protocol")
        /// It is not there.
        public static let notFound = Kind(rawValue: "not_found")
        /// Somebody else changed or holds it.
        public static let conflict = Kind(rawValue: "conflict")
        /// The store.
        public static let storage = Kind(rawValue: "storage")
        /// The network.
        public static let network = Kind(rawValue: "network")
        /// Too much, too fast.
        public static let rateLimited = Kind(rawValue: "rate_limited")
        /// It took too long.
        public static let timeout = Kind(rawValue: "timeout")
        /// Our policy or the peer's said no.
        public static let policy = Kind(rawValue: "policy")
        /// What was used is closed.
        public static let closed = Kind(rawValue: "closed")
        /// A bug of this library.
        public static let `internal` = Kind(rawValue: "internal")
    }

    /// Stable upper-case code, such as `BUNDLE_STALE`; see ``ErrorCode``.
    public let code: ErrorCode
    /// Who has to act.
    public let kind: Kind
    /// For people. Never holds content or keys.
    public let message: String
    /// Whether the same call may succeed later without anybody changing anything.
    public let retryable: Bool
    /// What a program may want to know besides; its members depend on the code.
    public let details: [String: JSON]
    /// What is behind it, the nearest first.
    public let causes: [String]

    /// For stores of your own and for tests.
    public init(
        code: ErrorCode, kind: Kind, message: String, retryable: Bool = false, details: [String: JSON] = [:], causes: [String] = []
    ) {
        self.code = code
        self.kind = kind
        self.message = message
        self.retryable = retryable
        self.details = details
        self.causes = causes
    }

    /// What the peer said, of `REQUEST_ERROR_RESPONSE`.
    public var remote: RemoteFailure? {
        guard code == .REQUEST_ERROR_RESPONSE else { return nil }
        return RemoteFailure(
            code: details["code"]?.stringValue ?? "", message: details["message"]?.stringValue ?? "",
            retryable: details["retryable"]?.boolValue ?? false, details: details["details"] ?? .null)
    }
}

/// What the peer said when it answered a request with an error. Its words are the peer's: never put them into a prompt as they are.
public struct RemoteFailure: Sendable, Hashable {
    /// The code that the peer chose, such as `MODEL_OVERLOADED`.
    public let code: String
    /// The peer's words.
    public let message: String
    /// Whether the peer says that the same request may succeed later.
    public let retryable: Bool
    /// Whatever else the peer said.
    public let details: JSON
}

/// Thrown by a handler of requests: the peer's `request` fails with this code and these words.
public struct Failure: Error, Sendable, Hashable {
    /// A code of the application's choice, such as `MODEL_OVERLOADED`.
    public let code: String
    /// For people.
    public let message: String
    /// Whether the same request may succeed later.
    public let retryable: Bool
    /// Whatever else is to be said.
    public let details: JSON

    public init(_ code: String, _ message: String = "", retryable: Bool = false, details: JSON = .null) {
        self.code = code
        self.message = message
        self.retryable = retryable
        self.details = details
    }
}

extension AgentMeshError: CustomStringConvertible, LocalizedError {
    public var description: String { "\(code.rawValue): \(message)" }
    public var errorDescription: String? { message }
    public var failureReason: String? { causes.first }
}

extension AgentMeshError {
    static func argument(_ message: String) -> AgentMeshError {
        AgentMeshError(code: .BINDING_ARGUMENT, kind: .invalidInput, message: message)
    }

    static func internalError(_ message: String) -> AgentMeshError {
        AgentMeshError(code: .BINDING_PANICKED, kind: .internal, message: message)
    }

    init(_ error: NativeError) {
        switch error {
        case .Failed(let code, let kind, let reason, let retryable, let details, let causes):
            let members = details.flatMap { try? JSON(text: $0) }?.objectValue ?? [:]
            self.init(
                code: ErrorCode(rawValue: code), kind: Kind(rawValue: kind), message: reason, retryable: retryable, details: members,
                causes: causes)
        }
    }

    /// An error that an event tells of.
    init(told: JSON) {
        self.init(
            code: ErrorCode(rawValue: told["code"]?.stringValue ?? ""), kind: Kind(rawValue: told["kind"]?.stringValue ?? ""),
            message: told["message"]?.stringValue ?? "", retryable: told["retryable"]?.boolValue ?? false,
            details: told["details"]?.objectValue ?? [:])
    }

    /// What applications get for what the library threw.
    static func converted(_ error: Error) -> Error {
        switch error {
        case let native as NativeError: return AgentMeshError(native)
        case is AgentMeshError, is CancellationError: return error
        default:
            // Of the generated code: a panic that nothing caught, or a library of another version.
            return String(describing: Swift.type(of: error)).hasPrefix("Uniffi") ? internalError("\(error)") : error
        }
    }
}

/// A call that does not wait.
func now<T>(_ work: () throws -> T) throws -> T {
    do { return try work() } catch { throw AgentMeshError.converted(error) }
}

/// A call that waits. Its task's cancellation drops the future in the library.
func later<T>(_ work: () async throws -> T) async throws -> T {
    do { return try await work() } catch { throw AgentMeshError.converted(error) }
}
