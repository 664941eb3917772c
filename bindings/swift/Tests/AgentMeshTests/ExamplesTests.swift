import Foundation
import XCTest

@testable import AgentMesh

/// The examples, as `scripts/swift.sh` built them.
final class ExamplesTests: XCTestCase {
    private func program(_ name: String) throws -> String { try given("AGENTMESH_TEST_EXAMPLES") + "/" + name }

    func testTheQuickstartRuns() async throws {
        let (server, home) = (try TestServer.start(), try Directory())
        let said = try Program(program("quickstart"), [server.registryURL, server.relayURL], home: home.path).all()
        XCTAssertEqual(said, [#"{"echo":{"hello":"wörld"}}"#])
    }

    func testTheEchoAgentAnswersAndIsTheSameAgentAgain() async throws {
        let (server, home) = (try TestServer.start(), try Directory())
        let client = try await server.agent()
        var amids: [String] = []
        for _ in 0..<2 {
            let agent = try Program(program("echo-agent"), [home("agent"), server.registryURL, server.relayURL], home: home.path)
            guard let amid = agent.line() else { throw Problem("the agent ended") }
            amids.append(amid)
            let answer = try await within { try await client.request(to: amid, [1]).payload.jsonValue }
            XCTAssertEqual(answer, ["echo": [1]])
            agent.process.terminate()
            XCTAssertEqual(try agent.all(), ["closed"])
        }
        XCTAssertEqual(Set(amids).count, 1)
        try await client.close()
    }
}
