package dev.agentmesh

import dev.agentmesh.internal.NativeAgent
import dev.agentmesh.internal.NativeDelivery
import dev.agentmesh.internal.NativeKnocks
import dev.agentmesh.internal.NativeMessages
import dev.agentmesh.internal.NativeOpenMode
import dev.agentmesh.internal.NativeOpening
import dev.agentmesh.internal.NativeStoreKey
import dev.agentmesh.internal.openAgent
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.runBlocking
import java.util.concurrent.atomic.AtomicReference
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * An agent: sends and receives end-to-end encrypted messages.
 *
 * ```kotlin
 * AgentMeshClient.create(ClientOptions(Storage.sqlite("agent.db"), StoreKey.file("agent.key"))).use { client ->
 *     client.connect()
 *     client.send(peer, Payload.json("""{"hello": "world"}"""))
 *     client.messages().collect { message ->
 *         println("${message.sender}: ${message.payload}")
 *         message.ack()
 *     }
 * }
 * ```
 *
 * What [send] reported as queued or better survives a crash. A message that comes in counts as handled when it was acknowledged,
 * and not before. A coroutine that is cancelled cancels the call; what was sent before stays sent. May be used by any number of
 * coroutines and threads.
 */
public class AgentMeshClient private constructor(native: NativeAgent) : Control(native), AutoCloseable {
    /** The agent's address. */
    public val amid: String = native { native.amid() }

    /** Whether [close] or [shutdown] was called. */
    @Volatile
    public var isClosed: Boolean = false
        private set

    /** Of the collector of [messages]. */
    private val reader = AtomicReference<NativeMessages?>()

    /** The public signing key, 32 bytes. */
    public val signingKey: ByteArray get() = native { native.publicKeys() }.signing

    /** The public exchange key as of now: it can be rotated. */
    public val exchangeKey: ByteArray get() = native { native.publicKeys() }.exchange

    /** The audit log, if the agent keeps one. */
    public val auditLog: AuditLog? get() = native { native.auditLog() }?.let(::AuditLog)

    /**
     * Goes online: registers, publishes prekeys, connects to the relay. Afterwards the client stays online by itself. What is given is
     * what the registry shall show from now on. `AGENT_NOT_ONLINE` if that takes too long; the client goes on trying.
     */
    public suspend fun connect(displayName: String? = null, capabilities: List<String>? = null): Unit =
        native { native.connect(displayName, capabilities) }

    /** Goes offline and closes the storage. What waits stays in the outbox on disk. Again is fine. */
    public suspend fun shutdown() {
        isClosed = true
        native { native.shutDown() }
    }

    /** [shutdown], for `use {}`: blocks the thread until it is done. On Android's main thread, call [shutdown] in a coroutine instead. */
    override fun close(): Unit = runBlocking { shutdown() }

    /** A fresh message id, for sending the same message again after a crash of your own. */
    public fun newId(): String = native { native.newId() }

    /**
     * Sends a message and waits until it reached the stage that the options say. It is in the outbox, on disk, before anything is
     * sent, and works offline, too. Cancelling gives up waiting, not the message.
     */
    public suspend fun send(to: String, payload: Payload, options: SendOptions? = null): Sent =
        native { native.send(to, payload.native(), options?.json()) }.let { Sent(it.id, it.to, stageOf(it.stage.toInt())) }

    /**
     * Sends a request and waits for the response. With an id in the options it is idempotent: the peer handles a request of one id
     * once. `REQUEST_ERROR_RESPONSE` if the peer answers with an error, see [AgentMeshException.remote]; `REQUEST_NO_RESPONSE` if no
     * answer came in time; one that comes later is among the [messages].
     */
    public suspend fun request(to: String, payload: Payload, timeout: Duration = 30.seconds, options: SendOptions? = null): MessageContent =
        MessageContent(native { native.request(to, payload.native(), timeout.ms(), options?.json()) })

    /** Sends a request and reads the answer as it comes. */
    public suspend fun stream(to: String, payload: Payload, options: StreamOptions? = null): IncomingStream =
        IncomingStream(native { native.stream(to, payload.native(), options?.json()) })

    /** Reads a stream on from chunk [position], such as after a crash. */
    public suspend fun resumeStream(peer: String, id: String, position: Long, options: StreamOptions? = null): IncomingStream =
        IncomingStream(native { native.resumeStream(peer, id, position.toULong(), options?.json()) })

    /** Tells a peer how far something is, as news that nobody keeps: a `status` event there. */
    public suspend fun status(to: String, payload: Payload, inReplyTo: String? = null): Unit =
        native { native.status(to, inReplyTo, payload.native()) }

    /**
     * The messages that come in, each to be acknowledged. Cold: collecting receives, one collector at a time, and a new one replaces
     * the one before. A message is taken when the collector is ready for it: a slow one loses nothing, and holds the sender back. Ends when
     * the client is closed. A message that the collector fails on is given back; what a cancelled one did not acknowledge comes again.
     */
    public fun messages(): Flow<Message> = flow {
        val receiver = native { native.messages() }
        // Whoever collected before lets go of what was handed to it and not taken, even if it never asks again: it comes to this one.
        reader.getAndSet(receiver)?.destroy()
        try {
            while (true) {
                val message = Message(next(receiver) ?: break)
                try {
                    emit(message)
                } catch (error: Throwable) {
                    // Whoever takes one and leaves, as first() does, has the message; who failed has not.
                    if (error !is CancellationException && !message.isDone) message.release()
                    throw error
                }
            }
        } finally {
            reader.compareAndSet(receiver, null)
            receiver.destroy()
        }
    }

    private suspend fun next(receiver: NativeMessages): NativeDelivery? = try {
        native { receiver.next() }
    } catch (error: AgentMeshException.InvalidInput) {
        // Replaced, and given back by the collector after this one.
        if (reader.get() === receiver) throw error
        null
    }

    /**
     * Has every message handled, in order for each sender, several senders at a time, until the client is closed or the coroutine
     * cancelled; then the handlers that run are cancelled, too. See [Handlers].
     */
    public suspend fun serve(handlers: Handlers): Unit = dispatch(messages(), handlers)

    /**
     * What happens to the agent, from when it is collected on. A collector that is very slow is told how many events it missed
     * (`lagged`). Ends when the client is closed.
     */
    public fun events(): Flow<AgentEvent> = flow {
        val events = native { native.events() }
        try {
            while (true) emit(AgentEvent(native { events.next() } ?: break))
        } finally {
            events.destroy()
        }
    }

    override fun toString(): String = "AgentMeshClient($amid${if (isClosed) ", closed" else ""})"

    public companion object {
        /** Opens an agent; one with a fresh identity if the storage holds none, unless the options say otherwise. Does not go online. */
        public suspend fun create(options: ClientOptions): AgentMeshClient = AgentMeshClient(opened(options, options.mode))

        /** Opens the agent whose identity is in the storage; an error if it is not. Does not go online. */
        public suspend fun load(options: ClientOptions): AgentMeshClient = AgentMeshClient(opened(options, OpenMode.LOAD))

        private suspend fun opened(options: ClientOptions, mode: OpenMode): NativeAgent {
            val storage = options.storage.opened()
            val knocks = options.onKnock?.let { native { NativeKnocks() } }
            val opening = NativeOpening(
                storage = storage,
                key = keyOf(options.key),
                identity = options.identity?.native,
                backup = options.backup?.native,
                knocks = knocks,
                settings = options.json(),
                mode = NativeOpenMode.valueOf(mode.name),
            )
            val agent = native { openAgent(opening) }
            if (knocks != null) handlers.answerKnocks(knocks, options.onKnock, options.onHandlerError)
            return agent
        }

        /** Ends with the agents: it is the library that ends their queues. */
        private val handlers = CoroutineScope(SupervisorJob() + Dispatchers.Default)

        private fun keyOf(key: StoreKey): NativeStoreKey = when (key) {
            is StoreKey.Missing -> NativeStoreKey.Missing
            is StoreKey.Bytes -> NativeStoreKey.Bytes(key.bytes)
            is StoreKey.File -> NativeStoreKey.File(key.path)
            is StoreKey.Variable -> NativeStoreKey.Variable(key.name)
            is StoreKey.Passphrase -> NativeStoreKey.Passphrase(key.passphrase)
        }
    }
}
