import Foundation
import XCTest

@testable import AgentMesh

/// A program or directory, as `scripts/swift.sh` says it.
func given(_ variable: String) throws -> String {
    let value = ProcessInfo.processInfo.environment[variable] ?? ""
    if value.isEmpty { throw Problem("\(variable) is not set: run scripts/swift.sh") }
    return value
}

struct Problem: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// What hangs fails.
func within<T: Sendable>(_ seconds: TimeInterval = 120, _ work: @escaping @Sendable () async throws -> T) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask { try await work() }
        group.addTask {
            try await Task.sleep(nanoseconds: UInt64(seconds * 1e9))
            throw Problem("nothing came within \(seconds) s")
        }
        defer { group.cancelAll() }
        return try await group.next()!
    }
}

/// A directory that is gone with this object.
final class Directory: @unchecked Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/agentmesh-swift-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    func callAsFunction(_ name: String) -> String { path + "/" + name }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A program whose standard output is read line by line.
final class Program: @unchecked Sendable {
    let process = Process()
    private let output = Pipe()
    private var rest = Data()
    private var started = false
    // Not waitUntilExit, which belongs to the run loop of the thread that started the process: tasks move between threads.
    private let ended = DispatchSemaphore(value: 0)

    init(_ path: String, _ arguments: [String], home: String, environment: [String: String] = [:]) throws {
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let here = ["HOME": home, "TMPDIR": home]
        process.environment = ProcessInfo.processInfo.environment.merging(here) { $1 }.merging(environment) { $1 }
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        process.terminationHandler = { [ended] _ in ended.signal() }
        // Threads of tasks block signals, and a program inherits what the thread blocks that starts it: it would never hear SIGTERM.
        var (none, before) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try process.run()
        started = true
    }

    /// The next line; `nil` at the end. Blocks, so it is for what answers at once.
    func line() -> String? {
        while true {
            if let end = rest.firstIndex(of: 10) {
                let line = rest[rest.startIndex..<end]
                rest = rest[rest.index(after: end)...]
                return String(decoding: line, as: UTF8.self)
            }
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { return nil }
            rest.append(more)
        }
    }

    /// Everything that it says, once it has ended well.
    func all() throws -> [String] {
        var lines: [String] = []
        while let line = line() { lines.append(line) }
        guard wait() else { throw Problem("it does not end: \(lines)") }
        if process.terminationStatus != 0 { throw Problem("it ended with \(process.terminationStatus): \(lines)") }
        return lines
    }

    func stop() {
        if !started { return }
        if process.isRunning { process.terminate() }
        if !wait() { kill(process.processIdentifier, SIGKILL) }
    }

    /// Whether it has ended, after at most 20 seconds. Again is fine.
    private func wait() -> Bool {
        guard ended.wait(timeout: .now() + 20) == .success else { return false }
        ended.signal()
        return true
    }

    deinit { stop() }
}

/// A server in a process of its own.
final class TestServer: @unchecked Sendable {
    let said: JSON
    let registryURL: String
    let relayURL: String
    private let home: Directory
    private let program: Program

    /// `agentmesh-server`, as people run it.
    static func start() throws -> TestServer {
        let home = try Directory()
        let program = try Program(
            given("AGENTMESH_TEST_SERVER"), ["serve", "--listen", "127.0.0.1:0", "--data-dir", home("server")], home: home.path)
        guard let line = program.line() else { throw Problem("the server ended") }
        let address = try JSON(text: line)["addr"]?.stringValue ?? ""
        return TestServer(.object([:]), "http://\(address)/v1", "ws://\(address)/v1/connect", home, program)
    }

    /// The development server, with every service.
    static func development() throws -> TestServer {
        let home = try Directory()
        let program = try Program(given("AGENTMESH_TEST_CLI"), ["--json", "dev", "--listen", "127.0.0.1:0"], home: home.path)
        guard let line = program.line() else { throw Problem("the server ended") }
        let said = try JSON(text: line)
        return TestServer(said, said["registry"]?.stringValue ?? "", said["relay"]?.stringValue ?? "", home, program)
    }

    private init(_ said: JSON, _ registryURL: String, _ relayURL: String, _ home: Directory, _ program: Program) {
        (self.said, self.registryURL, self.relayURL, self.home, self.program) = (said, registryURL, relayURL, home, program)
    }

    /// What the development server says of itself, such as `user_data`.
    func url(_ name: String) -> String { said[name]?.stringValue ?? "" }

    func stop() { program.stop() }

    func options(policy: Policy = .permissive, onKnock: KnockHandler? = nil) -> ClientOptions {
        ClientOptions(registryURL: registryURL, relayURL: relayURL, policy: policy, onKnock: onKnock)
    }

    /// An agent in memory that is online.
    func agent(policy: Policy = .permissive, onKnock: KnockHandler? = nil) async throws -> AgentMeshClient {
        let client = try await AgentMeshClient.create(storage: MemoryStorage(), options: options(policy: policy, onKnock: onKnock))
        try await client.connect()
        return client
    }

    /// The command line of an agent in a home; the lines of JSON that it says.
    func command(home: String, _ arguments: String...) throws -> [JSON] {
        let how = ["--home", home, "--registry", registryURL, "--relay", relayURL, "--json"]
        return try Program(given("AGENTMESH_TEST_CLI"), how + arguments, home: home).all().map { try JSON(text: $0) }
    }
}

/// The next of a sequence.
func next<I: AsyncIteratorProtocol>(_ iterator: inout I) async throws -> I.Element {
    guard let element = try await iterator.next() else { throw Problem("there is no more") }
    return element
}

/// The next message of a client, acknowledged.
func hear(_ client: AgentMeshClient) async throws -> Message {
    var messages = client.messages().makeAsyncIterator()
    let message = try await next(&messages)
    try await message.ack()
    return message
}

/// That something throws an error with a code.
func assertFails(
    _ code: ErrorCode, file: StaticString = #filePath, line: UInt = #line, _ work: () async throws -> Void
) async {
    do {
        try await work()
        XCTFail("nothing was thrown, and not \(code)", file: file, line: line)
    } catch let error as AgentMeshError {
        XCTAssertEqual(error.code, code, "\(error)", file: file, line: line)
    } catch {
        XCTFail("\(error), and not \(code)", file: file, line: line)
    }
}

/// A value that tasks share.
final class Box<T>: @unchecked Sendable {
    private let lock = NSLock()
    private var inner: T

    init(_ value: T) { inner = value }

    var value: T {
        get { lock.withLock { inner } }
        set { lock.withLock { inner = newValue } }
    }

    func change(_ work: (inout T) -> Void) { lock.withLock { work(&inner) } }
}

/// Waits until something holds, which is asked again and again.
func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
    for _ in 0..<3000 {
        if try await holds() { return }
        try await Task.sleep(nanoseconds: 10_000_000)
    }
    throw Problem("it did not come to be that \(what)")
}
