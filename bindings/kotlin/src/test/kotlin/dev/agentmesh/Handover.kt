package dev.agentmesh

import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonArray
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put

/** Begins an agent that other languages go on with: in a home, over a server, by a message to a peer. Says who it is, in which session. */
fun main(arguments: Array<String>): Unit = runBlocking {
    val (home, registry, relay, peer) = arguments
    val options = ClientOptions(
        Storage.sqlite("$home/agent.db"), StoreKey.file("$home/store.key"), registry, relay, policy = Policy.permissive(),
    )
    AgentMeshClient.create(options).use { client ->
        client.connect()
        client.send(peer, Payload.json("""{"handover":"Kotlin"}"""), Handled)
        val said = buildJsonObject {
            put("amid", client.amid)
            put("sessions", buildJsonArray { client.sessions().forEach { add(JsonPrimitive(it.id)) } })
        }
        println(said)
        client.shutdown()
    }
}
