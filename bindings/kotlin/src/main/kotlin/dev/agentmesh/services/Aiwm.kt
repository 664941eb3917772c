package dev.agentmesh.services

import dev.agentmesh.internal.NativeAiwmClient
import dev.agentmesh.internal.NativeAiwmSupervisor
import dev.agentmesh.internal.NativeController
import dev.agentmesh.internal.startAiwmSupervisor
import dev.agentmesh.millis
import dev.agentmesh.native
import dev.agentmesh.span
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlin.time.Duration

/** Where an AIWM controller is. */
public class ControllerOptions(
    /** Base URL, with its path. */
    public val baseUrl: String,
    /** The agent's id, 24 hexadecimal digits. */
    public val agentId: String,
    /** The agent's secret. */
    public val secret: String,
    /** Whether `http` may reach other machines. */
    public val allowInsecure: Boolean = false,
) {
    internal fun json(): String = buildJsonObject {
        put("base_url", baseUrl)
        put("agent_id", agentId)
        put("allow_insecure", allowInsecure)
    }.toString()
}

/** What an agent tells its controller about itself. */
public enum class AgentStatus(internal val wireName: String) {
    /** It can be reached. */
    ONLINE("online"),

    /** It works. */
    BUSY("busy"),

    /** It has nothing to do. */
    IDLE("idle"),
}

/** What a controller gave. */
public class AiwmConnected internal constructor(
    /** Everything but the token. MCP servers in it may hold the token. */
    public val answer: JsonObject,
    /** For heartbeats. Secret. */
    public val token: String,
)

/** Talks to a controller for one agent, call by call. [AiwmSupervisor] does it by itself. */
public class AiwmClient(options: ControllerOptions) {
    private val native = native { NativeAiwmClient(options.json(), options.secret) }

    /** Shows the secret, and gets a token and the configuration. */
    public suspend fun connect(): AiwmConnected = native { native.connect() }.let { AiwmConnected(parsed(it.answer), it.token) }

    /** Says that the agent is alive. `AIWM_AUTH_REJECTED` asks for a new token. */
    public suspend fun heartbeat(token: String, status: AgentStatus = AgentStatus.ONLINE, metrics: JsonObject? = null): Unit =
        native { native.heartbeat(token, status.wireName, metrics?.toString()) }

    /** Says that the agent goes. */
    public suspend fun disconnect(token: String, reason: String): Unit = native { native.disconnect(token, reason) }
}

/** How a supervisor works. */
public class SupervisorOptions(
    /** The controller; `null` for the one that the environment names (`AIWM_ENABLED` and so on), or none. */
    public val controller: ControllerOptions? = null,
    /** A `.env` file beside the environment of the process. */
    public val envFile: String? = null,
    /** The instruction while the controller gives none. */
    public val instructionFile: String? = null,
    /** Fails at the start if the controller refuses the agent. */
    public val failFast: Boolean = false,
    /** Between heartbeats. */
    public val heartbeat: Duration? = null,
    /** Before the tries after a failed one. */
    public val retries: List<Duration>? = null,
    /** Between tries while the controller cannot be used. */
    public val probe: Duration? = null,
) {
    internal fun json(): String = buildJsonObject {
        envFile?.let { put("env_file", it) }
        instructionFile?.let { put("instruction_file", it) }
        put("fail_fast", failFast)
        span("heartbeat_ms", heartbeat)
        retries?.let { put("retries_ms", JsonArray(it.map { pause -> JsonPrimitive(pause.millis()) })) }
        span("probe_ms", probe)
    }.toString()
}

/** The answer to a request for `/health` or `/metrics`, for any HTTP server. */
public data class HttpAnswer(
    /** The status. */
    val status: Int,
    /** The content type. */
    val contentType: String,
    /** The body. */
    val body: String,
)

/** Keeps an agent connected to its controller. */
public class AiwmSupervisor private constructor(private val native: NativeAiwmSupervisor) : AutoCloseable {
    /** The configuration now. **It holds the tokens of the agent's platforms.** */
    public val config: JsonObject get() = parsed(native { native.config() })

    /** The state now: `online`, `degraded` and so on. */
    public val state: String get() = native { native.state() }

    /** What the next heartbeat says. */
    public var status: AgentStatus
        get() = native { native.status() }.let { said -> AgentStatus.entries.first { it.wireName == said } }
        set(value): Unit = native { native.setStatus(value.wireName) }

    /** How the agent stands with its controller. */
    public val health: JsonObject get() = parsed(native { native.health() })

    /** The counters, by name. */
    public val counters: JsonObject get() = parsed(native { native.counters() })

    /** What happens, from when it is collected on. */
    public fun events(): Flow<ServiceEvent> = events { native.events() }

    /** Numbers for heartbeats from now on; `null` for none. */
    public fun setMetrics(metrics: JsonObject?): Unit = native { native.setMetrics(metrics?.toString()) }

    /** The answer to `GET path`: `/health` and `/metrics`. */
    public fun respond(path: String): HttpAnswer =
        native { native.respond(path) }.let { HttpAnswer(it.status.toInt(), it.contentType, it.body) }

    /** Stops heartbeats, tells the controller if that takes less than two seconds, wipes token and secret. Again is fine. */
    public suspend fun shutdown(): Unit = native { native.shutdown() }

    /** [shutdown], for `use {}`: blocks the thread. */
    override fun close(): Unit = runBlocking { shutdown() }

    public companion object {
        /** Connects, with pauses and tries, and returns with a configuration: the controller's, or a local one. */
        public suspend fun start(options: SupervisorOptions = SupervisorOptions()): AiwmSupervisor {
            val controller = options.controller?.let { NativeController(it.json(), it.secret) }
            return AiwmSupervisor(native { startAiwmSupervisor(controller, options.json()) })
        }
    }
}
