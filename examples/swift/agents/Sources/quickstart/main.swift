// Two agents that talk over a server: `agentmesh dev` says the two URLs that are its arguments.
//
//     swift run quickstart http://127.0.0.1:18787/v1 ws://127.0.0.1:18787/v1/connect

import AgentMesh

let urls = CommandLine.arguments.dropFirst()
let options = ClientOptions(registryURL: urls.first, relayURL: urls.dropFirst().first, policy: .permissive)
let alice = try await AgentMeshClient.create(storage: MemoryStorage(), options: options)
let bob = try await AgentMeshClient.create(storage: MemoryStorage(), options: options)

bob.onRequest { message in try .json(["echo": message.payload.jsonValue ?? .null]) }
try await alice.connect()
try await bob.connect()
let response = try await alice.request(to: bob.amid, ["hello": "wörld"])
print(try response.decode(JSON.self))

try await alice.close()
try await bob.close()
