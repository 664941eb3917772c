import Foundation
import XCTest

@testable import AgentMesh

/// Plays `bindings/scenarios/services/*.json`, as the other languages do, each over a server of its own.
final class ServiceScenariosTests: XCTestCase {
    func testScenarios() async throws {
        let place = try given("AGENTMESH_TEST_SOURCE") + "/bindings/scenarios/services/"
        let names = try FileManager.default.contentsOfDirectory(atPath: place).filter { $0.hasSuffix(".json") }.sorted()
        XCTAssertGreaterThanOrEqual(names.count, 3)
        for name in names {
            let scenario = try JSON(text: String(contentsOfFile: place + name, encoding: .utf8))
            let server = try TestServer.development()
            try await within { try await Play(server).run(scenario) }
        }
    }
}

/// A step that knows what was read of it: a member that nobody looks at would be something that is not tested.
private final class Step: @unchecked Sendable, CustomStringConvertible {
    private let members: [String: JSON]
    private var unread: Set<String>

    init(_ said: JSON) throws {
        guard let members = said.objectValue else { throw Problem("no step: \(said)") }
        (self.members, unread) = (members, Set(members.keys))
    }

    func find(_ member: String) -> JSON? {
        unread.remove(member)
        return members[member]
    }

    func value(_ member: String) throws -> JSON {
        guard let value = find(member) else { throw Problem("there is no \(member)") }
        return value
    }

    func text(_ member: String) throws -> String {
        guard let text = try value(member).stringValue else { throw Problem("\(member) is no text") }
        return text
    }

    func texts(_ member: String) throws -> [String] { try value(member).value() }

    func end() throws { if !unread.isEmpty { throw Problem("nobody knows \(unread.sorted())") } }

    var description: String { JSON.object(members).text }
}

/// Somebody, and what is told, which is read step by step.
private final class Party<Client, Event: Sendable>: @unchecked Sendable {
    let client: Client
    private var events: Items<Event>.AsyncIterator

    init(_ client: Client, _ events: Items<Event>) { (self.client, self.events) = (client, events.makeAsyncIterator()) }

    /// What is found in the next event in which something is found.
    func until<Found>(_ look: (Event) -> Found?) async throws -> Found {
        while true {
            if let found = look(try await next(&events)) { return found }
        }
    }
}

private final class Play: @unchecked Sendable {
    private let server: TestServer
    private let data: UserDataClient
    private var rooms: [String: Party<SignalingClient, SignalingEvent>] = [:]
    private var ids: [String: String] = [:]
    private var signers: [String: String] = [:]
    private var services: [String: AgentWebSocketService] = [:]
    private var urls: [String: String]
    private var askers: [String: Party<AgentWebSocketClient, AgentWebSocketEvent>] = [:]
    private var channels: [String: Party<UserDataChannel, ChannelEvent>] = [:]

    init(_ server: TestServer) throws {
        (self.server, urls) = (server, ["server": server.url("agent_websocket")])
        data = try UserDataClient(server.url("user_data"), options: UserDataOptions(apiKey: "any-key-will-do"))
    }

    func run(_ scenario: JSON) async throws {
        for said in scenario["steps"]?.arrayValue ?? [] {
            let step = try Step(said)
            do {
                try await expecting(step.find("error")?.stringValue) { try await play(step) }
                try step.end()
            } catch {
                throw Problem("\(step): \(error)")
            }
        }
        for party in rooms.values { try await party.client.leave(urgent: true) }
        for party in askers.values { try await party.client.close() }
        for service in services.values { try await service.close() }
        for party in channels.values { try await party.client.close() }
    }

    private func expecting(_ wanted: String?, _ work: () async throws -> Void) async throws {
        var code: String?
        do {
            try await work()
        } catch let error as AgentMeshError where wanted != nil {
            code = error.code.rawValue
        }
        try same(code, wanted)
    }

    private func same<T: Equatable>(_ found: T, _ wanted: T) throws {
        if found != wanted { throw Problem("\(found), not \(wanted)") }
    }

    private func of<T>(_ all: [String: T], _ name: String) throws -> T {
        guard let found = all[name] else { throw Problem("nobody is \(name)") }
        return found
    }

    private func play(_ step: Step) async throws {
        switch try step.text("do") {
        case let what where ["join", "room", "roster", "signal", "signalled", "leave"].contains(what): try await signaling(what, step)
        case let what where ["serve", "dial", "ask", "notify", "hang_up", "stop"].contains(what): try await agentWebSocket(what, step)
        case let what where ["open_channel", "say", "tool", "history", "save_channel", "clear", "close_channel"].contains(what):
            try await channel(what, step)
        case let what: try await userData(what, step)
        }
    }

    private func signaling(_ what: String, _ step: Step) async throws {
        let at = try step.text("at")
        if what == "join" {
            let identity = step.find("signs") == .bool(true) ? try Identity.generate() : nil
            let options = JoinOptions(signWith: identity)
            let client = try await SignalingClient.join(server.url("signaling"), room: step.text("room"), options: options)
            (rooms[at], ids[at], signers[at]) = (Party(client, try client.events()), client.id, identity?.amid)
            return
        }
        let party = try of(rooms, at)
        func named(_ member: String) throws -> [String] { try step.texts(member).map { try of(ids, $0) } }
        switch what {
        case "room":
            try same(party.client.room, step.text("name"))
            try same(party.client.peers, named("peers"))
        case "roster":
            let (joined, left) = try await party.until { event -> ([String], [String])? in
                guard case .roster(_, let joined, let left, _) = event, !(joined.isEmpty && left.isEmpty) else { return nil }
                return (joined, left)
            }
            try same(joined, named("joined"))
            try same(left, named("left"))
        case "signal":
            let to = try step.text("to")
            try await party.client.send(to: ids[to] ?? to, step.value("value"))
        case "signalled":
            let signal = try await party.until { event -> (from: String, value: JSON, signer: String?, problem: AgentMeshError?)? in
                guard case .signal(let from, let value, let signer, let problem) = event else { return nil }
                return (from, value, signer, problem)
            }
            try same(signal.from, of(ids, step.text("from")))
            if let value = step.find("value") { try same(signal.value, value) }
            try same(signal.signer, step.find("signed_by")?.stringValue.map { try of(signers, $0) })
            try same(signal.problem, nil)
        case "leave": try await party.client.leave()
        default: throw Problem("nobody knows how to \(what)")
        }
    }

    private func agentWebSocket(_ what: String, _ step: Step) async throws {
        let at = try step.text("at")
        switch what {
        case "serve":
            var options = ServiceOptions()
            (options.systemPrompt, options.tokens) = (try step.text("system_prompt"), try step.texts("tokens"))
            // It says the conversation, and `fail` it does not take.
            let service = try await AgentWebSocketService.start(options: options) { question in
                if question.text == "fail" { throw Failure("BUSY", "come back later") }
                let pieces = question.messages.map { "\($0.role):\($0.content)/" }
                for piece in pieces { try await question.delta(piece) }
                return pieces.joined()
            }
            (services[at], urls[at]) = (service, service.url)
        case "dial":
            let options = AgentWebSocketOptions(bearer: step.find("token")?.stringValue)
            let client = try await AgentWebSocketClient.connect(of(urls, step.text("to")), options: options)
            askers[at] = Party(client, try client.events())
        case "ask":
            let answer = try await ask(of(askers, at).client, step)
            if let part = step.find("contains")?.stringValue {
                if !answer.contains(part) { throw Problem("\(answer) has no \(part)") }
            } else {
                try same(answer, step.text("answer"))
            }
        case "notify":
            let (asker, text) = (try of(askers, step.text("to")), try step.text("text"))
            try of(services, at).notify(asker.client.session?.sessionId ?? "", text)
            try await asker.until { event -> Void? in
                guard case .notification(let message) = event, message.content == text else { return nil }
                return ()
            }
        case "hang_up": try await of(askers, at).client.close()
        case "stop": try await of(services, at).close()
        default: throw Problem("nobody knows how to \(what)")
        }
    }

    private func ask(_ client: AgentWebSocketClient, _ step: Step) async throws -> String {
        let (question, says) = (try step.text("text"), step.find("says")?.stringValue)
        guard step.find("pieces") != nil else {
            do {
                return try await client.query(question).content
            } catch let error as AgentMeshError {
                let details = JSON.object(error.details).text
                if let says, !details.contains(says) { throw Problem("\(details) does not say \(says)") }
                throw error
            }
        }
        var (pieces, whole) = ([String](), "")
        for try await part in try await client.queryStream(question) {
            switch part {
            case .delta(let piece): pieces.append(piece.content)
            case .answer(let answer): whole = answer.content
            }
        }
        try same(pieces, step.texts("pieces"))
        return whole
    }

    private func userData(_ what: String, _ step: Step) async throws {
        let user = try step.text("user")
        switch what {
        case "put_skill": try await data.putSkill(user, step.text("name"), step.text("content"))
        case "skills": try same(await data.listSkills(user), step.texts("names"))
        case "skill":
            let found = try await data.skill(user, step.text("name"))
            try same([found.name, found.content], [step.text("name"), step.text("content")])
        case "delete_skill": try await data.deleteSkill(user, step.text("name"))
        case "save_conversation": try await data.saveConversation(user, step.value("body"))
        case "conversation":
            let found = try await data.conversation(user, step.text("id"))
            try same([.array(found.messages), found.body["more"]], [step.value("messages"), step.value("more")])
        case "conversations": try same(await data.listConversations(user).map(\.id), step.texts("ids"))
        case "delete_conversation": try await data.deleteConversation(user, step.text("id"))
        case "put_settings": try await data.putSettings(user, step.value("values").objectValue ?? [:])
        case "settings": try same(.object(await data.settings(user).values), step.value("values"))
        case "delete_settings": try await data.deleteSettings(user)
        default: throw Problem("nobody knows how to \(what)")
        }
    }

    private func channel(_ what: String, _ step: Step) async throws {
        let at = try step.text("at")
        if what == "open_channel" {
            let options = ChannelOptions(user: try step.text("user"), hooks: .allowTools(try step.texts("tools")))
            let channel = try await data.channel(at, options: options)
            channels[at] = Party(channel, try channel.events())
            return
        }
        let party = try of(channels, at)
        switch what {
        case "say": try same(await party.client.ask(step.text("prompt")).text, step.text("answer"))
        case "tool":
            let tool = try step.text("tool")
            _ = try await party.client.ask("/tool \(tool) {}")
            let (used, action) = try await party.until { event -> (String?, String)? in
                guard case .hookAnswered(let request, let answer, _) = event, request.event == "PreToolUse" else { return nil }
                switch answer {
                case .approve: return (request.toolName, "approve")
                case .continue: return (request.toolName, "continue")
                case .deny: return (request.toolName, "deny")
                }
            }
            try same([used, action], [tool, step.text("action")])
        case "history": try same(await party.client.history().map(\.text), step.texts("texts"))
        case "save_channel": try await party.client.save(step.text("user"), step.text("id"))
        case "clear": try await party.client.clear()
        case "close_channel": try await party.client.close()
        default: throw Problem("nobody knows how to \(what)")
        }
    }
}
