import Foundation
import XCTest

@testable import AgentMesh

/// Stores of the package, and one that is written in Swift over a map such as the Keychain is.
final class StorageTests: XCTestCase {
    func testAStoreOverAKeychainPassesTheConformanceSuite() async throws {
        XCTAssertGreaterThan(storageTests.count, 5)
        for test in storageTests {
            let keychain = Keychain()
            try await within { try await checkStorage(test) { try KeychainStorage(keychain) } }
        }
    }

    func testTheSuiteFindsWhatAStoreDoesWrong() async throws {
        var found: [StorageProblem] = []
        for test in storageTests {
            let keychain = Keychain()
            do {
                try await within { try await checkStorage(test) { try KeychainStorage(keychain, careless: true) } }
            } catch let problem as StorageProblem {
                found.append(problem)
            } catch is AgentMeshError {
                // A suite that could not go on found something, too.
            }
        }
        XCTAssertFalse(found.isEmpty)
    }

    func testAnAgentLivesInAStoreOfTheApplications() async throws {
        let server = try TestServer.start()
        try await within {
            let (keychain, key) = (Keychain(), Key.random())
            func open() async throws -> AgentMeshClient {
                let client = try await AgentMeshClient.create(
                    storage: Storage(try KeychainStorage(keychain)), key: key, options: server.options())
                try await client.connect()
                return client
            }
            let bob = try await server.agent()
            let alice = try await open()
            let amid = alice.amid
            try await alice.send(to: bob.amid, "one", wait: .delivered)
            try await alice.close()
            XCTAssertGreaterThan(keychain.count, 2)
            let again = try await open()
            XCTAssertEqual(again.amid, amid)
            try await again.send(to: bob.amid, "two", wait: .delivered)
            let sessions = try await again.sessions()
            XCTAssertEqual(sessions.count, 1)

            // What goes wrong in it is the call's error.
            keychain.failure = StoreFailure.full
            await assertFails(.STORAGE_FULL) { try await again.send(to: bob.amid, "three", wait: .queued) }
            keychain.failure = nil
            try await again.close()
            try await bob.close()
        }
    }

    func testAgentsSurviveInFiles() async throws {
        let home = try Directory()
        for (number, make) in [{ SqliteStorage(home("a.db")) }, { FileStorage(home("b")) }, { UrlStorage("sqlite:" + home("c.db")) }]
            .enumerated() as EnumeratedSequence<[() -> Storage]>
        {
            let key = Key.file(home("key-\(number)"))
            let offline = ClientOptions(offline: true)
            let first = try await AgentMeshClient.create(storage: make(), key: key, options: offline)
            let amid = first.amid
            await assertFails(.STORAGE_LOCKED) { _ = try await AgentMeshClient.create(storage: make(), key: key, options: offline) }
            try await first.close()
            let again = try await AgentMeshClient.load(storage: make(), key: key, options: offline)
            XCTAssertEqual(again.amid, amid)
            try await again.close()
        }
        await assertFails(.AGENT_NO_IDENTITY) {
            _ = try await AgentMeshClient.load(storage: MemoryStorage(), options: ClientOptions(offline: true))
        }
    }

    func testAnAuditLogIsKeptAndVerified() async throws {
        let home = try Directory()
        var options = ClientOptions(offline: true)
        options.auditLog = AuditOptions(directory: home("audit"))
        let client = try await AgentMeshClient.create(storage: MemoryStorage(), options: options)
        guard let log = try client.auditLog else { return XCTFail("there is no log") }
        try log.log("app_started", .info, "it began", fields: ["version": "1"])
        try await log.flush()
        let found = try await log.query(types: ["app_started"])
        XCTAssertEqual(found.count, 1)
        let anchor = try await log.anchor()
        let report = try await log.verify(anchor: anchor)
        XCTAssertGreaterThan(report.events, 0)
        XCTAssertEqual(report.torn, 0)
        await assertFails(.AUDIT_ANCHOR_MALFORMED) { try await log.verify(anchor: "no anchor") }
        try await client.close()
    }
}

/// A map of names to data, as the Keychain or UserDefaults are.
final class Keychain: @unchecked Sendable {
    fileprivate let lock = NSLock()
    fileprivate var items: [String: Data] = [:]
    fileprivate var isOpen = false
    var failure: Error?
    var count: Int { lock.withLock { items.count } }
}

/// A store over it: one item a record, whose name is kind and key.
final class KeychainStorage: CustomStorage, @unchecked Sendable {
    private let keychain: Keychain
    private let careless: Bool
    private var closed = false

    init(_ keychain: Keychain, careless: Bool = false) throws {
        (self.keychain, self.careless) = (keychain, careless)
        try keychain.lock.withLock {
            if keychain.isOpen && !careless { throw StoreFailure.locked }
            keychain.isOpen = true
        }
    }

    private func name(_ id: RecordID) -> String {
        id.kind + "/" + id.key.map { String(format: "%02x", $0) }.joined()
    }

    private func read(_ id: RecordID) -> StoredRecord? {
        guard let item = keychain.items[name(id)] else { return nil }
        let version = item.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return StoredRecord(id: id, version: version, sealed: item.dropFirst(8))
    }

    private func locked<T>(_ work: () throws -> T) throws -> T {
        try keychain.lock.withLock {
            if closed { throw StoreFailure.closed }
            if let failure = keychain.failure { throw failure }
            return try work()
        }
    }

    func load(_ ids: [RecordID]) async throws -> [StoredRecord?] { try locked { ids.map(read) } }

    func list(kind: String, after: Data?, limit: Int) async throws -> [StoredRecord] {
        try locked {
            let names = keychain.items.keys.filter { $0.hasPrefix(kind + "/") }.sorted()
            let last = after.map { name(RecordID(kind: kind, key: $0)) } ?? ""
            return names.filter { $0 > last }.prefix(limit).compactMap { name in
                let digits = Array(name.dropFirst(kind.count + 1))
                let key = stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
                return read(RecordID(kind: kind, key: Data(key)))
            }
        }
    }

    func commit(_ changes: [Change]) async throws {
        try locked {
            for change in changes where !careless {
                let actual = read(change.id)?.version ?? 0
                if actual != change.expected { throw StoreFailure.conflict(change.id, expected: change.expected, actual: actual) }
            }
            for change in changes {
                let version = Data((0..<8).reversed().map { UInt8(truncatingIfNeeded: change.version >> (8 * UInt64($0))) })
                keychain.items[name(change.id)] = change.value.map { version + $0 }
            }
        }
    }

    func close() async throws {
        keychain.lock.withLock {
            closed = true
            keychain.isOpen = false
        }
    }
}
