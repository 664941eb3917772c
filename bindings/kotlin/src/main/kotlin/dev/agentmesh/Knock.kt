package dev.agentmesh

import dev.agentmesh.internal.NativeDecision
import dev.agentmesh.internal.NativeKnocks
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlinx.coroutines.NonCancellable
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import java.time.Instant
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** What a session is asked for. */
public class KnockRequest(
    /** The capability asked for, such as `weather/forecast`. Policies go by it. */
    public val capability: String = "*",
    /** What to do with it. */
    public val action: String = "message",
    /** Parameters. */
    public val params: JsonElement? = null,
    /** How the session is to be used. */
    public val sessionType: SessionType = SessionType.ONE_SHOT,
    /** How long it is to live. */
    public val ttl: Duration = 5.minutes,
    /** How many messages there will be, as far as known. */
    public val expectedMessages: Long? = null,
) {
    internal fun json(): JsonObject = buildJsonObject {
        put("type", sessionType.wireName)
        put("ttl", ttl.wholeSeconds().toLong())
        put("intent", buildJsonObject {
            put("capability", capability)
            put("action", action)
            params?.let { put("params", it) }
        })
        expectedMessages?.let { put("expectedMessages", it) }
    }
}

/** A KNOCK that was verified: who asks for a session, and what for. */
@Serializable
public class Knock internal constructor(
    /** Who knocks. */
    public val sender: String,
    /** The session that is asked for; it names the KNOCK. */
    public val session: String,
    /** The suite's name. */
    public val suite: String,
    /** What the registry says that the peer is. */
    public val tier: String,
    /** What the registry says of its reputation, 0 to 1. */
    public val reputation: Double,
    /** The capability asked for. */
    public val capability: String,
    /** What to do with it. */
    public val action: String,
    /** Parameters. */
    public val params: JsonElement? = null,
    /** How the session is to be used: `one-shot`, `streaming`, `persistent`. */
    public val sessionType: String,
    private val ttlS: Long,
    /** How many messages the peer expects to send. */
    public val expectedMessages: Long? = null,
    /** How urgent it is to the peer. */
    public val priority: Double? = null,
) {
    /** The lifetime asked for. */
    public val ttl: Duration get() = ttlS.seconds

    override fun toString(): String = "Knock($sender, $capability)"
}

/** A KNOCK without a decision. */
@Serializable
public class PendingKnock internal constructor(
    /** Who knocks, and what for. */
    public val knock: Knock,
    /** When it came. */
    @Serializable(with = Millis::class) public val receivedAt: Instant,
    /** Messages that are held until it is decided. */
    public val held: Int,
)

/** What is decided about a KNOCK. */
public sealed class Decision {
    /** The session is opened, for [ttl] if not for as long as was asked for. */
    public data class Accept(val ttl: Duration? = null) : Decision()

    /** The session is closed, and the peer told why, and when it may try again. */
    public data class Reject(val reason: String = "rejected", val retryAfter: Duration? = null) : Decision()

    /** The owner decides later, by [AgentMeshClient.acceptKnock] or [AgentMeshClient.rejectKnock]; messages are held until then. */
    public data object Later : Decision()

    internal fun native(): NativeDecision = when (this) {
        is Accept -> NativeDecision.Accept(ttl?.wholeSeconds())
        is Reject -> NativeDecision.Reject(reason, retryAfter?.wholeSeconds())
        is Later -> NativeDecision.Later
    }

    internal companion object {
        fun of(decision: NativeDecision): Decision = when (decision) {
            is NativeDecision.Accept -> Accept(decision.ttlS?.toLong()?.seconds)
            is NativeDecision.Reject -> Reject(decision.reason, decision.retryAfterS?.toLong()?.seconds)
            is NativeDecision.Later -> Later
        }
    }
}

/** Decides about KNOCKs that the policy lets through. One that fails decides nothing: the KNOCK is left for later. */
public fun interface KnockHandler {
    /** Decides about one KNOCK; several are asked about at a time. */
    public suspend fun decide(knock: Knock): Decision
}

/**
 * Asks a handler about KNOCKs until the agent is closed. Holds the queue and the handler, not the client, so that a client that is
 * forgotten is not kept.
 */
internal fun CoroutineScope.answerKnocks(knocks: NativeKnocks, handler: KnockHandler, failed: (Throwable) -> Unit) {
    launch {
        while (true) {
            val question = native { knocks.next() } ?: break
            launch {
                try {
                    val knock = wire.decodeFromString<Knock>(question.details())
                    val decision = handler.decide(knock).native()
                    question.answer(decision)
                } catch (cancelled: CancellationException) {
                    throw cancelled
                } catch (error: Throwable) {
                    failed(error)
                } finally {
                    // Unanswered, it is left for later.
                    withContext(NonCancellable) { question.destroy() }
                }
            }
        }
    }.invokeOnCompletion { knocks.destroy() }
}
