import Foundation
import XCTest

@testable import AgentMesh

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// The services besides messages, against those of `agentmesh dev`; user data has a file of its own.
final class ServicesTests: XCTestCase {
    func testAnAgentInSwiftAnswersWebSockets() async throws {
        try await within {
            var options = ServiceOptions()
            (options.agentName, options.tokens) = ("Swift", ["s3cret"])
            let service = try await AgentWebSocketService.start(options: options) { question in
                if question.text == "fail" { throw Failure("MODEL_GONE", "no model") }
                if question.wantsDeltas { try await question.delta("you ") }
                return "you said \(question.text)"
            }
            await assertFails(.AGENT_WS_REFUSED) { _ = try await AgentWebSocketClient.connect(service.url) }
            let client = try await AgentWebSocketClient.connect(service.url, options: AgentWebSocketOptions(bearer: "s3cret"))
            let answer = try await client.query("hello")
            XCTAssertEqual(answer.content, "you said hello")
            var (pieces, whole) = ([String](), "")
            for try await part in try await client.queryStream("again") {
                switch part {
                case .delta(let piece): pieces.append(piece.content)
                case .answer(let answer): whole = answer.content
                }
            }
            XCTAssertEqual(whole, "you said again")
            await assertFails(.AGENT_WS_AGENT) { _ = try await client.query("fail") }
            var events = try client.events().makeAsyncIterator()
            guard case .connected(let session) = try await next(&events) else { throw Problem("it is not connected") }
            XCTAssertEqual(client.session?.sessionId, session.sessionId)
            let stats = try service.stats
            XCTAssertEqual([stats.messages, stats.sessions], [3, 1])
            try await client.close()
            try await service.close()
        }
    }

    func testTheReferenceServersAgentIsAsked() async throws {
        let server = try TestServer.development()
        try await within {
            let client = try await AgentWebSocketClient.connect(server.url("agent_websocket"))
            let answer = try await client.query("hello wörld")
            XCTAssertTrue(answer.content.contains("hello wörld"), answer.content)
            try await client.close()
        }
    }

    func testTwoClientsOfARoomSignal() async throws {
        let server = try TestServer.development()
        try await within {
            let url = server.url("signaling")
            let identity = try Identity.generate()
            let alice = try await SignalingClient.join(url, room: "swift-room", options: JoinOptions(signWith: identity))
            let bob = try await SignalingClient.join(url, room: "swift-room")
            let to = try XCTUnwrap(bob.id)
            try await alice.send(to: to, ["hello": "bob"] as JSON)
            try await alice.send(to: to, ["type": "offer", "sdp": "v=0\r\n"] as JSON)
            var heard: [(JSON, String?)] = []
            for try await event in try bob.events() {
                if case .signal(let from, let value, let signedBy, let problem) = event {
                    XCTAssertEqual(from, alice.id)
                    XCTAssertNil(problem)
                    heard.append((value, signedBy))
                    if heard.count == 2 { break }
                }
            }
            XCTAssertEqual(heard.map(\.0["hello"]), ["bob", nil])
            XCTAssertEqual(heard.last?.1, identity.amid, "descriptions are signed")
            try await eventually("alice knows of bob") { alice.peers == [to] }
            let nobody = UUID().uuidString.lowercased()
            do {
                try await alice.send(to: nobody, "x" as JSON)
                XCTFail("nobody is in the room under that id")
            } catch let error as AgentMeshError { XCTAssertEqual(error.kind, .notFound, "\(error)") }
            try await alice.leave()
            try await alice.leave()
            try await bob.leave()
        }
    }

    func testANegotiatorSaysWhatThereIsToDo() throws {
        let (polite, other) = (Negotiator(local: "a", remote: "b", offers: true), Negotiator(local: "b", remote: "a", offers: false))
        XCTAssertTrue(polite.isPolite)
        let first = try polite.actions()
        XCTAssertTrue(first.contains(.createOffer(iceRestart: false)), "\(first)")
        try polite.created(kind: "offer", sdp: "v=0\r\n")
        guard case .send(let offer) = try polite.actions().last else { return XCTFail("the offer is not sent") }
        XCTAssertTrue(try other.received(offer))
        let answering = try other.actions()
        XCTAssertTrue(answering.contains(.setRemote(kind: "offer", sdp: "v=0\r\n")), "\(answering)")
        XCTAssertFalse(try other.received(["my": "own"]))
        XCTAssertThrowsError(try other.created(kind: "?", sdp: "")) { XCTAssertEqual(($0 as? AgentMeshError)?.kind, .invalidInput) }
    }

    func testAControllerConfiguresAndHearsOfAnAgent() async throws {
        let server = try TestServer.development()
        try await within {
            let admin = Administrator(server)
            let said: JSON = [
                "name": "support", "description": "d", "status": "active",
                "settings": ["claudeModel": "m", "discord": ["token": "bot-token", "channelIds": ["1", "2"]]],
            ]
            let id = try await admin.ask("POST", "/agents", said).string("_id")
            let secret = try await admin.ask("POST", "/agents/\(id)/credentials/regenerate", [:]).string("secret")
            let controller = Controller(baseURL: server.url("aiwm"), agentID: id, secret: secret)

            let client = try AiwmClient(controller)
            let connection = try await client.connect()
            XCTAssertEqual(connection.settings["claudeModel"], "m")
            try await client.heartbeat(connection, status: .busy, metrics: ["cpu": 0.5])
            let report = try await admin.ask("GET", "/agents/\(id)")["lastReport"]
            XCTAssertEqual(report?["status"], "busy")
            try await client.disconnect(connection)
            let wrong = try AiwmClient(Controller(baseURL: server.url("aiwm"), agentID: id, secret: "not-the-secret"))
            await assertFails(.AIWM_AUTH_REJECTED) { _ = try await wrong.connect() }

            var options = SupervisorOptions(controller: controller)
            (options.heartbeat, options.metrics) = (0.05, ["queue": 3])
            let supervisor = try await AiwmSupervisor.start(options: options)
            XCTAssertEqual(try supervisor.state, .online)
            let config = try supervisor.config
            XCTAssertEqual([config.model] + config.discord.places, ["m", "1", "2"])
            XCTAssertEqual(config.discord.token, "bot-token")
            var shown = "\(config) \(controller) \(connection)"
            dump([config, controller, connection] as [Any], to: &shown)
            XCTAssertFalse(shown.contains("bot-token") || shown.contains(secret), shown)
            try supervisor.setStatus(.busy)
            try await eventually("the controller hears of the metrics") {
                try await admin.ask("GET", "/agents/\(id)")["lastReport"]?["metrics"] == ["queue": 3]
            }
            XCTAssertEqual(try supervisor.health["status"], "ok")
            XCTAssertTrue(try supervisor.respond("/metrics").body.contains("aiwm_heartbeat_success_total"))
            let events = try supervisor.events()
            _ = try await admin.ask("DELETE", "/agents/\(id)")
            for try await event in events { if case .agentDeleted = event { break } }
            try await supervisor.shutdown()
            XCTAssertEqual(try supervisor.state, .stopped)
        }
    }

    func testWithoutAControllerEverythingIsLocal() async throws {
        try await within {
            let home = try Directory()
            try "CLAUDE_MODEL=local\nDISCORD_TOKEN=hush\n".write(toFile: home(".env"), atomically: true, encoding: .utf8)
            let supervisor = try await AiwmSupervisor.start(options: SupervisorOptions(envFile: home(".env")))
            XCTAssertEqual(try supervisor.state, .disabled)
            XCTAssertEqual(try supervisor.config.model, "local")
            XCTAssertEqual(try supervisor.respond("/nowhere").status, 404)
            try await supervisor.shutdown()
        }
    }
}

/// What an administrator of the controller does.
private struct Administrator: Sendable {
    let url: String
    let token: String

    init(_ server: TestServer) {
        (url, token) = (server.url("aiwm"), server.url("aiwm_admin_token"))
    }

    func ask(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        var request = URLRequest(url: try XCTUnwrap(URL(string: url + path)), timeoutInterval: 30)
        request.httpMethod = method
        request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization")
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = body.map { Data($0.text.utf8) }
        let asked = request
        let (data, status): (Data, Int) = try await withCheckedThrowingContinuation { continuation in
            let task = URLSession.shared.dataTask(with: asked) { data, response, error in
                if let error { return continuation.resume(throwing: error) }
                continuation.resume(returning: (data ?? Data(), (response as? HTTPURLResponse)?.statusCode ?? 0))
            }
            task.resume()
        }
        guard (200..<300).contains(status) else { throw Problem("\(method) \(path): \(status)") }
        return data.isEmpty ? .null : try JSON(text: String(decoding: data, as: UTF8.self))
    }
}
