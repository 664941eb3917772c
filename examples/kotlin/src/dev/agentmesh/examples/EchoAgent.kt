package dev.agentmesh.examples

import dev.agentmesh.AgentMeshClient
import dev.agentmesh.Answer
import dev.agentmesh.ClientOptions
import dev.agentmesh.Handlers
import dev.agentmesh.Payload
import dev.agentmesh.Policy
import dev.agentmesh.Storage
import dev.agentmesh.StoreKey
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.buildJsonObject
import java.nio.file.Files
import java.nio.file.Path

/**
 * An agent that answers every request with what it said, until its standard input ends: `echo-agent HOME REGISTRY RELAY`.
 *
 * HOME keeps its state and its key: started again, it is the same agent, and what came meanwhile is answered.
 */
fun main(arguments: Array<String>): Unit = runBlocking {
    val (home, registry, relay) = arguments
    Files.createDirectories(Path.of(home))
    val options = ClientOptions(
        storage = Storage.sqlite("$home/agent.db"),
        key = StoreKey.file("$home/agent.key"),
        registryUrl = registry,
        relayUrl = relay,
        capabilities = listOf("echo"),
        policy = Policy.permissive(),
    )
    val client = AgentMeshClient.create(options)
    val handlers = Handlers(
        onRequest = { request -> Answer.of(Payload.json(buildJsonObject { put("echo", request.payload.toJson()) })) },
        onMessage = { message -> println("${message.sender} says ${message.payload}") },
    )
    val serving = launch { client.serve(handlers) }
    client.connect()
    println(client.amid)
    val stopper = Thread {
        while (System.`in`.read() >= 0) Unit
        // Ends `serve`: what is not answered is answered the next time.
        client.close()
    }
    stopper.start()
    serving.join()
    println("closed")
}
