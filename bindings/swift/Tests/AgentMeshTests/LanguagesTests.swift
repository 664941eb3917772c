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
        let said = ProcessInfo.processInfo.environment["AGENTMESH_TEST_NODE"] ?? ""
        if said.isEmpty && ProcessInfo.processInfo.environment["CI"] == "true" { throw Problem("there is no agent in Node") }
        try XCTSkipIf(said.isEmpty, "there is no agent in Node: run scripts/swift.sh")
        let parts = said.split(separator: " ").map(String.init)
        guard parts.count == 2 else { throw Problem("the agent in Node did not start: \(said)") }
        let (url, node) = (parts[0], parts[1])
        let relay = url.replacingOccurrences(of: "http://", with: "ws://") + "/v1/connect"
        try await within {
            let client = try await AgentMeshClient.create(
                storage: MemoryStorage(),
                options: ClientOptions(registryURL: url + "/v1", relayURL: relay, policy: .permissive))
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
            let other = try await AgentMeshClient.create(
                storage: MemoryStorage(),
                options: ClientOptions(registryURL: url + "/v1", relayURL: relay, policy: .permissive))
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

    /// The home of an agent goes from Swift to Rust and back. AGENTMESH_TEST_HOME is one that another language began: its agent, its
    /// session and its records are gone on with, and another language can go on with them afterwards.
    func testAHomeGoesFromLanguageToLanguageWithTheSameRecords() async throws {
        let server = try TestServer.start()
        let given = ProcessInfo.processInfo.environment["AGENTMESH_TEST_HOME"] ?? ""
        try await within {
            let temporary = try Directory()
            let home = given.isEmpty ? temporary.path : given
            func open(online: Bool) async throws -> AgentMeshClient {
                var options = online ? server.options() : ClientOptions(offline: true, policy: .permissive)
                options.mode = FileManager.default.fileExists(atPath: home + "/agent.db") ? .load : .createNew
                return try await AgentMeshClient.create(
                    storage: SqliteStorage(home + "/agent.db"), key: .file(home + "/store.key"), options: options)
            }
            if !given.isEmpty {
                // Opened and closed, nothing of a session is written anew: what the other language wrote is what Swift would have.
                let before = try await records(home)
                XCTAssertFalse(before.isEmpty)
                let looked = try await open(online: false)
                let sessions = try await looked.sessions()
                XCTAssertFalse(sessions.isEmpty)
                try await looked.close()
                let after = try await records(home)
                XCTAssertEqual(after, before)
            }
            let other = try await server.agent()
            let swift = try await open(online: true)
            let amid = swift.amid
            try await swift.connect()
            async let sent = swift.send(to: other.amid, "Swift", wait: .handled)
            let first = try await hear(other)
            _ = try await sent
            let session = try await other.sessions().first?.id ?? "none"
            try await swift.close()
            let ofSwift = try await records(home)
            XCTAssertFalse(ofSwift.isEmpty)

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

            let again = try await open(online: true)
            let known = try await again.sessions().map(\.id)
            XCTAssertTrue(known.contains(session))
            try await again.close()
            let sessions = try await other.sessions().map(\.id)
            XCTAssertEqual(sessions, [session], "one session all the way")
            try await other.close()
        }
    }
}
