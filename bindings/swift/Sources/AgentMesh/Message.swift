import Foundation

/// A message for the application.
///
/// It counts as handled when ``ack()`` returned, and not before: given back with ``release()``, forgotten, or left by a crash, it
/// comes again with the same ``id``.
public final class Message: @unchecked Sendable {
    /// Who sent it, proven by the session.
    public let from: String
    /// The sender's id for it: the same if it comes again.
    public let id: String
    /// What it is: `message`, `request`, `response`, `error` and so on.
    public let kind: String
    /// The sender's count of messages to us.
    public let seq: UInt64
    /// The message of ours that it answers.
    public let inReplyTo: String?
    /// When it was sent, by the sender's clock.
    public let sentAt: Date
    /// When it was opened here.
    public let receivedAt: Date
    /// What it says.
    public let payload: Payload
    /// How often it came before and was not acknowledged, since the client was opened.
    public let attempt: Int
    /// The W3C `traceparent` that the sender sealed into it.
    public let trace: String?
    /// The schema that the payload follows, if the sender named one.
    public let schema: String?
    /// Whether its sender wants the answer as a stream.
    public let wantsStream: Bool
    /// `nil` for the answer to a request, which needs no acknowledgement.
    private let native: NativeMessage?

    init(_ content: NativeContent, attempt: UInt32 = 0, message: NativeMessage? = nil) {
        from = content.sender
        id = content.id
        kind = content.kind
        seq = content.seq
        inReplyTo = content.inReplyTo
        sentAt = Coding.moment(content.sentAt)
        receivedAt = Coding.moment(content.receivedAt)
        payload = Payload(content.payload)
        self.attempt = Int(attempt)
        trace = content.trace
        schema = content.schema
        wantsStream = content.wantsStream
        native = message
    }

    /// The payload as a type of your own: `Data` for bytes, anything `Decodable` for JSON. Throws `DecodingError` if it is not one.
    public func decode<T: Decodable>(_ type: T.Type = T.self) throws -> T { try payload.decode(type) }

    /// Whether it was acknowledged, answered or given back.
    public var isDone: Bool { native?.isDone() ?? true }

    private func open() throws -> NativeMessage {
        guard let native else {
            throw AgentMeshError(
                code: .BINDING_USED, kind: .invalidInput, message: "the answer to a request was handled when it came")
        }
        return native
    }

    /// Marks the message as handled, and tells the sender so. Returns when that is on disk.
    public func ack() async throws {
        let native = try open()
        try await later { try await native.ack() }
    }

    /// Gives the message back: it comes again after a pause.
    public func release() throws {
        let native = try open()
        try now { try native.release() }
    }

    /// Answers a request and marks it as handled.
    @discardableResult
    public func respond(_ payload: some Encodable, wait: Stage = .stored) async throws -> Sent {
        try await respond(.encoding(payload), wait: wait)
    }

    /// Answers a request with a payload that is made already, or none, and marks it as handled.
    @discardableResult
    public func respond(_ payload: Payload = .none, wait: Stage = .stored) async throws -> Sent {
        let native = try open()
        let settings = try Coding.settings(["wait": .int(Int64(wait.rawValue))])
        return Sent(try await later { try await native.respond(payload: payload.native, settingsJson: settings) })
    }

    /// Answers a request with an error and marks it as handled; the peer's `request` fails with `REQUEST_ERROR_RESPONSE`.
    @discardableResult
    public func fail(_ code: String, _ message: String = "", retryable: Bool = false, details: JSON? = nil) async throws -> Sent {
        let native = try open()
        return Sent(
            try await later {
                try await native.fail(code: code, reason: message, retryable: retryable, details: details?.text)
            })
    }

    /// Tells the sender how far its message is, as news that nobody keeps: a `status` event there.
    public func status(_ payload: some Encodable) async throws {
        let native = try open()
        let content = try Payload.encoding(payload).native
        try await later { try await native.status(payload: content) }
    }

    /// Answers a request with a stream, of a peer that ``wantsStream``. The request counts as handled when the stream ends.
    public func stream() async throws -> OutgoingStream {
        let native = try open()
        return OutgoingStream(try await later { try await native.stream() })
    }
}

/// The messages that come in, as an asynchronous sequence that ends when the client is closed. They are pulled: one that is not asked
/// for stays on disk, or with its sender. One reader at a time: another one ends this one, and gets what it did not acknowledge.
///
/// Cancelling the task that waits ends the loop, and loses no message.
public struct Messages: AsyncSequence, Sendable {
    public typealias Element = Message
    let client: AgentMeshClient

    /// Pulls messages.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let client: AgentMeshClient
        fileprivate let reader = Reader()

        /// The next message; `nil` once the client is closed, another reader began, or the task was cancelled.
        public mutating func next() async throws -> Message? {
            do {
                guard let messages = try await reader.opened(client) else { return nil }
                guard let delivery = try await later({ try await messages.next() }) else { return nil }
                return Message(delivery.content, attempt: delivery.attempt, message: delivery.message)
            } catch is CancellationError {
                return nil
            } catch let error as AgentMeshError where error.kind == .closed {
                return nil
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(client: client) }
}

/// What one loop reads from. Left, it lets go of what was handed to it and not pulled, so that the next reader gets that.
final class Reader: @unchecked Sendable {
    private let lock = NSLock()
    private var native: NativeMessages?
    private var left = false

    /// `nil` once it was left.
    fileprivate func opened(_ client: AgentMeshClient) async throws -> NativeMessages? {
        if let native = lock.withLock({ native }) { return native }
        if lock.withLock({ left }) { return nil }
        client.readers.begin(self)
        let opened = try await later { try await client.native.messages() }
        return lock.withLock {
            if left { return nil }
            native = opened
            return opened
        }
    }

    func leave() {
        // Dropped outside of the lock.
        let dropped: NativeMessages? = lock.withLock {
            defer { native = nil }
            left = true
            return native
        }
        _ = dropped
    }
}

/// Who reads an agent's messages now.
final class Readers: @unchecked Sendable {
    private let lock = NSLock()
    private weak var current: Reader?

    /// Ends the reader before. `nil` is a handler, which ends by itself.
    func begin(_ reader: Reader?) {
        let before = lock.withLock {
            defer { current = reader }
            return current
        }
        if before !== reader { before?.leave() }
    }
}
