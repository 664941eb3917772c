import Foundation
import XCTest

@testable import AgentMesh

/// The records of sessions as they are stored: key, version, sealed bytes.
private func records(_ home: String) async throws -> [StoredRecord] {
    let store = SqliteStorage(home + "/agent.db")
    let found = try await store.list(kind: "session")
    try await store.close()
    return found
}

/// Swift with Rust, which is the command line, and with Node; and one home that goes from language to language.
final class LanguagesTests: XCTestCase {
    func testSwiftAndNodeTalkBothWays() async throws {
        let parts = try peer("AGENTMESH_TEST_NODE").split(separator: " ").map(String.init)
        guard parts.count == 2 else { throw Problem("who is the agent in Node? \(parts)") }
        let (url, node) = (parts[0], parts[1])
        try await within {
            let client = try await AgentMeshClient.create(storage: MemoryStorage(), options: options(url))
            try await client.connect()
            let answer = try await client.request(to: node, [1, 2.5])
            XCTAssertEqual(answer.payload.jsonValue, ["node": [1, 2.5]])
            let text = try await client.stream(to: node, "go").text()
            XCTAssertEqual(text, "tokens")

            client.onRequest { message in
                guard message.wantsStream else { return try .json(["swift": message.payload.jsonValue ?? .null]) }
                return .stream(
                    AsyncThrowingStream {
                        for piece in ["a", "b"] { $0.yield(piece) }
                        $0.finish()
                    })
            }
            let heard = Box<[JSON]>([])
            client.onMessage { message in heard.change { $0.append(message.payload.jsonValue ?? .null) } }
            try await client.send(to: node, "ask me", wait: .handled)
            try await eventually("Node has asked") { heard.value == [["answer": ["swift": ["from": "nöde"]], "stream": "ab"]] }
            let session = try await client.sessions().first
            XCTAssertEqual(session?.suite, "x25519-mlkem768")
            try await client.close()

            // Node begins a session of its own: this agent is new to it, and only says who it is by a status nobody keeps.
            let other = try await AgentMeshClient.create(storage: MemoryStorage(), options: options(url))
            try await other.connect()
            try await other.send(to: node, "begin", wait: .handled)
            let begun = try await hear(other)
            XCTAssertEqual(begun.payload.string, "begun")
            try await other.close()
        }
    }

    func testSwiftAndRustTalk() async throws {
        let server = try TestServer.start()
        try await within {
            let client = try await server.agent()
            let home = try Directory()
            _ = try server.command(home: home.path, "identity", "new")
            let rust = try server.command(home: home.path, "identity", "show").first?["amid"]?.stringValue ?? ""
            async let heard = hear(client)
            _ = try server.command(home: home.path, "send", client.amid, #"{"from": "rüst"}"#, "--wait", "handled")
            let message = try await heard
            XCTAssertEqual(message.from, rust)
            XCTAssertEqual(message.payload.jsonValue, ["from": "rüst"])
            try await client.close()
        }
    }

    /// The home of an agent goes from Swift to Rust and back.
    func testAHomeGoesFromSwiftToRustAndBackWithTheSameRecords() async throws {
        let server = try TestServer.start()
        try await within {
            let directory = try Directory()
            let home = directory.path
            let other = try await server.agent()
            let swift = try await open(home, server.options())
            let amid = swift.amid
            try await swift.connect()
            async let sent = swift.send(to: other.amid, "Swift", wait: .handled)
            let first = try await hear(other)
            _ = try await sent
            let session = try await other.sessions().first?.id ?? "none"
            try await swift.close()
            let ofSwift = try await records(home)
            XCTAssertEqual(ofSwift.count, 1)

            let listed = try server.command(home: home, "sessions")
            XCTAssertTrue("\(listed)".contains(session), "\(listed)")
            let ofRust = try await records(home)
            XCTAssertEqual(ofRust, ofSwift)
            async let third = hear(other)
            _ = try server.command(home: home, "send", other.amid, "\"Rust\"", "--wait", "handled")
            let second = try await third
            XCTAssertEqual([first.payload.string, second.payload.string], ["Swift", "Rust"])
            XCTAssertEqual([first.from, second.from], [amid, amid])
            XCTAssertEqual(second.seq, first.seq + 1)

            let again = try await open(home, server.options(), mode: .load)
            let known = try await again.sessions().map(\.id)
            XCTAssertTrue(known.contains(session))
            try await again.close()
            let sessions = try await other.sessions().map(\.id)
            XCTAssertEqual(sessions, [session], "one session all the way")
            try await other.close()
        }
    }

    /// The home of an agent that Kotlin began, with its peer in Node. What comes of it, and that Rust goes on with it, `peers.py` looks at.
    func testAHomeThatKotlinBeganIsGoneOnWith() async throws {
        let said = try peer("AGENTMESH_TEST_HANDOVER")
        let (url, given) = (try XCTUnwrap(try peer("AGENTMESH_TEST_NODE").split(separator: " ").first), try JSON(text: said))
        try await within {
            let home = given.string("home")
            // Opened and closed, nothing of the session is written anew: what Kotlin wrote is what Swift would have written.
            let before = try await records(home)
            XCTAssertEqual(before.count, 1)
            let looked = try await open(home, ClientOptions(offline: true), mode: .load)
            XCTAssertEqual(looked.amid, given.string("amid"))
            let sessions = try await looked.sessions().map(\.id)
            XCTAssertEqual(sessions, given.texts("sessions"))
            try await looked.close()
            let after = try await records(home)
            XCTAssertEqual(after, before)

            let swift = try await open(home, options(String(url)), mode: .load)
            try await swift.connect()
            try await swift.send(to: given.string("peer"), ["handover": "Swift"], wait: .handled)
            let still = try await swift.sessions().map(\.id)
            XCTAssertEqual(still, given.texts("sessions"))
            try await swift.close()
        }
    }
}

/// What `peers.py` says of a peer that is not written in Swift. In CI it must be there.
private func peer(_ variable: String) throws -> String {
    let said = ProcessInfo.processInfo.environment[variable] ?? ""
    if said.isEmpty && ProcessInfo.processInfo.environment["CI"] == "true" { throw Problem("\(variable) is not set") }
    try XCTSkipIf(said.isEmpty, "there is no such peer: run scripts/swift.sh without arguments")
    return said
}

/// How an agent is opened at a server.
private func options(_ url: String) -> ClientOptions {
    let relay = url.replacingOccurrences(of: "http://", with: "ws://") + "/v1/connect"
    return ClientOptions(registryURL: url + "/v1", relayURL: relay, policy: .permissive)
}

/// An agent in a home, where other languages find it, too.
private func open(_ home: String, _ options: ClientOptions, mode: OpenMode = .createNew) async throws -> AgentMeshClient {
    var options = options
    options.mode = mode
    return try await AgentMeshClient.create(
        storage: SqliteStorage(home + "/agent.db"), key: .file(home + "/store.key"), options: options)
}
