package dev.agentmesh

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import java.io.Closeable
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import kotlin.time.Duration.Companion.seconds

/** What hangs, fails. */
fun test(body: suspend CoroutineScope.() -> Unit): Unit = runBlocking { withTimeout(120.seconds, body) }

/** A program of the repository, as `scripts/kotlin.sh` built it. */
fun program(variable: String): String =
    requireNotNull(System.getenv(variable)) { "$variable is not set: run scripts/kotlin.sh" }

val source: Path get() = Path.of(program("AGENTMESH_TEST_SOURCE"))

/** The server in a process of its own, as people run it; one for all tests. */
object TestServer : Closeable {
    private val process: Process
    val address: String
    val registry: String get() = "http://$address/v1"
    val relay: String get() = "ws://$address/v1/connect"

    init {
        val home = Files.createTempDirectory("agentmesh-server")
        process = ProcessBuilder(program("AGENTMESH_TEST_SERVER"), "serve", "--listen", "127.0.0.1:0", "--data-dir", "$home")
            .redirectErrorStream(true)
            .start()
        Runtime.getRuntime().addShutdownHook(Thread(::close))
        val lines = process.inputStream.bufferedReader()
        address = generateSequence(lines::readLine).firstNotNullOf { Regex("127\\.0\\.0\\.1:\\d+").find(it)?.value }
        // Somebody has to read the rest, or it stops in its log.
        Thread { lines.forEachLine { } }.apply { isDaemon = true }.start()
    }

    override fun close() {
        process.destroy()
        if (!process.waitFor(10, TimeUnit.SECONDS)) process.destroyForcibly()
    }
}

/** `agentmesh dev` in a process of its own, with every service. */
class DevServer : Closeable {
    private val process: Process
    private val said: JsonObject

    init {
        process = ProcessBuilder(program("AGENTMESH_TEST_CLI"), "--json", "dev", "--listen", "127.0.0.1:0")
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .apply { environment()["HOME"] = Files.createTempDirectory("agentmesh-dev").toString() }
            .start()
        Runtime.getRuntime().addShutdownHook(Thread(::close))
        val lines = process.inputStream.bufferedReader()
        said = Json.parseToJsonElement(checkNotNull(lines.readLine()) { "the server ended" }).jsonObject
        Thread { lines.forEachLine { } }.apply { isDaemon = true }.start()
    }

    /** What it says of itself, such as `user_data`. */
    operator fun get(name: String): String = said.getValue(name).jsonPrimitive.content

    override fun close() {
        process.destroy()
        if (!process.waitFor(10, TimeUnit.SECONDS)) process.destroyForcibly()
    }

    /** One for all tests that need not be alone. */
    companion object {
        private val shared by lazy { DevServer() }

        operator fun get(name: String): String = shared[name]
    }
}

/** An agent with a store in memory, unless it says otherwise. */
suspend fun agent(
    storage: Storage = Storage.memory(),
    key: StoreKey = StoreKey.random(),
    policy: Policy = Policy.permissive(),
    onKnock: KnockHandler? = null,
    onHandlerError: (Throwable) -> Unit = {},
    online: Boolean = true,
): AgentMeshClient = AgentMeshClient.create(
    ClientOptions(
        storage, key, TestServer.registry, TestServer.relay,
        policy = policy, onKnock = onKnock, onHandlerError = onHandlerError,
    ),
).also { if (online) it.connect() }

val Handled = SendOptions(wait = Stage.HANDLED)

inline fun <reified T : Throwable> failsWith(block: () -> Unit): T {
    try {
        block()
    } catch (error: Throwable) {
        if (error is T) return error
        throw AssertionError("another error than ${T::class}: $error", error)
    }
    throw AssertionError("it did not fail with ${T::class}")
}
