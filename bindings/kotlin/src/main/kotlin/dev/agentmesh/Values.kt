package dev.agentmesh

import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.descriptors.PrimitiveKind
import kotlinx.serialization.descriptors.PrimitiveSerialDescriptor
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder
import kotlinx.serialization.json.JsonElement
import java.time.Instant

/** How far a message has come. */
@Serializable(with = StageNumber::class)
public enum class Stage {
    /** In our own outbox, on disk. */
    QUEUED,

    /** On the relay's disk. */
    STORED,

    /** Decrypted by the peer, and on its disk. */
    DELIVERED,

    /** Handled by the peer. */
    HANDLED,
}

/** How a session is to be used. */
public enum class SessionType(internal val wireName: String) {
    /** One question, one answer. */
    ONE_SHOT("one-shot"),

    /** Answers in pieces. */
    STREAMING("streaming"),

    /** For as long as both want it. */
    PERSISTENT("persistent"),
}

/** What came of a message by the time that sending it returned. */
@Serializable
public data class Sent(
    /** Its id. */
    val id: String,
    /** The recipient. */
    val to: String,
    /** How far it came, at least as far as was asked for. */
    val stage: Stage,
)

/** Where the chains of a session stand. */
@Serializable
public data class SessionChains(
    /** Messages sent in the current chain. */
    val sent: Int,
    /** Messages sent in the chain before. */
    val previous: Int,
    /** Number of the next message expected; `null` before the peer's first. */
    val received: Int? = null,
    /** Whether the next message sent begins a new chain. */
    val turnDue: Boolean,
    /** Keys kept for messages that were overtaken. */
    val skipped: Int,
)

/** A session, without anything secret. */
@Serializable
public data class SessionSummary(
    /** The session. */
    val id: String,
    /** The agent at the other end. */
    val peer: String,
    /** The suite's name, such as `x25519-mlkem768`. */
    val suite: String,
    /** When this end was made. */
    @Serializable(with = Millis::class) val createdAt: Instant,
    /** Whether we opened it. */
    val initiator: Boolean,
    /** Whether it was accepted, as far as this end knows. */
    val accepted: Boolean,
    /** Whether the peer has shown that it has the session. */
    val confirmed: Boolean,
    /** Whether the next message to the peer goes here. */
    val sending: Boolean,
    /** Where its chains stand; `null` in 0.2. */
    val chains: SessionChains? = null,
)

/** Whether an agent works. */
@Serializable
public enum class CircuitState {
    /** It does. */
    @SerialName("running") RUNNING,

    /** It rejects new sessions. */
    @SerialName("paused") PAUSED,

    /** It does nothing. */
    @SerialName("stopped") STOPPED,
}

/** The circuit breakers as they stand. */
public data class CircuitStatus(
    /** Whether the agent works. */
    val state: CircuitState,
    /** Since when; `null` if it never was otherwise. */
    val since: Instant?,
    /** Who is shut out, and since when. */
    val blocked: Map<String, Instant>,
)

/** Parts of a large payload: how many have arrived, and how many there are. */
public data class Parts(
    /** How many have arrived. */
    val done: Int,
    /** How many there are. */
    val total: Int,
)

/** A message in the outbox. */
@Serializable
public data class OutboxItem(
    /** Its id. */
    val id: String,
    /** The recipient. */
    val to: String,
    /** How far it is. */
    val stage: Stage,
    /** When it was queued. */
    @Serializable(with = Millis::class) val queuedAt: Instant,
    /** When it is given up if nobody confirms it. */
    @Serializable(with = Millis::class) val expiresAt: Instant,
    /** Bytes kept for it. */
    val size: Long,
    /** How often it was handed to the relay since the agent was opened. */
    val attempts: Int,
    /** The code of what went wrong last. */
    val lastError: String? = null,
    /** Of a payload in parts: how many the recipient has. */
    @Serializable(with = PartsPair::class) val parts: Parts? = null,
)

/** A message that came in and is not handled. Its payload comes with the message. */
@Serializable
public data class InboxItem(
    /** Its id. */
    val id: String,
    /** Who sent it. */
    val sender: String,
    /** What it is: `message`, `request` and so on. */
    val kind: String,
    /** The message of ours that it answers. */
    val inReplyTo: String? = null,
    /** When it was sent, by the sender's clock. */
    @Serializable(with = Millis::class) val sentAt: Instant,
    /** When it was opened here. */
    @Serializable(with = Millis::class) val receivedAt: Instant,
    /** Bytes of the payload that are here. */
    val size: Long,
    /** What it waits for: `handler`, a `decision` on its sender's KNOCK, or the rest of its `parts`. */
    val waitsFor: String,
    /** Of a payload in parts: how many are here. */
    @Serializable(with = PartsPair::class) val parts: Parts? = null,
)

/** A stream that has not ended. */
@Serializable
public data class OpenStream(
    /** The agent at the other end. */
    val peer: String,
    /** The request; it names the stream. */
    val id: String,
    /** Whether we read it; otherwise we send it. */
    val reading: Boolean,
    /** Sender: chunks queued. Reader: chunks consumed. */
    val position: Long,
)

/** How full a limit on sending is. */
@Serializable
public data class Bucket(
    /** Messages that may be sent at once, now. */
    val available: Int,
    /** Messages that may be sent at once, at most. */
    val burst: Int,
    /** Messages a second in the long run. */
    val perSecond: Double,
)

/** How full the limits on sending are. */
@Serializable
public data class RateStatus(
    /** That of all messages, if they are limited. */
    val overall: Bucket? = null,
    /** That of the messages to the peer that was asked for. */
    val peer: Bucket? = null,
    /** Peers that are counted. */
    val peers: Int,
)

/** What the registry says of an agent. Only the signing key is proven: the AMID is its hash. */
@Serializable
public class Listing internal constructor(
    /** Who. */
    public val amid: String,
    @SerialName("signing_key") private val signing: List<Int>,
    @SerialName("exchange_key") private val exchange: List<Int>,
    /** A name for people. */
    public val displayName: String? = null,
    /** Its organization. */
    public val organization: String? = null,
    /** What the registry says that it is: `anonymous`, `verified`, `organization`. */
    public val tier: String,
    /** What it can do. */
    public val capabilities: List<String>,
    /** Whether it says it can be reached: `online`, `away`, `offline`, `dnd`. */
    public val status: String,
    /** 0 to 1. */
    public val reputation: Double,
    /** Last sign of life. */
    @Serializable(with = Millis::class) public val lastSeen: Instant? = null,
) {
    /** Its signing key, 32 bytes. */
    public val signingKey: ByteArray get() = bytes(signing)

    /** The exchange key that it registered, 32 bytes. */
    public val exchangeKey: ByteArray get() = bytes(exchange)

    override fun toString(): String = "Listing($amid)"

    private fun bytes(numbers: List<Int>) = ByteArray(numbers.size) { numbers[it].toByte() }
}

/** A page of search results. */
@Serializable
public class SearchPage internal constructor(
    /** By reputation, then by last sign of life. */
    public val agents: List<Listing>,
    /** How many the registry counts on all pages. */
    public val total: Long,
    /** Where the next page begins; `null` if this one was the last. */
    public val nextOffset: Long? = null,
    /** Entries left out, because their key is not that of their AMID. */
    public val rejected: Int,
)

/** A wish, and what is granted for it. */
@Serializable
public data class CapabilityMatch(
    /** What was asked for. */
    val wanted: String,
    /** What is granted. */
    val offered: String,
    /** `exact`, `wildcard` or `prefix`. */
    val fit: String,
)

/** What a peer grants of what it was asked for. */
@Serializable
public data class Agreement(
    /** The best offer for each wish that has one. */
    val agreed: List<CapabilityMatch>,
)

@Serializable
internal class RawCircuit(val state: CircuitState, val since: Long, val blocked: List<List<JsonElement>>)

internal object Millis : KSerializer<Instant> {
    override val descriptor: SerialDescriptor = PrimitiveSerialDescriptor("dev.agentmesh.Millis", PrimitiveKind.LONG)

    override fun serialize(encoder: Encoder, value: Instant): Unit = encoder.encodeLong(value.toEpochMilli())

    override fun deserialize(decoder: Decoder): Instant = Instant.ofEpochMilli(decoder.decodeLong())
}

internal object StageNumber : KSerializer<Stage> {
    override val descriptor: SerialDescriptor = PrimitiveSerialDescriptor("dev.agentmesh.Stage", PrimitiveKind.INT)

    override fun serialize(encoder: Encoder, value: Stage): Unit = encoder.encodeInt(value.ordinal)

    override fun deserialize(decoder: Decoder): Stage = stageOf(decoder.decodeInt())
}

internal object PartsPair : KSerializer<Parts> {
    private val pair = kotlinx.serialization.builtins.ListSerializer(kotlinx.serialization.serializer<Int>())
    override val descriptor: SerialDescriptor = SerialDescriptor("dev.agentmesh.Parts", pair.descriptor)

    override fun serialize(encoder: Encoder, value: Parts): Unit =
        encoder.encodeSerializableValue(pair, listOf(value.done, value.total))

    override fun deserialize(decoder: Decoder): Parts =
        decoder.decodeSerializableValue(pair).let { (done, total) -> Parts(done, total) }
}

internal fun stageOf(number: Int): Stage = Stage.entries.getOrElse(number) { Stage.HANDLED }
