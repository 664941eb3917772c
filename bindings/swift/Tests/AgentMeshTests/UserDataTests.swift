import Foundation
import XCTest

@testable import AgentMesh

/// User data: skills, conversations, settings, and the channel to an agent, against that of `agentmesh dev`.
final class UserDataTests: XCTestCase {
    private func client(_ server: TestServer) throws -> UserDataClient {
        try UserDataClient(server.url("user_data"), options: UserDataOptions(apiKey: "any-key-will-do"))
    }

    func testSkillsConversationsAndSettingsAreKept() async throws {
        let server = try TestServer.development()
        let data = try client(server)
        try await within {
            let place = try await data.putSkill("alice", "débug.md", "# Wörld")
            XCTAssertTrue(place.hasPrefix("users/alice/skills/"), place)
            let names = try await data.listSkills("alice")
            XCTAssertEqual(names, ["débug.md"])
            let skill = try await data.skill("alice", "débug.md")
            XCTAssertEqual([skill.name, skill.content, "\(skill.size)"], ["débug.md", "# Wörld", "8"])
            try await data.deleteSkill("alice", "débug.md")
            await assertFails(.USER_DATA_NOT_FOUND) { _ = try await data.skill("alice", "débug.md") }
            await assertFails(.USER_DATA_INVALID_NAME) { try await data.putSkill("alice", "../x", "y") }

            let said: JSON = ["conversationId": "c1", "messages": [["role": "user", "content": "Hello"]], "more": ["a": [1.5, nil]]]
            try await data.saveConversation("alice", said)
            let saved = try await data.conversation("alice", "c1")
            XCTAssertEqual(saved.id, "c1")
            XCTAssertEqual(saved.body["more"], ["a": [1.5, nil]])
            let entries = try await data.listConversations("alice")
            XCTAssertEqual(entries.map(\.id), ["c1"])
            try await data.deleteConversation("alice", "c1")

            try await data.putSettings("alice", ["theme": "dark"])
            try await data.putSettings("alice", ["n": 1], name: "other")
            let settings = try await data.settings("alice")
            let other = try await data.settings("alice", name: "other")
            XCTAssertEqual([settings.values, other.values], [["theme": "dark"], ["n": 1]])
            try await data.deleteSettings("alice")
            await assertFails(.USER_DATA_NOT_FOUND) { _ = try await data.settings("alice") }
            let health = try await data.health()
            XCTAssertTrue(["healthy", "ok"].contains(health["status"]?.stringValue ?? ""), "\(health)")
        }
    }

    func testAConversationWithAnAgentIsReadAsItComesAndSaved() async throws {
        let server = try TestServer.development()
        let data = try client(server)
        try await within {
            let channel = try await data.channel(
                "session-1", options: ChannelOptions(user: "alice", skills: ["debugging.md": "# Debugging"]))
            XCTAssertTrue(channel.isConnected)
            XCTAssertEqual(channel.setup?.userID, "alice")
            XCTAssertEqual(channel.setup?.skillsLoaded.count, 1)
            var (deltas, messages, end) = ("", [ChannelMessage](), TurnEnd?.none)
            for try await part in try await channel.send("hello wörld") {
                switch part {
                case .delta(let text, let isText): if isText { deltas += text }
                case .message(let message): messages.append(message)
                case .end(let turn): end = turn
                case .other(let kind): XCTFail(kind)
                }
            }
            XCTAssertEqual([deltas, messages.last?.text, end?.text], ["hello wörld", "hello wörld", "hello wörld"])
            XCTAssertEqual(end?.isError, false)
            let again = try await channel.ask("again")
            XCTAssertEqual(again.text, "again")
            let history = try await channel.history()
            XCTAssertEqual(history.suffix(2).map(\.text), ["again", "again"])
            try await channel.save("alice", "conv-1")
            let saved = try await data.conversation("alice", "conv-1")
            XCTAssertEqual(saved.body["messages"]?.arrayValue?.count, 4)
            await assertFails(.USER_DATA_INVALID) { _ = try await channel.ask("") }
            try await channel.clear()
            let nothing = try await channel.history()
            XCTAssertEqual(nothing, [])
            try await channel.close()
            do {
                _ = try await channel.send("late")
                XCTFail("it is closed")
            } catch let error as AgentMeshError { XCTAssertEqual(error.kind, .closed) }
            try await data.destroySandbox("session-1")
        }
    }

    func testHooksAreAnsweredByAPolicyAndByHandlers() async throws {
        let server = try TestServer.development()
        let data = try client(server)
        try await within {
            let approve: HookHandler = { $0.toolName == "Read" ? .approve : nil }
            let cases: [(HookPolicy, String, HookAnswer)] = [
                (HookPolicy(), "Read", .deny()),
                (.allowTools(["Read"]), "Read", .continue),
                (.allowAllTools(), "Bash", .continue),
                (.ask(approve), "Read", .approve),
                (.ask(approve), "Bash", .deny()),
                (.allowAllTools { _ in .deny(reason: "not today") }, "Read", .deny()),
                (.allowTools(["Read"]) { _ in throw Problem("as a bug would") }, "Read", .continue),
            ]
            for (number, (hooks, tool, wanted)) in cases.enumerated() {
                let channel = try await data.channel("hooks-\(number)", options: ChannelOptions(hooks: hooks))
                let events = try channel.events()
                _ = try await channel.ask("/tool \(tool) {}")
                for try await event in events {
                    guard case .hookAnswered(let request, let answer, let late) = event, request.event == "PreToolUse" else { continue }
                    XCTAssertEqual(request.toolName, tool)
                    XCTAssertFalse(late)
                    switch (answer, wanted) {
                    case (.deny, .deny): break
                    default: XCTAssertEqual(answer, wanted, "\(number)")
                    }
                    break
                }
                try await channel.close()
            }
        }
    }
}
