import Foundation
import XCTest

@testable import AgentMesh

/// Cancellation, what is forgotten, and what is left of it.
final class LifecycleTests: XCTestCase {
    func testCancellingATaskCancelsTheCall() async throws {
        let server = try TestServer.start()
        try await within {
            let (alice, bob) = (try await server.agent(), try await server.agent())
            let asking = Task { try await alice.request(to: bob.amid, "nobody answers", timeout: 600) }
            var messages = bob.messages().makeAsyncIterator()
            let request = try await next(&messages)
            asking.cancel()
            do {
                _ = try await asking.value
                XCTFail("it was not cancelled")
            } catch is CancellationError {}
            // In Rust, too: the answer finds nobody who waits, and comes as a message.
            try await request.respond("late")
            var late = alice.messages().makeAsyncIterator()
            let answer = try await next(&late)
            XCTAssertEqual([answer.kind, answer.payload.string], ["response", "late"])
            try await answer.ack()

            // One that is cancelled before it begins does nothing.
            let before = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await alice.send(to: bob.amid, "never", wait: .queued)
            }
            do {
                try await before.value
            } catch is CancellationError {}

            // Who waits for a message and gives up loses none.
            let waiting = Task {
                var messages = bob.messages().makeAsyncIterator()
                return try await messages.next()
            }
            waiting.cancel()
            let nothing = try await waiting.value
            XCTAssertTrue(nothing == nil || nothing?.payload.string == "never")
            try await alice.send(to: bob.amid, "still here", wait: .delivered)
            var again = bob.messages().makeAsyncIterator()
            var message = try await next(&again)
            while message.payload.string != "still here" {
                try await message.ack()
                message = try await next(&again)
            }
            try await message.ack()
            try await alice.close()
            try await bob.close()
        }
    }

    func testAForgottenClientGoesOfflineAndItsStoreIsFree() async throws {
        let server = try TestServer.start()
        try await within {
            let home = try Directory()
            let bob = try await server.agent()
            weak var forgotten: AgentMeshClient?
            let amid = try await {
                let client = try await AgentMeshClient.create(
                    storage: SqliteStorage(home("a.db")), key: .file(home("a.key")), options: server.options { _ in .accept() })
                client.onMessage { _ in }
                client.onRequest { _ in .none }
                try await client.connect()
                try await client.send(to: bob.amid, "x")
                forgotten = client
                return client.amid
            }()
            try await eventually("the client is gone") { forgotten == nil }
            // Its agent is, too: the file can be opened again.
            try await eventually("the store is free") {
                do {
                    let again = try await AgentMeshClient.load(
                        storage: SqliteStorage(home("a.db")), key: .file(home("a.key")), options: ClientOptions(offline: true))
                    XCTAssertEqual(again.amid, amid)
                    try await again.close()
                    return true
                } catch let error as AgentMeshError where error.code == .STORAGE_LOCKED {
                    return false
                }
            }
            try await bob.close()
        }
    }

    func testAForgottenStoreOfTheApplicationsIsFreed() async throws {
        weak var forgotten: KeychainStorage?
        let keychain = Keychain()
        try await {
            let store = try KeychainStorage(keychain)
            forgotten = store
            _ = try await AgentMeshClient.create(storage: Storage(store), key: .random(), options: ClientOptions(offline: true))
        }()
        try await eventually("the store is gone") { forgotten == nil }
    }

    func testAMessageThatIsForgottenComesAgain() async throws {
        let server = try TestServer.start()
        try await within {
            let (alice, bob) = (try await server.agent(), try await server.agent())
            try await alice.send(to: bob.amid, "x", wait: .delivered)
            var messages = bob.messages().makeAsyncIterator()
            let id = try await next(&messages).id
            let again = try await next(&messages)
            XCTAssertEqual([again.id], [id])
            XCTAssertEqual(again.attempt, 1)
            try await again.ack()
            try await alice.close()
            try await bob.close()
        }
    }

    func testHandlersRunUnderNoLock() async throws {
        let server = try TestServer.start()
        try await within {
            let (alice, bob) = (try await server.agent(), try await server.agent())
            // A handler that calls its own client, sends, and closes it at last.
            bob.onMessage { [weak bob] message in
                guard let bob else { return }
                _ = try await bob.sessions()
                try await bob.send(to: message.from, "from the handler")
                try await message.ack()
                try await bob.close()
            }
            try await alice.send(to: bob.amid, "x", wait: .handled)
            var messages = alice.messages().makeAsyncIterator()
            let message = try await next(&messages)
            XCTAssertEqual(message.payload.string, "from the handler")
            try await message.ack()
            try await eventually("it is closed") {
                do {
                    _ = try await bob.sessions()
                    return false
                } catch let error as AgentMeshError where error.kind == .closed {
                    return true
                }
            }
            try await alice.close()
        }
    }

    func testTheLogGoesToADelegate() async throws {
        final class Collector: LogDelegate, @unchecked Sendable {
            let records = Box<[LogRecord]>([])
            func log(_ record: LogRecord) { records.change { $0.append(record) } }
        }
        let server = try TestServer.start()
        let collector = Collector()
        try Log.setDelegate(collector, level: .debug)
        defer { try? Log.setDelegate(nil) }
        try await within {
            let client = try await server.agent()
            try await client.close()
            try await eventually("something was logged") { !collector.records.value.isEmpty }
        }
        XCTAssertTrue(collector.records.value.allSatisfy { $0.level <= .debug && !$0.target.isEmpty })
    }
}
