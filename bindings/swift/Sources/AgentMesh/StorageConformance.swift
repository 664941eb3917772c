import Foundation

/// The names of the tests that ``checkStorage(_:durability:exclusive:open:)`` runs.
public let storageTests: [String] = conformanceTests()

/// What a store does wrong.
public struct StorageProblem: Error, Sendable, CustomStringConvertible {
    /// The test that found it.
    public let test: String
    /// What is wrong.
    public let problem: String
    public var description: String { "\(test): \(problem)" }
}

/// Runs one test of the conformance suite over a store of your own; throws ``StorageProblem`` with what the store does wrong.
///
/// `open` opens the store: the first time an empty one, later the same one again. Each test needs a place of its own.
/// `exclusive: false` says that the store cannot notice that it is open twice.
public func checkStorage(
    _ test: String, durability: Durability = .synced, exclusive: Bool = true,
    open: @escaping @Sendable () async throws -> any CustomStorage
) async throws {
    let fixture = NativeFixture(durability: durability.rawValue, exclusive: exclusive)
    let opening = Task {
        while let request = try? await fixture.next() {
            do {
                let store = try await open()
                if let calls = request.opened() { answerCalls(calls, of: store) }
            } catch {
                refuse(error, conflict: { _, _, _ in request.fail(failure: .failed, message: "conflict") }) {
                    request.fail(failure: $0, message: $1)
                }
            }
        }
    }
    defer { opening.cancel() }
    if let problem = try await later({ try await runConformanceTest(name: test, fixture: fixture) }) {
        throw StorageProblem(test: test, problem: problem)
    }
}
