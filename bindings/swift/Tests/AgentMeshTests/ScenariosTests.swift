import Foundation
import XCTest

@testable import AgentMesh

/// Plays `bindings/scenarios/*.json`, as the other languages do.
final class ScenariosTests: XCTestCase {
    func testScenarios() async throws {
        let place = try given("AGENTMESH_TEST_SOURCE") + "/bindings/scenarios/"
        let names = try FileManager.default.contentsOfDirectory(atPath: place).filter { $0.hasSuffix(".json") }.sorted()
        XCTAssertGreaterThanOrEqual(names.count, 4)
        for name in names {
            let scenario = try JSON(text: String(contentsOfFile: place + name, encoding: .utf8))
            let server = try TestServer.start()
            try await within { try await Play(scenario, server).run() }
        }
    }
}

private final class Play: @unchecked Sendable {
    private let scenario: JSON
    private let server: TestServer
    private let home: Directory
    private var clients: [String: AgentMeshClient] = [:]
    private var messages: [String: Messages.AsyncIterator] = [:]
    private var amids: [String: String] = [:]

    init(_ scenario: JSON, _ server: TestServer) throws {
        (self.scenario, self.server, home) = (scenario, server, try Directory())
    }

    func run() async throws {
        for name in (scenario["agents"]?.objectValue ?? [:]).keys.sorted() { try await open(name) }
        for step in scenario["steps"]?.arrayValue ?? [] {
            var code: String?
            do {
                try await play(step)
            } catch let error as AgentMeshError {
                code = error.code.rawValue
            }
            try same(code, step["error"]?.stringValue, step.text)
        }
        for client in clients.values { try await client.close() }
    }

    private func same<T: Equatable>(_ found: T, _ wanted: T, _ what: String) throws {
        if found != wanted { throw Problem("\(what): \(found), not \(wanted)") }
    }

    private func open(_ name: String) async throws {
        let policies: [String: Policy] = ["permissive": .permissive, "verified": .verified, "default": .default, "organization": .organization]
        let policy = scenario["agents"]?[name]?["policy"]?.stringValue ?? "permissive"
        guard let policy = policies[policy] else { throw Problem("no policy \(policy)") }
        let client = try await AgentMeshClient.create(
            storage: SqliteStorage(home("\(name).db")), key: .file(home("\(name).key")), options: server.options(policy: policy))
        try await client.connect()
        (clients[name], amids[name], messages[name]) = (client, client.amid, nil)
    }

    private func payload(_ said: JSON?) throws -> Payload {
        if let bytes = said?["bytes"]?.stringValue { return .bytes(Data(base64Encoded: bytes) ?? Data()) }
        guard let json = said?["json"] else { return .none }
        return try .encoding(json)
    }

    private func client(_ name: String) throws -> AgentMeshClient {
        guard let client = clients[name] else { throw Problem("no agent \(name)") }
        return client
    }

    private func message(_ name: String) async throws -> Message {
        var iterator = try messages[name] ?? client(name).messages().makeAsyncIterator()
        let message = try await next(&iterator)
        messages[name] = iterator
        return message
    }

    private func play(_ step: JSON) async throws {
        let name = step["at"]?.stringValue ?? ""
        let client = try client(name)
        let (to, other) = (step["to"]?.stringValue ?? "", step["to"]?.stringValue ?? step["peer"]?.stringValue ?? "")
        let peer = amids[other] ?? ""
        switch step["do"]?.stringValue {
        case "send":
            let stages: [String: Stage] = ["queued": .queued, "stored": .stored, "delivered": .delivered, "handled": .handled]
            guard let wait = stages[step["wait"]?.stringValue ?? "stored"] else { throw Problem("no such stage") }
            let timeout = (step["timeout_ms"]?.doubleValue ?? 30_000) / 1000
            try await client.send(to: peer, payload(step["payload"]), wait: wait, timeout: timeout)
        case "receive": try await receive(name, step)
        case "request": try await request(client, peer, to, step)
        case "stream": try await stream(client, peer, to, step)
        case "restart":
            try await client.close()
            try await open(name)
        case "sessions":
            let peers = (step["peers"]?.arrayValue ?? []).compactMap { $0.stringValue.flatMap { amids[$0] } }
            try same(try await client.sessions().map(\.peer), peers, "sessions")
        case "backup":
            let text = try await client.backUp(passphrase: "correct horse")
            try same(try await Backup.open(text, passphrase: "correct horse").amid, client.amid, "backup")
            do {
                _ = try await Backup.open(text, passphrase: "wrong")
                throw Problem("a wrong passphrase opened a backup")
            } catch let error as AgentMeshError {
                try same(error.kind, .authentication, "wrong passphrase")
            }
        case "close": try await client.close()
        case "connect": try await client.connect()
        case "resume": try await client.resume()
        case "pause": try await client.pauseNew()
        case "stop": try await client.emergencyStop()
        case "block": try await client.block(peer)
        case "unblock": try await client.unblock(peer)
        case "kill_session": try await client.killSession(peer)
        default: throw Problem("no such step: \(step)")
        }
    }

    private func receive(_ name: String, _ step: JSON) async throws {
        let message = try await message(name)
        try same(message.from, amids[step["from"]?.stringValue ?? ""], "from")
        try same(message.payload, payload(step["payload"]), "payload")
        if let attempt = step["attempt"]?.intValue { try same(message.attempt, Int(attempt), "attempt") }
        switch step["then"]?.stringValue {
        case "ack": try await message.ack()
        case "release": try message.release()
        case "nothing": break
        default: throw Problem("then what? \(step)")
        }
    }

    private func request(_ client: AgentMeshClient, _ peer: String, _ to: String, _ step: JSON) async throws {
        let asked = try payload(step["payload"])
        let asking = Task { try await client.request(to: peer, asked, timeout: 60) }
        let message = try await message(to)
        try same(message.payload, asked, "payload")
        let answer = step["answer"]
        if let code = answer?["fail"]?.stringValue {
            try await message.fail(code, retryable: answer?["retryable"]?.boolValue ?? false)
        } else {
            try await message.respond(try payload(answer?["payload"]))
        }
        do {
            try same(try await asking.value.payload, payload(answer?["payload"]), "answer")
        } catch let error as AgentMeshError where error.remote != nil {
            try same(error.remote?.code, answer?["fail"]?.stringValue, "answer")
            try same(error.remote?.retryable, answer?["retryable"]?.boolValue ?? false, "answer")
            throw error
        }
    }

    private func stream(_ client: AgentMeshClient, _ peer: String, _ to: String, _ step: JSON) async throws {
        let stream = try await client.stream(to: peer, payload(step["payload"]))
        let chunks = (step["chunks"]?.arrayValue ?? []).compactMap(\.stringValue)
        let answering = Task {
            let outgoing = try await message(to).stream()
            for chunk in chunks { try await outgoing.send(chunk) }
            if let code = step["fail"]?.stringValue { try await outgoing.fail(code) } else { try await outgoing.finish() }
        }
        var read: [String?] = []
        let result: Result<Void, Error>
        do {
            for try await chunk in stream { read.append(chunk.text) }
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try await answering.value
        try same(read, chunks, "chunks")
        try result.get()
    }
}
