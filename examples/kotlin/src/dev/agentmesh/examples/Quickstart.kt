package dev.agentmesh.examples

import dev.agentmesh.AgentMeshClient
import dev.agentmesh.Answer
import dev.agentmesh.ClientOptions
import dev.agentmesh.Handlers
import dev.agentmesh.Payload
import dev.agentmesh.Policy
import dev.agentmesh.Storage
import dev.agentmesh.StoreKey
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.Serializable

/** What is asked. */
@Serializable
data class Question(val hello: String)

/** What is answered. */
@Serializable
data class Echo(val echo: Question)

/** Two agents of one process, over the registry and the relay of a server: `agentmesh dev` runs one. */
suspend fun quickstart(registry: String, relay: String): Echo = coroutineScope {
    suspend fun agent() = AgentMeshClient.create(
        ClientOptions(Storage.memory(), StoreKey.random(), registry, relay, policy = Policy.permissive()),
    )
    agent().use { alice ->
        agent().use { bob ->
            val serving = launch {
                bob.serve(Handlers(onRequest = { Answer.of(Payload.of(Echo(it.payload.decode()))) }))
            }
            bob.connect()
            alice.connect()
            val response = alice.request(bob.amid, Payload.of(Question("wörld")))
            serving.cancel()
            response.payload.decode<Echo>()
        }
    }
}

fun main(arguments: Array<String>): Unit = runBlocking {
    val (registry, relay) = arguments
    println(quickstart(registry, relay))
}
