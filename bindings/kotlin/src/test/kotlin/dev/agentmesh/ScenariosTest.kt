package dev.agentmesh

import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory
import java.nio.file.Files
import java.nio.file.Path
import java.util.Base64
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.name
import kotlin.io.path.readText
import kotlin.test.assertEquals
import kotlin.test.assertNotEquals
import kotlin.time.Duration.Companion.milliseconds

private val JsonElement.text get() = jsonPrimitive.content

private fun JsonObject.payload(): Payload = when {
    "json" in this -> Payload.json(getValue("json"))
    "bytes" in this -> Payload.bytes(Base64.getDecoder().decode(getValue("bytes").text))
    else -> Payload.Empty
}

/** Plays the scenarios that every language's tests play. */
class ScenariosTest {
    @TestFactory
    fun scenarios(): List<DynamicTest> {
        val files = source.resolve("bindings/scenarios").listDirectoryEntries("*.json").sorted()
        check(files.isNotEmpty())
        return files.map { file -> dynamicTest(file.name) { test { Player(Json.parseToJsonElement(file.readText()).jsonObject).play() } } }
    }
}

private class Player(private val scenario: JsonObject) {
    private val home: Path = Files.createTempDirectory("agentmesh-scenario")
    private val policies = scenario.getValue("agents").jsonObject.mapValues { (_, agent) ->
        when (val name = agent.jsonObject["policy"]?.text ?: "permissive") {
            "permissive" -> Policy.permissive()
            "organization" -> Policy.organization()
            "verified" -> Policy.verified()
            else -> error("no policy $name")
        }
    }
    private val agents = mutableMapOf<String, AgentMeshClient>()

    suspend fun play() {
        for (name in policies.keys) open(name)
        for (step in scenario.getValue("steps").jsonArray) {
            val order = step.jsonObject
            try {
                expecting(order["error"]?.text) { run(order) }
            } catch (error: Throwable) {
                throw AssertionError("$order: $error", error)
            }
        }
        agents.values.forEach { it.shutdown() }
    }

    private suspend fun open(name: String) {
        agents[name] = agent(Storage.sqlite("$home/$name.db"), StoreKey.file("$home/$name.key"), policies.getValue(name))
    }

    private suspend fun expecting(code: String?, body: suspend () -> Unit) {
        if (code == null) body() else assertEquals(code, failsWith<AgentMeshException> { body() }.code)
    }

    private fun amid(name: String) = agents.getValue(name).amid

    private suspend fun next(at: AgentMeshClient, from: String, payload: Payload): Message {
        val message = at.messages().first()
        assertEquals(from to payload, message.sender to message.payload)
        return message
    }

    private suspend fun run(order: JsonObject) {
        val name = order.getValue("at").text
        val me = agents.getValue(name)
        fun text(member: String) = order.getValue(member).text
        val payload = order["payload"]?.jsonObject?.payload() ?: Payload.Empty
        when (val what = text("do")) {
            "send" -> {
                val wait = Stage.valueOf((order["wait"]?.text ?: "stored").uppercase())
                me.send(amid(text("to")), payload, SendOptions(wait, order["timeout_ms"]?.jsonPrimitive?.long?.milliseconds))
            }
            "receive" -> {
                val message = next(me, amid(text("from")), payload)
                order["attempt"]?.let { assertEquals(it.jsonPrimitive.int, message.attempt) }
                when (text("then")) {
                    "ack" -> message.ack()
                    "release" -> message.release()
                }
            }
            "request" -> request(order, me, payload)
            "stream" -> stream(order, me, payload)
            "restart" -> {
                me.shutdown()
                open(name)
            }
            "close" -> me.shutdown()
            "block" -> me.block(amid(text("peer")))
            "unblock" -> me.unblock(amid(text("peer")))
            "kill_session" -> me.killSession(amid(text("peer")))
            "pause" -> me.pauseNew()
            "stop" -> me.emergencyStop()
            "resume" -> me.resume()
            "connect" -> me.connect()
            "sessions" -> assertEquals(order.getValue("peers").jsonArray.map { amid(it.text) }.toSet(), me.sessions().map { it.peer }.toSet())
            "backup" -> {
                val backup = me.backUp("correct horse")
                assertEquals(me.amid, Backup.open(backup, "correct horse").amid)
                failsWith<AgentMeshException.Authentication> { Backup.open(backup, "wrong") }
            }
            else -> error("no step $what")
        }
    }

    private suspend fun request(order: JsonObject, me: AgentMeshClient, payload: Payload): Unit = coroutineScope {
        val peer = agents.getValue(order.getValue("to").text)
        val asking = async { runCatching { me.request(peer.amid, payload) } }
        val asked = next(peer, me.amid, payload)
        val answer = order.getValue("answer").jsonObject
        val code = answer["fail"]?.text
        if (code == null) {
            val response = answer.getValue("payload").jsonObject.payload()
            asked.respond(response)
            assertEquals(response, asking.await().getOrThrow().payload)
        } else {
            asked.fail(code, retryable = answer["retryable"]?.jsonPrimitive?.boolean ?: false)
            val error = asking.await().exceptionOrNull() as AgentMeshException
            assertEquals(code to answer["retryable"]?.jsonPrimitive?.boolean, error.remote?.code to error.remote?.retryable)
            throw error
        }
    }

    private suspend fun stream(order: JsonObject, me: AgentMeshClient, payload: Payload): Unit = coroutineScope {
        val peer = agents.getValue(order.getValue("to").text)
        val chunks = order.getValue("chunks").jsonArray.map { it.text }
        val asking = async { me.stream(peer.amid, payload) }
        val writer = next(peer, me.amid, payload).stream()
        val reader = asking.await()
        val reading = async { runCatching { reader.texts().toList() } }
        chunks.forEach { writer.send(it) }
        val code = order["fail"]?.text
        if (code == null) writer.finish() else writer.fail(code)
        assertEquals(chunks, reading.await().getOrThrow())
        assertNotEquals("", reader.id)
    }
}
