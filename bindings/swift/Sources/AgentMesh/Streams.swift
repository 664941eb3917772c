import Foundation

/// One piece of an answer.
public struct Chunk: Sendable, Hashable {
    /// What a chunk says.
    public enum Content: Sendable, Hashable {
        case text(String)
        case bytes(Data)
    }

    /// Its place in the stream, from 0, without gaps.
    public let number: UInt64
    /// What it says.
    public let content: Content

    /// The text; `nil` if it is bytes.
    public var text: String? {
        if case .text(let text) = content { return text }
        return nil
    }

    /// The bytes; of text, those of UTF-8.
    public var data: Data {
        switch content {
        case .text(let text): return Data(text.utf8)
        case .bytes(let data): return data
        }
    }

    init(_ native: NativeChunk) {
        number = native.number
        switch native.content {
        case .text(let text): content = .text(text)
        case .bytes(let bytes): content = .bytes(bytes)
        }
    }
}

/// An answer that comes in pieces: an asynchronous sequence of chunks, in order, each once, whatever the network does. The sender is
/// held back while nobody reads. Forgetting the stream before its end cancels it, as does ``cancel(_:)``. What was not consumed is
/// there again after a crash: ``AgentMeshClient/resumeStream(peer:id:from:options:)``.
public final class IncomingStream: AsyncSequence, @unchecked Sendable {
    public typealias Element = Chunk
    private let native: NativeIncomingStream

    init(_ native: NativeIncomingStream) { self.native = native }

    /// Who answers.
    public var peer: String { native.peer() }
    /// The request; it names the stream.
    public var id: String { native.id() }
    /// The number of the next chunk.
    public var position: UInt64 { native.position() }
    /// What the sender said about the stream last.
    public var metadata: JSON? { native.metadata().flatMap { try? JSON(text: $0) } }

    /// The next chunk; `nil` behind the last.
    public func next() async throws -> Chunk? {
        try await later { try await native.next() }.map(Chunk.init)
    }

    /// Pulls chunks.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let stream: IncomingStream
        public mutating func next() async throws -> Chunk? { try await stream.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }

    /// Everything that is still to come, as one text. For answers that are known to be small.
    public func text() async throws -> String {
        var data = Data()
        for try await chunk in self { data.append(chunk.data) }
        return String(decoding: data, as: UTF8.self)
    }

    /// Marks every chunk below `number` as consumed, in streams that were opened with `manualAck`.
    public func ack(_ number: UInt64) throws { try now { try native.ack(number: number) } }

    /// Ends the stream: its sender hears `reason`, and its next `send` fails. Again is fine.
    public func cancel(_ reason: String = "") async throws { try await later { try await native.cancel(reason: reason) } }

    /// Stops reading without cancelling. The id, for ``AgentMeshClient/resumeStream(peer:id:from:options:)``.
    @discardableResult
    public func detach() async throws -> String {
        try await later { try await native.detach() }
        return id
    }
}

/// An answer that is given in pieces, from ``Message/stream()``. ``finish()`` or ``fail(_:_:retryable:)`` ends it; forgotten without
/// either, it fails with `STREAM_ABORTED`.
public final class OutgoingStream: @unchecked Sendable {
    private let native: NativeOutgoingStream

    init(_ native: NativeOutgoingStream) { self.native = native }

    /// Who asked.
    public var peer: String { native.peer() }
    /// The request that is answered.
    public var id: String { native.id() }
    /// The number of the next chunk. Above 0 at first if an earlier run of the process began the stream: what it sent arrives.
    public var position: UInt64 {
        get throws { try now { try native.position() } }
    }
    /// Whether the stream is over, because its reader left or something failed. ``send(_:)-(String)`` says what.
    public var isStopped: Bool {
        get throws { try now { try native.isStopped() } }
    }

    /// Sends text and returns the chunk's number. Waits while the reader does not keep up; cancelled then, it was not sent.
    @discardableResult
    public func send(_ text: String) async throws -> UInt64 {
        try await later { try await native.send(chunk: .text(text: text)) }
    }

    /// Sends bytes.
    @discardableResult
    public func send(_ bytes: Data) async throws -> UInt64 {
        try await later { try await native.send(chunk: .bytes(bytes: bytes)) }
    }

    /// Says something about the stream, such as the name of a model; goes out with the next chunk.
    public func setMetadata(_ value: JSON) async throws {
        let text = value.text
        try await later { try await native.setMetadata(metadata: text) }
    }

    /// Waits until everything that was sent is on disk.
    public func flush() async throws { try await later { try await native.flush() } }

    /// Says that everything was said, and marks the request as handled.
    public func finish() async throws { try await later { try await native.finish() } }

    /// Says why there will be no more, and marks the request as handled.
    public func fail(_ code: String, _ message: String = "", retryable: Bool = false) async throws {
        try await later { try await native.fail(code: code, reason: message, retryable: retryable) }
    }

    /// Waits until the stream is over; throws `STREAM_CANCELLED` if its reader left.
    public func stopped() async throws { try await later { try await native.stopped() } }
}
