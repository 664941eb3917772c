package dev.agentmesh.services

import dev.agentmesh.Failure
import dev.agentmesh.internal.NativeAgentWebSocketClient
import dev.agentmesh.internal.NativeAgentWebSocketService
import dev.agentmesh.internal.NativeChatCall
import dev.agentmesh.internal.connectAgentWebSocket
import dev.agentmesh.internal.startAgentWebSocketService
import dev.agentmesh.ms
import dev.agentmesh.native
import dev.agentmesh.span
import dev.agentmesh.wire
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Job
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlin.time.Duration

/** How to reach an agent over a plain WebSocket. */
public class AgentWebSocketOptions(
    /** `ws` or `wss`. */
    public val url: String,
    /** The token that the agent wants. */
    public val bearer: String? = null,
    /** For a connection, TLS and the upgrade. */
    public val openTimeout: Duration? = null,
    /** For a welcome; without one the server is used all the same. */
    public val welcomeTimeout: Duration? = null,
    /** For the answer to a query. */
    public val queryTimeout: Duration? = null,
    /** Before the first attempt to connect again. */
    public val pause: Duration? = null,
    /** Queries that wait or are under way, at most. */
    public val maxWaiting: Int? = null,
    /** Connects again even after the server closed for inactivity. */
    public val reconnectOnTimeout: Boolean = false,
    /** So many questions and answers are told to a new session. */
    public val replayContext: Int = 0,
) {
    internal fun json(): String = buildJsonObject {
        put("url", url)
        span("open_timeout_ms", openTimeout)
        span("welcome_timeout_ms", welcomeTimeout)
        span("query_timeout_ms", queryTimeout)
        span("pause_ms", pause)
        maxWaiting?.let { put("max_waiting", it) }
        put("reconnect_on_timeout", reconnectOnTimeout)
        put("replay_context", replayContext)
    }.toString()
}

/** A conversation with one agent over a plain WebSocket. Not encrypted end to end. */
public class AgentWebSocketClient private constructor(private val native: NativeAgentWebSocketClient) : AutoCloseable {
    /** The session, if there is one now. */
    public val session: JsonObject? get() = native { native.session() }?.let(::parsed)

    /** Asks, and waits for the answer: a message with `content`. */
    public suspend fun query(content: String, deadline: Duration? = null): JsonObject =
        parsed(native { native.query(content, deadline?.ms()) })

    /** Asks; the answer comes piece by piece (`delta`), and whole at the end (`answer`). Each collector asks anew. */
    public fun queryStream(content: String, deadline: Duration? = null): Flow<ServiceEvent> =
        events { native.queryStream(content, deadline?.ms()) }

    /** Sends a command, ahead of queries that wait. */
    public suspend fun command(command: String): Unit = native { native.command(command) }

    /** Sends what a person thinks of an answer. */
    public suspend fun humanFeedback(content: String, metadata: JsonElement? = null): Unit =
        native { native.humanFeedback(content, metadata?.toString()) }

    /** What happens besides answers. The first to collect gets everything since the start. */
    public fun events(): Flow<ServiceEvent> = events { native.events() }

    /** Gives up what waits and takes leave, in at most three seconds. Again is fine. */
    public suspend fun shutdown(): Unit = native { native.shutDown() }

    /** [shutdown], for `use {}`: blocks the thread. */
    override fun close(): Unit = runBlocking { shutdown() }

    public companion object {
        /** Connects. With [wait], returns when there is a session, or fails with why there is none; without, at once, and tries on. */
        public suspend fun connect(options: AgentWebSocketOptions, wait: Boolean = true): AgentWebSocketClient =
            AgentWebSocketClient(native { connectAgentWebSocket(options.json(), options.bearer, wait) })
    }
}

/** One thing that was said in a conversation. */
@Serializable
public data class Said(
    /** `system`, `user` or `assistant`. */
    val role: String,
    /** What. */
    val content: String,
)

/** A conversation that wants an answer. */
public class ChatCall internal constructor(private val native: NativeChatCall) {
    /** The system's words first, the question last. */
    public val messages: List<Said> = wire.decodeFromString(native { native.messages() })

    /** Whether the client wants to see the answer as it comes. */
    public val wantsDeltas: Boolean = native { native.wantsDeltas() }

    /** Shows more of the answer; waits for a client that reads slowly. */
    public suspend fun delta(text: String): Unit = native { native.delta(text) }
}

/** How an agent answers WebSockets. */
public class AgentWebSocketServiceOptions(
    /** Where it listens, such as `127.0.0.1:0`, which is the default: a free port, for this machine only. */
    public val listen: String? = null,
    /** Tokens that are let in; none for anybody. */
    public val tokens: List<String> = emptyList(),
    /** What the agent calls itself. */
    public val agentName: String? = null,
    /** What the agent is told about itself. */
    public val systemPrompt: String? = null,
    /** A session without any message for longer is closed. */
    public val sessionTimeout: Duration? = null,
    /** Messages of both sides that the agent is told. */
    public val maxHistory: Int? = null,
    /** Sessions at a time; 0 for any number. */
    public val maxSessions: Int? = null,
    /** For the agent's answer. */
    public val answerTimeout: Duration? = null,
    /** Pages of these origins only; empty for any. */
    public val origins: List<String> = emptyList(),
) {
    internal fun json(): String = buildJsonObject {
        listen?.let { put("listen", it) }
        agentName?.let { put("agent_name", it) }
        systemPrompt?.let { put("system_prompt", it) }
        span("session_timeout_ms", sessionTimeout)
        maxHistory?.let { put("max_history", it) }
        maxSessions?.let { put("max_sessions", it) }
        span("answer_timeout_ms", answerTimeout)
        put("origins", JsonArray(origins.map(::JsonPrimitive)))
    }.toString()
}

/** An agent that answers WebSockets: a listener in this process, without TLS. */
public class AgentWebSocketService private constructor(private val native: NativeAgentWebSocketService) : AutoCloseable {
    private val over = Job()

    /** What clients take as the agent's URL, on this machine. */
    public val url: String get() = native { native.url() }

    /** What it has done so far: an object of numbers. */
    public val stats: JsonObject get() = parsed(native { native.stats() })

    /**
     * Answers every conversation until the service is shut down or the coroutine cancelled. A handler that throws gives no answer, but
     * the message of a [Failure] if it threw one; one whose client left is cancelled.
     */
    public suspend fun serve(answer: suspend (ChatCall) -> String): Unit = coroutineScope {
        val pumping = launch {
            while (true) {
                val call = native { native.next() } ?: break
                launch { reply(call, answer) }.invokeOnCompletion { call.destroy() }
            }
        }
        // The queue ends with the service, which this object keeps.
        val ending = over.invokeOnCompletion { pumping.cancel() }
        pumping.join()
        ending.dispose()
    }

    private suspend fun reply(call: NativeChatCall, answer: suspend (ChatCall) -> String): Unit = coroutineScope {
        val answering = launch {
            try {
                call.answer(answer(ChatCall(call)))
            } catch (cancelled: CancellationException) {
                throw cancelled
            } catch (error: Exception) {
                // Only a Failure is meant for the client. Whoever left needs no answer.
                val said = if (error is Failure) error.message.orEmpty().ifEmpty { error.code } else error::class.java.simpleName
                runCatching { call.fail(said) }
            }
        }
        val watching = launch {
            native { call.gone() }
            answering.cancel()
        }
        answering.join()
        watching.cancel()
    }

    /** Shows a notification to the client of a session. */
    public fun notify(session: String, message: String): Unit = native { native.notify(session, message) }

    /** Admits nobody any more, tells every session to come back later, and waits for their end. Again is fine. */
    public suspend fun shutdown() {
        native { native.shutdown() }
        over.complete()
    }

    /** [shutdown], for `use {}`: blocks the thread. */
    override fun close(): Unit = runBlocking { shutdown() }

    public companion object {
        /** Listens. When this returns, clients can connect. */
        public suspend fun start(options: AgentWebSocketServiceOptions = AgentWebSocketServiceOptions()): AgentWebSocketService =
            AgentWebSocketService(native { startAgentWebSocketService(options.json(), options.tokens) })
    }
}
