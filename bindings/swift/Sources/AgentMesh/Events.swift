import Foundation

/// Something that happened to an agent besides messages. New types may come with every release.
public struct AgentEvent: Sendable {
    /// What happened.
    public struct Kind: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
        public let rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public var description: String { rawValue }

        public static let online = Kind(rawValue: "online")
        public static let offline = Kind(rawValue: "offline")
        public static let connected = Kind(rawValue: "connected")
        public static let disconnected = Kind(rawValue: "disconnected")
        public static let closed = Kind(rawValue: "closed")
        public static let status = Kind(rawValue: "status")
        public static let progress = Kind(rawValue: "progress")
        public static let sendFailed = Kind(rawValue: "sendFailed")
        public static let sessionEstablished = Kind(rawValue: "sessionEstablished")
        public static let knockReceived = Kind(rawValue: "knockReceived")
        /// The reader was too slow for some events.
        public static let lagged = Kind(rawValue: "lagged")
    }

    /// What happened: ``Kind/online``, ``Kind/progress`` and so on.
    public let type: Kind
    /// Everything else that is known of it.
    public let details: [String: JSON]
    /// What a peer says, of `status` events.
    public let payload: Payload

    init(_ native: NativeEvent) {
        type = Kind(rawValue: Coding.camel(native.kind))
        var members: [String: JSON] = [:]
        for (name, value) in (try? JSON(text: native.details))?.objectValue ?? [:] {
            members[name == "sender" ? "from" : Coding.camel(name)] = value
        }
        details = members
        payload = Payload(native.payload)
    }
}

/// All events from now on, as an asynchronous sequence that ends when the client is closed. A reader that is too slow misses some, and
/// is told how many (``AgentEvent/Kind/lagged``). Each loop is a reader of its own, which gets what happens after it was asked for.
public struct Events: AsyncSequence, Sendable {
    public typealias Element = AgentEvent
    private let native: NativeEvents

    init(_ native: NativeEvents) { self.native = native }

    /// Pulls events.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let native: NativeEvents

        /// The next event; `nil` once the client is closed, or the task was cancelled.
        public mutating func next() async throws -> AgentEvent? {
            do {
                return try await later { try await native.next() }.map(AgentEvent.init)
            } catch is CancellationError {
                return nil
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(native: native) }
}
