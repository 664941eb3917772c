// An agent that answers every request with what it said, until it is told to stop (Ctrl-C, SIGTERM).
//
//     swift run echo-agent HOME [REGISTRY_URL RELAY_URL]
//
// HOME keeps its state and its key: started again, it is the same agent, and what came meanwhile is answered.

import AgentMesh
import Foundation

let arguments = CommandLine.arguments.dropFirst().map { $0 }
guard let home = arguments.first else { fatalError("echo-agent HOME [REGISTRY_URL RELAY_URL]") }
try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)

let client = try await AgentMeshClient.create(
    storage: SqliteStorage(home + "/agent.db"), key: .file(home + "/agent.key"),
    options: ClientOptions(
        registryURL: arguments.dropFirst().first, relayURL: arguments.dropFirst(2).first, policy: .permissive,
        capabilities: ["echo"]))
client.onRequest { message in try .json(["echo": message.payload.jsonValue ?? .null]) }
client.onMessage { message in print(message.from, "says", message.payload) }

let sources = [SIGINT, SIGTERM].map { number in
    signal(number, SIG_IGN)
    return DispatchSource.makeSignalSource(signal: number)
}
let stopped = AsyncStream<Void> { stream in
    for source in sources {
        source.setEventHandler { stream.finish() }
        source.resume()
    }
}

try await client.connect()
print(client.amid)
fflush(stdout)
for await _ in stopped {}
// Handlers that run come to their end.
try await client.close()
print("closed")
