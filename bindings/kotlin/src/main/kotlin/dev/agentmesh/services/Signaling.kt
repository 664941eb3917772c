package dev.agentmesh.services

import dev.agentmesh.Identity
import dev.agentmesh.internal.NativeNegotiator
import dev.agentmesh.internal.NativeSignalingClient
import dev.agentmesh.internal.NativeSignalingCredentials
import dev.agentmesh.internal.NativeSignalingOpening
import dev.agentmesh.internal.joinSignaling
import dev.agentmesh.native
import dev.agentmesh.span
import dev.agentmesh.wire
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.put
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** Who a client is in a room: what another process needs to go on as it. */
public class SignalingCredentials(
    /** Its id, which everybody in the room knows. */
    public val id: String,
    /** What proves it. Secret. */
    public val token: String,
    /** The server takes credentials in headers. */
    public val headerAuth: Boolean,
) {
    override fun toString(): String = "SignalingCredentials($id)"
}

/** How to join a room. */
public class SignalingOptions(
    /** The server: its origin, or the part of the path before `/api`. */
    public val url: String,
    /** The room. */
    public val room: String,
    /** The key that the room wants. */
    public val joinKey: String? = null,
    /** A session of before. */
    public val resume: SignalingCredentials? = null,
    /** Who signs descriptions. */
    public val signWith: Identity? = null,
    /** Whether `http` may reach other machines. */
    public val allowInsecure: Boolean = false,
    /** For a connection and the head of its answer. */
    public val openTimeout: Duration? = null,
    /** A stream that is silent for so long is dead. */
    public val idleTimeout: Duration? = null,
    /** For a signal, from sending on. */
    public val sendTimeout: Duration? = null,
    /** Attempts in a row that fail before the client gives up. */
    public val attempts: Int? = null,
    /** Signals that wait, at most. */
    public val maxQueued: Int? = null,
) {
    internal fun native() = NativeSignalingOpening(
        settings = buildJsonObject {
            put("url", url)
            put("room", room)
            put("allow_insecure", allowInsecure)
            span("open_timeout_ms", openTimeout)
            span("idle_timeout_ms", idleTimeout)
            span("send_timeout_ms", sendTimeout)
            attempts?.let { put("attempts", it) }
            maxQueued?.let { put("max_queued", it) }
        }.toString(),
        joinKey = joinKey,
        resume = resume?.let { NativeSignalingCredentials(it.id, it.token, it.headerAuth) },
        signWith = signWith?.native,
    )
}

/** A place in a room of a signaling server. Nothing there is encrypted end to end. */
public class SignalingClient private constructor(private val native: NativeSignalingClient) : AutoCloseable {
    /** This client's id, once it joined. */
    public val id: String? get() = native { native.id() }

    /** The room, as servers know it. */
    public val room: String get() = native { native.room() }

    /** Who else is in the room, by the last roster. */
    public val peers: List<String> get() = native { native.peers() }

    /** ICE servers: objects as WebRTC libraries take them. */
    public val iceServers: JsonArray get() = wire.parseToJsonElement(native { native.iceServers() }).jsonArray

    /** Whether there is a stream now. */
    public val isOnline: Boolean get() = native { native.isOnline() }

    /** What another process needs to go on as this client. */
    public val credentials: SignalingCredentials?
        get() = native { native.credentials() }?.let { SignalingCredentials(it.id, it.token, it.headerAuth) }

    /** Sends a signal and waits until the server took it. */
    public suspend fun send(to: String, signal: JsonElement): Unit = native { native.send(to, signal.toString()) }

    /** What happens. The first to collect gets everything since the start. */
    public fun events(): Flow<ServiceEvent> = events { native.events() }

    /** Gives the place up, and waits for the server's word: five seconds at most, or two if it is urgent. Again is fine. */
    public suspend fun leave(urgent: Boolean = false): Unit = native { native.leave(urgent) }

    /** [leave], for `use {}`: blocks the thread. */
    override fun close(): Unit = runBlocking { leave(urgent = true) }

    public companion object {
        /** Joins a room. With [wait], returns when it is joined, or fails with why it is not; without, at once, and tries on. */
        public suspend fun join(options: SignalingOptions, wait: Boolean = true): SignalingClient =
            SignalingClient(native { joinSignaling(options.native(), wait) })
    }
}

/**
 * Who offers, and what happens when both do: negotiates with one peer for a WebRTC library of yours. Inputs in, actions out; its clock
 * begins when it is made.
 */
public class Negotiator(local: String, remote: String, offers: Boolean, mode: String? = null) {
    private val native = native { NativeNegotiator(local, remote, offers, mode) }

    /** Whether this side gives way if both offer at once. */
    public val isPolite: Boolean get() = native { native.isPolite() }

    /** Whether it is over. */
    public val isClosed: Boolean get() = native { native.isClosed() }

    /** How long until [tick] is due; `null` if it never is. */
    public val nextWake: Duration? get() = native { native.nextWake() }?.toLong()?.milliseconds

    /** A signal of the peer's. False if it is none of WebRTC's, but the application's own. */
    public fun received(signal: JsonElement): Boolean = native { native.received(signal.toString()) }

    /** Something happened here: an object with a `type`, such as `created` or `gathered`. */
    public fun handle(input: JsonObject): Unit = native { native.handle(input.toString()) }

    /** Does whatever is due now. */
    public fun tick(): Unit = native { native.tick() }

    /** What there is to do, in this order. */
    public fun takeActions(): List<ServiceEvent> = native { native.takeActions() }.map(::ServiceEvent)
}
