import Foundation
import XCTest

@testable import AgentMesh

/// What grows when something is done very often. Here for a moment, to see that it works; `scripts/soak.sh swift calls 100000` says
/// by AGENTMESH_SOAK what is done how often, and then what one time leaves behind must be less than an object.
final class SoakTests: XCTestCase {
    private var order: (String, Int)? {
        let words = (ProcessInfo.processInfo.environment["AGENTMESH_SOAK"] ?? "").split(separator: " ").map(String.init)
        guard words.count == 2, let times = Int(words[1]) else { return nil }
        return (words[0], times)
    }

    func testCallsLeaveNothingBehind() async throws {
        try await play("calls", shortly: 400, calls)
    }

    func testCancelledOperationsLeaveNothingBehind() async throws {
        try await play("cancelled", shortly: 400, cancelled)
    }

    private func play(_ name: String, shortly: Int, _ soak: (Int) async throws -> Double) async throws {
        guard let (what, times) = order else {
            _ = try await soak(shortly)
            return
        }
        if what == name {
            let slope = try await soak(times)
            XCTAssertLessThan(slope, 48, "memory grows")
        }
    }

    /// Calls of several kinds: what crosses, what is made and dropped, what computes.
    private func calls(_ times: Int) async throws -> Double {
        let client = try await AgentMeshClient.create(storage: MemoryStorage(), options: ClientOptions(offline: true))
        let (alice, bob) = (try Identity.generate(), try Identity.generate())
        let prekeys = try await PrekeyManager(identity: alice, storage: MemoryStorage())
        _ = try await prekeys.loadOrInitialize()
        let theirs = try await PrekeyManager(identity: bob, storage: MemoryStorage())
        let sessions = try SessionManager(prekeys: prekeys)
        let bundle = try await theirs.loadOrInitialize()
        let begun = try await sessions.initiateSession(bob.amid, bundle: bundle, signingKey: bob.signingPublicKey)
        let slope = try await slope(times) { number in
            switch number % 4 {
            case 0: _ = try await client.sessions()
            case 1: _ = try await sessions.encryptMessage(begun.sessionID, ["number": number])
            case 2:
                let (message, key) = (Data(repeating: 0, count: 8), alice.signingPublicKey)
                guard try verify(signingKey: key, message: message, signature: alice.sign(message)) else { throw Problem("not signed") }
            default:
                let stage = try await client.stage(try client.newID())
                if stage != nil { throw Problem("what was never sent has a stage") }
            }
        }
        try await client.close()
        return slope
    }

    /// Operations that wait and are cancelled.
    private func cancelled(_ times: Int) async throws -> Double {
        let client = try await AgentMeshClient.create(storage: MemoryStorage(), options: ClientOptions(offline: true))
        let slope = try await slope(times) { number in
            let waiting = Task {
                if number % 2 == 0 {
                    for try await _ in try client.events() {}
                } else {
                    for try await _ in client.messages() {}
                }
            }
            if number % 3 == 0 { await Task.yield() }
            waiting.cancel()
            do { try await waiting.value } catch is CancellationError {}
        }
        try await client.close()
        return slope
    }

    /// Does something so often; the bytes that one time added in the second half.
    private func slope(_ times: Int, _ work: (Int) async throws -> Void) async throws -> Double {
        let before = try residentBytes()
        for number in 0..<times / 2 { try await work(number) }
        let half = try residentBytes()
        for number in 0..<times / 2 { try await work(number) }
        let after = try residentBytes()
        let added = (after - half) / Double(times / 2)
        let sizes = [before, half, after].map { String(format: "%.1f", $0 / 1_048_576) }.joined(separator: ", ")
        print("RSS \(sizes) MiB: \(String(format: "%.1f", added)) bytes a time")
        return added
    }

    /// Bytes of this process in memory. Where there is no /proc, none: then only what crashes is found.
    private func residentBytes() throws -> Double {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return 0 }
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }) else { return 0 }
        return (Double(line.filter(\.isNumber)) ?? 0) * 1024
    }
}
