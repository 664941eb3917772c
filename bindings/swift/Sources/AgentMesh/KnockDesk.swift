import Foundation

/// Asks the application's handler about KNOCKs, for as long as the agent is open. The library is asked, and never calls.
final class KnockDesk: @unchecked Sendable {
    let native = NativeKnocks()
    private let lock = NSLock()
    private var handler: KnockHandler?

    init(_ handler: KnockHandler?) { self.handler = handler }

    func set(_ handler: KnockHandler?) { lock.withLock { self.handler = handler } }

    private var current: KnockHandler? { lock.withLock { handler } }

    /// Begins. Ends with the agent, which is what ends the queue: this holds the queue, and neither the agent nor the client.
    func start() {
        let queue = native
        Task { [weak self] in
            while let question = try? await queue.next() {
                let handler = self?.current
                // Each on its own: one that takes its time holds up no other.
                Task { await KnockDesk.answer(question, handler) }
            }
        }
    }

    private static func answer(_ question: NativeKnock, _ handler: KnockHandler?) async {
        guard let handler else { return question.answer(decision: .accept(ttlS: nil)) }
        do {
            let knock = try Coding.decode(Knock.self, from: question.details())
            question.answer(decision: try await handler(knock).native())
        } catch {
            Log.report("the handler of KNOCKs failed; it is left for later", error)
            question.answer(decision: .later)
        }
    }
}
