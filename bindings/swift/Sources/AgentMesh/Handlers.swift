import Foundation

/// Handles a message. Returning acknowledges it, an exception gives it back.
public typealias MessageHandler = @Sendable (Message) async throws -> Void

/// What a request is answered with.
public enum Response: Sendable {
    /// Nothing at all.
    case none
    /// A payload.
    case payload(Payload)
    /// A stream of chunks, for peers that want one; others get all of it as one text.
    case stream(AsyncThrowingStream<String, Error>)

    /// Anything that can be encoded as JSON, or `Data`.
    public static func json(_ value: some Encodable) throws -> Response { .payload(try .encoding(value)) }
}

/// Answers a request. Throw a ``Failure`` to answer with an error; any other exception gives the request back, and it comes again.
public typealias RequestHandler = @Sendable (Message) async throws -> Response

/// Which handlers an agent has, and the task that runs them.
final class Handlers: @unchecked Sendable {
    /// Handlers that run at a time.
    static let concurrency = 16

    private let lock = NSLock()
    private var message: MessageHandler?
    private var request: RequestHandler?
    private var failed: (@Sendable (Error, Message) -> Void)?
    private var running: Task<Void, Never>?
    private var generation = 0

    func set(message handler: MessageHandler?) { lock.withLock { message = handler } }
    func set(request handler: RequestHandler?) { lock.withLock { request = handler } }
    func set(failed handler: (@Sendable (Error, Message) -> Void)?) { lock.withLock { failed = handler } }

    /// Begins to hand messages on, if there is a handler and nobody does; stops if there is none any more.
    func update(_ agent: NativeAgent) {
        let held = Held(self)
        lock.withLock {
            if message == nil && request == nil {
                running?.cancel()
                running = nil
            } else if running == nil {
                generation += 1
                let this = generation
                running = Task {
                    await dispatch(agent, held)
                    held.handlers?.finished(this)
                }
            }
        }
    }

    /// It ends with the agent, or because somebody else reads the messages now; a handler that is set later begins again.
    private func finished(_ which: Int) {
        lock.withLock { if generation == which { running = nil } }
    }

    /// The handlers, which go with their client.
    struct Held: @unchecked Sendable {
        private(set) weak var handlers: Handlers?
        init(_ handlers: Handlers) { self.handlers = handlers }
    }

    /// Waits for the handlers that run.
    func ended() async {
        // Of the handler that closes its own client, nobody waits for itself.
        if Self.isHandling { return }
        await lock.withLock { running }?.value
    }

    deinit { running?.cancel() }

    @TaskLocal static var isHandling = false

    func handle(_ incoming: Message) async {
        let (onMessage, onRequest) = lock.withLock { (message, request) }
        do {
            if incoming.kind == "request", let onRequest {
                try await answer(incoming, onRequest)
            } else if let onMessage {
                try await onMessage(incoming)
                if !incoming.isDone { try await incoming.ack() }
            } else {
                throw AgentMeshError.argument("there is no handler for messages of kind \(incoming.kind)")
            }
        } catch is CancellationError {
        } catch let error as AgentMeshError where error.kind == .closed {
            // Closed meanwhile: what was not acknowledged comes again.
        } catch {
            report(error, incoming)
        }
        if !incoming.isDone { try? incoming.release() }
    }

    private func report(_ error: Error, _ incoming: Message) {
        if let failed = lock.withLock({ failed }) {
            failed(error, incoming)
        } else {
            Log.report("a handler failed; the message comes again", error)
        }
    }

    private func answer(_ incoming: Message, _ handler: RequestHandler) async throws {
        let response: Response
        do {
            response = try await handler(incoming)
        } catch let failure as Failure {
            try await incoming.fail(failure.code, failure.message, retryable: failure.retryable, details: failure.details)
            return
        }
        switch response {
        case .none where incoming.isDone: break
        case .none: try await respond(incoming, .none)
        case .payload(let payload): try await respond(incoming, payload)
        case .stream(let chunks) where incoming.wantsStream: try await stream(incoming, chunks)
        case .stream(let chunks):
            do {
                var text = ""
                for try await chunk in chunks { text += chunk }
                try await respond(incoming, .encoding(text))
            } catch let failure as Failure {
                try await incoming.fail(failure.code, failure.message, retryable: failure.retryable, details: failure.details)
            }
        }
    }

    /// What is too large would be so the next time, too, and the peer waits: it is told.
    private func respond(_ incoming: Message, _ payload: Payload) async throws {
        do {
            try await incoming.respond(payload)
        } catch let error as AgentMeshError where error.kind == .invalidInput && !incoming.isDone {
            report(error, incoming)
            try await incoming.fail("RESPONSE_INVALID", "the response cannot be sent")
        }
    }

    private func stream(_ incoming: Message, _ chunks: AsyncThrowingStream<String, Error>) async throws {
        let stream = try await incoming.stream()
        // A request that came again goes on where its stream was.
        var skip = try stream.position
        do {
            for try await chunk in chunks {
                if skip > 0 { skip -= 1 } else { try await stream.send(chunk) }
            }
        } catch {
            if (try? stream.isStopped) ?? true { return }
            guard let failure = error as? Failure else {
                try await stream.fail("STREAM_HANDLER_FAILED", String(describing: type(of: error)))
                throw error
            }
            return try await stream.fail(failure.code, failure.message, retryable: failure.retryable)
        }
        try await stream.finish()
    }
}

/// Runs handlers over messages until there are no more, and the handlers have ended: in order for each sender, several senders at a
/// time. Holds the agent, but not the client, so that one that is forgotten goes.
private func dispatch(_ agent: NativeAgent, _ held: Handlers.Held) async {
    guard let messages = try? await agent.messages() else { return }
    await withTaskGroup(of: String.self) { group in
        // The last handler of each sender that has one, and how many it has. At most as many as run.
        var lanes: [String: (last: Task<Void, Never>, count: Int)] = [:]
        var running = 0
        while !Task.isCancelled, let delivery = try? await messages.next() {
            let incoming = Message(delivery.content, attempt: delivery.attempt, message: delivery.message)
            let from = incoming.from
            let before = lanes[from]
            let lane = Task {
                await before?.last.value
                await Handlers.$isHandling.withValue(true) { await held.handlers?.handle(incoming) }
            }
            lanes[from] = (lane, (before?.count ?? 0) + 1)
            group.addTask {
                await lane.value
                return from
            }
            running += 1
            if running >= Handlers.concurrency, let ended = await group.next() {
                running -= 1
                lanes[ended]?.count -= 1
                if lanes[ended]?.count == 0 { lanes[ended] = nil }
            }
        }
    }
}

extension AgentMeshClient {
    /// Has every message handled: in order for each sender, several senders at a time. Returning acknowledges the message, an
    /// exception gives it back, and it comes again. Requests come here, too, if there is no ``onRequest(_:)``; answer them with
    /// ``Message/respond(_:wait:)-(Payload,_)``. A second handler replaces the first, `nil` takes it away.
    public func onMessage(_ handler: MessageHandler?) {
        handlers.set(message: handler)
        if handler != nil { readers.begin(nil) }
        handlers.update(native)
    }

    /// Has every request answered by what the handler returns. A response that cannot be sent is told as `RESPONSE_INVALID`.
    public func onRequest(_ handler: RequestHandler?) {
        handlers.set(request: handler)
        if handler != nil { readers.begin(nil) }
        handlers.update(native)
    }

    /// Is told what handlers throw; without, it goes to the log.
    public func onHandlerError(_ handler: (@Sendable (Error, Message) -> Void)?) { handlers.set(failed: handler) }
}
