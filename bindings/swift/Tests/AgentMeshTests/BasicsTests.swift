import Foundation
import XCTest

@testable import AgentMesh

/// What needs no server: identities, backups, policies, keys, JSON, errors, the low-level API.
final class BasicsTests: XCTestCase {
    func testErrorCodesAreThoseOfTheLibrary() throws {
        // A library that was built with fewer features has fewer; applications see the same names whatever was built.
        let native = try (JSON(text: errorCodesJson()).arrayValue ?? []).map { $0.string("code") }
        let here = ErrorCode.allCases.map(\.rawValue)
        XCTAssertEqual(native.filter { !here.contains($0) }, [])
        XCTAssertGreaterThan(native.count, 100)
        let documented = try String(contentsOfFile: given("AGENTMESH_TEST_SOURCE") + "/docs/errors.md", encoding: .utf8)
            .split(separator: "\n").filter { $0.hasPrefix("| `") }.map { String($0.dropFirst(3).prefix { $0 != "`" }) }
            .filter { code in code.allSatisfy { $0.isUppercase || $0.isNumber || $0 == "_" } }
        XCTAssertEqual(Set(documented + native.filter { $0.hasPrefix("BINDING_") }), Set(here), "run bindings/swift/generate_codes.py")
    }

    func testNothingThatUniFFIMadeIsPublic() throws {
        let made = ["Native", "Uniffi", "uniffi", "FfiConverter", "RustBuffer", "ffi_", "UnsafeMutableRawPointer"]
        let declarations = try exports().map { symbol in
            (symbol["declarationFragments"]?.arrayValue ?? []).map { $0.string("spelling") }.joined()
        }
        XCTAssertTrue(declarations.contains { $0.hasSuffix("class AgentMeshClient") }, "\(declarations.count) symbols")
        XCTAssertEqual(declarations.filter { declaration in made.contains { declaration.contains($0) } }, [])
    }

    func testWhatTheSupportMatrixNamesIsPublic() throws {
        // `send(to:_:)` is `send` there.
        let names = Set(try exports().compactMap { $0["names"]?.string("title").split(separator: "(").first.map(String.init) })
        let matrix = try String(contentsOfFile: given("AGENTMESH_TEST_SOURCE") + "/bindings/support-matrix.yaml", encoding: .utf8)
        let claimed = matrix.components(separatedBy: "\n").filter { $0.hasPrefix("    swift: ") && !$0.contains("\"") }
            .flatMap { $0.dropFirst("    swift: ".count).components(separatedBy: ", ") }
        XCTAssertGreaterThan(claimed.count, 40)
        let known = names.union(names.compactMap { $0.split(separator: ".").last.map(String.init) })
        XCTAssertEqual(claimed.filter { !known.contains($0) }, [])
    }

    /// The compiler's account of what is public, as `scripts/swift.sh` has it written.
    private func exports() throws -> [JSON] {
        let files = try FileManager.default.contentsOfDirectory(atPath: given("AGENTMESH_TEST_SYMBOLS"))
        return try files.filter { $0 == "AgentMesh.symbols.json" || $0.hasPrefix("AgentMesh@") }.flatMap { file in
            let text = try String(contentsOfFile: given("AGENTMESH_TEST_SYMBOLS") + "/" + file, encoding: .utf8)
            return try JSON(text: text)["symbols"]?.arrayValue ?? []
        }
    }

    func testPanicsAreErrors() async throws {
        await assertFails(.BINDING_PANICKED) { try await later { try await panicForTests() } }
        await assertFails(.BINDING_PANICKED) { try now { try panicAtOnceForTests() } }
    }

    func testIdentitiesSignAndAreBackedUp() async throws {
        let identity = try Identity.generate()
        let message = Data("hello".utf8)
        let signature = try identity.sign(message)
        XCTAssertTrue(try verify(signingKey: identity.signingPublicKey, message: message, signature: signature))
        XCTAssertFalse(try verify(signingKey: identity.signingPublicKey, message: Data("other".utf8), signature: signature))
        XCTAssertEqual(identity.did, "did:agentmesh:" + identity.amid)
        XCTAssertEqual(identity.exchangePublicKey.count, 32)
        XCTAssertLessThan(abs(identity.createdAt.timeIntervalSinceNow), 60)
        let backup = try await identity.backUp(passphrase: "correct horse")
        let restored = try await Identity.restore(backup: backup, passphrase: "correct horse")
        XCTAssertEqual(restored.amid, identity.amid)
        let opened = try await Backup.open(backup, passphrase: "correct horse")
        XCTAssertEqual(opened.amid, identity.amid)
        await assertFails(.BACKUP_WRONG_PASSPHRASE) { _ = try await Identity.restore(backup: backup, passphrase: "wrong") }
        let file = try identity.toJSON()
        XCTAssertEqual(try Identity.fromJSON(file).amid, identity.amid)
        let other = try Identity.generate()
        let number = try safetyNumber(identity.signingPublicKey, other.signingPublicKey)
        XCTAssertEqual(number, try safetyNumber(other.signingPublicKey, identity.signingPublicKey))
        XCTAssertNotEqual(identity.signTimestamp().timestamp, identity.signTimestamp().timestamp)

        var shown = ""
        dump([identity as Any, Key.bytes(Data(repeating: 7, count: 32)), Key.passphrase("secret")], to: &shown)
        shown += "\(identity) \(Key.passphrase("secret"))"
        XCTAssertTrue(shown.contains(identity.amid))
        XCTAssertFalse(shown.contains("secret"))
    }

    func testIdentitiesAreSavedUnderPaths() async throws {
        let store = MemoryStorage()
        let first = try await Identity.loadOrGenerate(in: store, path: "agents/a")
        let again = try await Identity.loadOrGenerate(in: store, path: "agents/a")
        let loaded = try await Identity.load(from: store, path: "agents/a")
        XCTAssertEqual([first.amid, first.amid], [again.amid, loaded.amid])
        await assertFails(.IDENTITY_NOT_FOUND) { _ = try await Identity.load(from: store, path: "agents/b") }
        let other = try Identity.generate()
        await assertFails(.IDENTITY_EXISTS) { try await other.save(to: store, path: "agents/a") }
        try await other.save(to: store, path: "agents/b")
    }

    func testPoliciesJudge() throws {
        let sender = try Identity.generate().amid
        XCTAssertEqual(try Policy.permissive.evaluate(sender: sender, capability: "weather"), .accept(ttl: 300))
        guard case .reject = try Policy.verified.evaluate(sender: sender, capability: "weather") else {
            return XCTFail("a stranger passed")
        }
        XCTAssertThrowsError(try Policy(["minTeir": 1])) { XCTAssertEqual(($0 as? AgentMeshError)?.code, .POLICY_MALFORMED) }
        let picky = try Policy.permissive.with(["blockedAmids": [.string(sender)]])
        guard case .reject = try picky.evaluate(sender: sender, capability: "weather") else { return XCTFail("it passed") }
        XCTAssertEqual(try Policy(text: Policy.default.json.text), .default)
    }

    func testJSONIsReadAndWritten() throws {
        let value: JSON = ["a": [1, 2.5, "wörld", nil, true], "n": -9_007_199_254_740_993]
        XCTAssertEqual(try JSON(text: value.text), value)
        XCTAssertEqual(value["a"]?[2]?.stringValue, "wörld")
        XCTAssertEqual(value["n"]?.intValue, -9_007_199_254_740_993)
        struct Point: Codable, Equatable {
            let someName: Int
            let when: Date
        }
        let point = Point(someName: 1, when: Date(timeIntervalSince1970: 1_700_000_000))
        let payload = try Payload.encoding(point)
        XCTAssertEqual(try payload.decode(Point.self), point)
        XCTAssertEqual(payload.jsonValue?["someName"], 1)
        XCTAssertThrowsError(try Payload.encoding(Double.infinity)) {
            XCTAssertEqual(($0 as? AgentMeshError)?.code, .BINDING_ARGUMENT)
        }
        XCTAssertThrowsError(try payload.decode(Data.self))
        XCTAssertThrowsError(try Payload.none.decode(Int.self))
        XCTAssertEqual(try Payload.bytes(Data([1])).decode(Data.self), Data([1]))
        XCTAssertEqual(Payload.json("{\"a\": 1}"), .json("{\"a\":1}"))
    }

    func testManagersMoveBytesByHand() async throws {
        func party() async throws -> (Identity, PrekeyManager, SessionManager) {
            let (identity, storage) = (try Identity.generate(), MemoryStorage())
            let prekeys = try await PrekeyManager(identity: identity, storage: storage)
            return (identity, prekeys, try SessionManager(prekeys: prekeys))
        }
        let (alice, ours, sending) = try await party()
        let (bob, theirs, receiving) = try await party()
        _ = try await ours.loadOrInitialize()
        let bundle = try await theirs.loadOrInitialize()
        let knocks = try KnockProtocol(sessions: receiving, policy: .permissive)
        let asking = try KnockProtocol(sessions: sending, policy: .permissive)
        let begun = try await asking.createKnock(
            bob.amid, bundle: bundle, signingKey: bob.signingPublicKey, request: KnockRequest(capability: "weather"))
        let judged = try await knocks.judge(alice.amid, x3dhMessage: begun.x3dhMessage)
        XCTAssertEqual(judged.knock.capability, "weather")
        XCTAssertEqual(judged.decision, .accept(ttl: 300))
        let answered = try await knocks.answer(alice.amid, x3dhMessage: begun.x3dhMessage, decision: .accept())
        XCTAssertEqual(answered.sessionID, begun.sessionID)
        guard case .accept = try await asking.verifyAnswer(begun.sessionID, envelope: answered.envelope) else {
            return XCTFail("the answer was no yes")
        }
        let envelope = try await sending.encryptMessage(begun.sessionID, ["hello": "wörld"])
        let text: [String: String] = try await receiving.decryptMessage(begun.sessionID, envelope)
        XCTAssertEqual(text, ["hello": "wörld"])
        let bytes = try await receiving.encryptMessage(begun.sessionID, Data([9]))
        let opened = try await sending.openEnvelope(begun.sessionID, bytes)
        XCTAssertEqual(opened.payload, .bytes(Data([9])))
        XCTAssertEqual(opened.from, bob.amid)
        let session = try await sending.sessionByPeer(bob.amid)
        XCTAssertEqual(session?.id, begun.sessionID)
        let remaining = try await theirs.remaining()
        XCTAssertGreaterThan(remaining, 0)
        try await sending.closeSession(begun.sessionID)
        let none = try await sending.sessionByPeer(bob.amid)
        XCTAssertNil(none)
    }

    func testWhatCannotWorkIsSaidAtOnce() async throws {
        let client = try await AgentMeshClient.create(storage: MemoryStorage(), options: ClientOptions(offline: true))
        await assertFails(.BINDING_ARGUMENT) { try await client.send(to: client.amid, "x", timeout: -1) }
        await assertFails(.BINDING_ARGUMENT) { _ = try await client.request(to: client.amid, "x", timeout: .infinity) }
        let nobody = try Identity.generate().amid
        let sent = try await client.send(to: nobody, "x", wait: .queued)
        let queued = try await client.outbox()
        XCTAssertEqual(queued.map(\.id), [sent.id])
        XCTAssertEqual(queued.first?.stage, .queued)
        try await client.cancel(sent.id)
        try await client.block(nobody)
        let circuit = try await client.circuitState()
        XCTAssertEqual(Array(circuit.blocked.keys), [nobody])
        XCTAssertEqual(circuit.state, .running)
        try await client.setPolicy(.permissive)
        let policy = try await client.policy()
        XCTAssertEqual(policy, .permissive)
        try await client.close()
    }
}
