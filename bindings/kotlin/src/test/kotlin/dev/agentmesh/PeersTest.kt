package dev.agentmesh

import dev.agentmesh.examples.Echo
import dev.agentmesh.examples.Question
import dev.agentmesh.examples.quickstart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import org.junit.jupiter.api.Test
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import kotlin.io.path.Path
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** A program that reads and writes lines. */
private class Line(vararg command: String) : AutoCloseable {
    private val process = ProcessBuilder(*command).redirectError(ProcessBuilder.Redirect.INHERIT).start()
    private val out = process.inputStream.bufferedReader()
    private val input = process.outputStream.bufferedWriter()

    suspend fun read(): String = withContext(Dispatchers.IO) { checkNotNull(out.readLine()) { "it ended" } }

    suspend fun json(): JsonObject = Json.parseToJsonElement(read()).jsonObject

    suspend fun say(text: String): Unit = withContext(Dispatchers.IO) {
        input.write(text + "\n")
        input.flush()
    }

    suspend fun end(): Int = withContext(Dispatchers.IO) {
        input.close()
        process.waitFor(30, TimeUnit.SECONDS)
        process.exitValue()
    }

    override fun close() {
        process.destroyForcibly()
    }
}

class PeersTest {
    private val home: Path = Files.createTempDirectory("agentmesh-peers")

    private fun cli(vararg arguments: String) = Line(
        program("AGENTMESH_TEST_CLI"), "--home", "$home/cli", "--registry", TestServer.registry, "--relay", TestServer.relay,
        "--json", *arguments,
    )

    @Test
    fun `Kotlin and Python talk, both ways`() = test {
        val peer = source.resolve("bindings/node/tests/peer.py").toString()
        val directory = Files.createDirectories(home.resolve("python")).toString()
        Line(program("AGENTMESH_TEST_PYTHON"), peer, directory, TestServer.registry, TestServer.relay).use { python ->
            val amid = python.json().getValue("amid").jsonPrimitive.content
            val client = agent()
            client.send(amid, Payload.json("""{"from":"Kötlin"}"""), SendOptions(wait = Stage.DELIVERED))
            python.say("""{"do":"receive"}""")
            assertEquals(client.amid, python.json().getValue("from").jsonPrimitive.content)
            python.say(buildJsonObject { put("do", "request"); put("to", client.amid); put("payload", "question") }.toString())
            client.messages().first { it.isRequest }.respond(Payload.of("answer"))
            assertEquals("answer", python.json().getValue("payload").jsonPrimitive.content)
            client.shutdown()
        }
    }

    @Test
    fun `Kotlin and the Rust command talk, both ways`() = test {
        val client = agent()
        val sending = async { cli("send", client.amid, """{"from":"Rust"}""", "--wait", "handled").use { it.end() } }
        val message = client.messages().first()
        assertEquals(Payload.json("""{"from":"Rust"}"""), message.payload)
        message.ack()
        assertEquals(0, sending.await())
        // And back, in the session that Rust began.
        cli("listen", "--count", "1").use { listening ->
            client.send(message.sender, Payload.json("""{"from":"Kotlin"}"""), Handled)
            while ("Kotlin" !in listening.read()) continue
            assertEquals(0, listening.end())
        }
        client.shutdown()
    }

    @Test
    fun `a home that Rust began is continued in Kotlin and back, in one session`() = test {
        val peer = agent()
        suspend fun rust(number: Int): Message {
            val sending = async { cli("send", peer.amid, "$number", "--wait", "handled").use { it.end() } }
            val message = peer.messages().first()
            message.ack()
            assertEquals(0, sending.await())
            assertEquals(Payload.of(number), message.payload)
            return message
        }
        val first = rust(1)
        val sessions = peer.sessions().map { it.id }
        val kotlin = agent(Storage.sqlite("$home/cli/agent.db"), StoreKey.file("$home/cli/store.key"))
        assertEquals(first.sender, kotlin.amid)
        val sending = async { kotlin.send(peer.amid, Payload.of(2), Handled) }
        peer.messages().first().ack()
        sending.await()
        kotlin.shutdown()
        assertEquals(first.sender, rust(3).sender)
        assertEquals(sessions, peer.sessions().map { it.id })
        peer.shutdown()
    }

    @Test
    fun `the quickstart says what it should`() = test {
        assertEquals(Echo(Question("wörld")), quickstart(TestServer.registry, TestServer.relay))
    }

    @Test
    fun `the echo agent answers, ends, and is the same when it is started again`() = test {
        val client = agent()
        val java = Path(System.getProperty("java.home"), "bin", "java").toString()
        val command = arrayOf(
            java, "-Djna.library.path=${System.getProperty("jna.library.path")}", "-cp", System.getProperty("java.class.path"),
            "dev.agentmesh.examples.EchoAgentKt", "$home/echo", TestServer.registry, TestServer.relay,
        )
        val amids = List(2) { round ->
            Line(*command).use { echo ->
                val amid = echo.read()
                val answer = client.request(amid, Payload.of(round))
                assertEquals(Payload.json("""{"echo":$round}"""), answer.payload)
                assertEquals(0, echo.end())
                assertEquals("closed", echo.read())
                amid
            }
        }
        assertEquals(1, amids.distinct().size)
        assertTrue(amids.first() != client.amid)
        client.shutdown()
    }

    @Test
    fun `the log goes to a delegate`() = test {
        val seen = java.util.concurrent.LinkedBlockingQueue<LogRecord>()
        assertTrue(AgentMeshLog.setDelegate(LogLevel.DEBUG) { seen += it })
        agent().shutdown()
        val record = withContext(Dispatchers.IO) { seen.poll(30, TimeUnit.SECONDS) }
        assertTrue(checkNotNull(record).target.startsWith("agentmesh"))
        assertTrue(AgentMeshLog.setDelegate(LogLevel.OFF, null))
    }
}
