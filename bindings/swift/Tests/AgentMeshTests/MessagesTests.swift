import AgentMesh
import XCTest

/// Messages, requests and streams between agents over a server in a process of its own.
final class MessagesTests: XCTestCase {
    private struct Greeting: Codable, Equatable, Sendable {
        let hello: String
        let numbers: [Double?]
    }

    func testTwoAgentsTalk() async throws {
        let server = try TestServer.start()
        try await within {
            let (alice, bob) = (try await server.agent(), try await server.agent())
            let greeting = Greeting(hello: "wörld", numbers: [1, 2.5, nil])
            let sent = try await alice.send(to: bob.amid, greeting)
            XCTAssertGreaterThanOrEqual(sent.stage, .stored)
            var messages = bob.messages().makeAsyncIterator()
            let message = try await next(&messages)
            XCTAssertEqual(message.from, alice.amid)
            XCTAssertEqual(message.id, sent.id)
            XCTAssertEqual(try message.decode(Greeting.self), greeting)
            XCTAssertFalse(message.isDone)
            try await message.ack()
            XCTAssertTrue(message.isDone)
            await assertFails(.BINDING_USED) { try await message.ack() }

            // Bytes are bytes, and nothing is nothing.
            let bytes = Data([0, 1, 255])
            try await bob.send(to: alice.amid, bytes, wait: .delivered)
            try await bob.send(to: alice.amid)
            var others = alice.messages().makeAsyncIterator()
            for payload in [Payload.bytes(bytes), .none] {
                let answer = try await next(&others)
                XCTAssertEqual(answer.payload, payload)
                try await answer.ack()
            }
            try await alice.close()
            try await bob.close()
            try await alice.close()
            let end = try await messages.next()
            XCTAssertNil(end)
            await assertFails(.AGENT_CLOSED) { try await alice.send(to: bob.amid, "late") }
        }
    }

    func testRequestsAreAnsweredByHandlers() async throws {
        let server = try TestServer.start()
        try await within {
            let (alice, bob) = (try await server.agent(), try await server.agent())
            bob.onRequest { message in
                switch message.payload.string {
                case "fail": throw Failure("MODEL_OVERLOADED", "later", retryable: true, details: ["in": 5])
                case "bytes": return .payload(.bytes(Data([7])))
                case "nothing": return .none
                default: return try .json(["echo": message.payload.jsonValue ?? .null])
                }
            }
            let response = try await alice.request(to: bob.amid, ["a": [1, 2]])
            XCTAssertEqual(response.payload.jsonValue, ["echo": ["a": [1, 2]]])
            XCTAssertEqual(response.kind, "response")
            XCTAssertTrue(response.isDone)
            let bytes = try await alice.request(to: bob.amid, "bytes").payload.data
            XCTAssertEqual(bytes, Data([7]))
            let nothing = try await alice.request(to: bob.amid, "nothing").payload.isEmpty
            XCTAssertTrue(nothing)
            do {
                _ = try await alice.request(to: bob.amid, "fail")
                XCTFail("an error was no error")
            } catch let error as AgentMeshError {
                XCTAssertEqual(error.code, .REQUEST_ERROR_RESPONSE)
                XCTAssertEqual(
                    [error.remote?.code, error.remote?.message], ["MODEL_OVERLOADED", "later"])
                XCTAssertEqual(error.remote?.retryable, true)
                XCTAssertEqual(error.remote?.details, ["in": 5])
            }
            await assertFails(.REQUEST_NO_RESPONSE) {
                bob.onRequest(nil)
                _ = try await alice.request(to: bob.amid, "nobody", timeout: 0.2)
            }
            try await alice.close()
            try await bob.close()
        }
    }

    func testHandlersGiveBackWhatTheyThrowAt() async throws {
        let server = try TestServer.start()
        try await within {
            let (alice, bob) = (try await server.agent(), try await server.agent())
            let (seen, failed) = (Box<[String]>([]), Box<[String]>([]))
            bob.onHandlerError { error, message in failed.change { $0.append("\(error) \(message.attempt)") } }
            bob.onMessage { message in
                seen.change { $0.append("\(message.payload.string ?? "") \(message.attempt)") }
                if message.attempt == 0 && message.payload.string == "first" { throw Problem("as a bug would") }
            }
            try await alice.send(to: bob.amid, "first", wait: .delivered)
            try await alice.send(to: bob.amid, "second", wait: .handled)
            try await eventually("the first comes again") { seen.value.contains("first 1") }
            XCTAssertEqual(failed.value, ["as a bug would 0"])
            try await bob.close()
            try await alice.close()
        }
    }

    func testStreamsComeInOrderAndAreCancelled() async throws {
        let server = try TestServer.start()
        try await within {
            let (alice, bob) = (try await server.agent(), try await server.agent())
            bob.onRequest { message in
                let failing = message.payload.string == "fail"
                return .stream(
                    AsyncThrowingStream { chunks in
                        for piece in ["to", "k", "ens"] { chunks.yield(piece) }
                        chunks.finish(throwing: failing ? Failure("MODEL_GONE") : nil)
                    })
            }
            let text = try await alice.stream(to: bob.amid, "go").text()
            XCTAssertEqual(text, "tokens")
            // Who does not want a stream gets all of it.
            let whole = try await alice.request(to: bob.amid, "go").payload.string
            XCTAssertEqual(whole, "tokens")
            await assertFails(.STREAM_FAILED) { _ = try await alice.stream(to: bob.amid, "fail").text() }

            bob.onRequest(nil)
            var requests = bob.messages().makeAsyncIterator()
            let stream = try await alice.stream(to: bob.amid, "by hand")
            let request = try await next(&requests)
            XCTAssertTrue(request.wantsStream)
            let outgoing = try await request.stream()
            try await outgoing.setMetadata(["model": "small"])
            try await outgoing.send(Data([1, 2]))
            let chunk = try await stream.next()
            XCTAssertEqual(chunk?.content, .bytes(Data([1, 2])))
            XCTAssertEqual(stream.metadata, ["model": "small"])
            XCTAssertEqual(stream.position, 1)
            try await stream.cancel("enough")
            await assertFails(.STREAM_CANCELLED) { try await outgoing.stopped() }
            XCTAssertTrue(try outgoing.isStopped)
            try await alice.close()
            try await bob.close()
        }
    }

    func testKnocksAreDecidedByTheHandler() async throws {
        let server = try TestServer.start()
        try await within {
            let asked = Box<[Knock]>([])
            let bob = try await server.agent { knock in
                asked.change { $0.append(knock) }
                return knock.capability == "weather" ? .accept() : .reject(reason: "not that")
            }
            let alice = try await server.agent()
            let knock = KnockRequest(capability: "weather", params: ["city": "Oslo"])
            try await alice.send(to: bob.amid, "hello", wait: .delivered, options: SendOptions(knock: knock))
            XCTAssertEqual(asked.value.map(\.from), [alice.amid])
            XCTAssertEqual(asked.value.first?.params, ["city": "Oslo"])
            XCTAssertEqual(asked.value.first?.ttl, 300)
            let mallory = try await server.agent()
            await assertFails(.SEND_KNOCK_REJECTED) { try await mallory.send(to: bob.amid, "hello", wait: .delivered) }

            // Left for later, it is the owner's.
            bob.onKnock { _ in .later }
            let carol = try await server.agent()
            try await carol.send(to: bob.amid, "hello")
            try await eventually("a KNOCK waits") { try await bob.pendingKnocks().contains { $0.knock.from == carol.amid } }
            let pending = try await bob.pendingKnocks().first { $0.knock.from == carol.amid }
            try await bob.acceptKnock(pending?.knock.session ?? "")
            for client in [alice, bob, carol, mallory] { try await client.close() }
        }
    }

    func testEventsArePulled() async throws {
        let server = try TestServer.start()
        try await within {
            let bob = try await server.agent()
            let alice = try await AgentMeshClient.create(storage: MemoryStorage(), options: server.options())
            var events = try alice.events().makeAsyncIterator()
            try await alice.connect()
            var types: [AgentEvent.Kind] = []
            while types.last != .online { types.append(try await next(&events).type) }
            try await alice.send(to: bob.amid, "x")
            var event = try await next(&events)
            while event.type != .sessionEstablished { event = try await next(&events) }
            XCTAssertEqual(event.details["peer"]?.stringValue, bob.amid)
            var other = try alice.events().makeAsyncIterator()
            var messages = bob.messages().makeAsyncIterator()
            try await next(&messages).status(["done": 0.5])
            var status = try await next(&other)
            while status.type != .status { status = try await next(&other) }
            XCTAssertEqual(status.details["from"]?.stringValue, bob.amid)
            XCTAssertEqual(status.payload.jsonValue, ["done": 0.5])
            try await alice.close()
            try await bob.close()
        }
    }
}
