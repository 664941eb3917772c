package dev.agentmesh

import dev.agentmesh.internal.NativeContent
import dev.agentmesh.internal.NativeDelivery
import dev.agentmesh.internal.NativeMessage
import kotlinx.serialization.json.JsonElement
import java.time.Instant

/** What a message says. */
public open class MessageContent internal constructor(content: NativeContent) {
    /** Who sent it, proven by the session. */
    public val sender: String = content.sender

    /** The sender's id for it. */
    public val id: String = content.id

    /** What it is: `message`, `request`, `response` and so on. */
    public val kind: String = content.kind

    /** The sender's count of messages to us. */
    public val seq: Long = content.seq.toLong()

    /** The message of ours that it answers. */
    public val inReplyTo: String? = content.inReplyTo

    /** When it was sent, by the sender's clock. */
    public val sentAt: Instant = Instant.ofEpochMilli(content.sentAt.toLong())

    /** When it was opened here. */
    public val receivedAt: Instant = Instant.ofEpochMilli(content.receivedAt.toLong())

    /** What it carries. */
    public val payload: Payload = Payload.of(content.payload)

    /** The W3C `traceparent` that the sender sealed into it. */
    public val trace: String? = content.trace

    /** The schema that the payload follows. */
    public val schema: String? = content.schema

    /** Whether its sender wants the answer as a stream. */
    public val wantsStream: Boolean = content.wantsStream

    /** Whether an answer is awaited. */
    public val isRequest: Boolean get() = kind == "request"

    override fun toString(): String = "$kind $id from $sender"
}

/**
 * A message that came in. It counts as handled when [ack], [respond], [fail] or a [stream] that ended says so; released, or
 * forgotten, it is handed on again.
 */
public class Message internal constructor(delivery: NativeDelivery) : MessageContent(delivery.content) {
    private val native: NativeMessage = delivery.message

    /** How often it was handed on before and not acknowledged, since the agent was opened. */
    public val attempt: Int = delivery.attempt.toInt()

    /** Whether it was acknowledged, answered or given back. */
    @Volatile
    public var isDone: Boolean = false
        private set

    /** Marks the message as handled, and tells the sender so. Returns when that is on disk. */
    public suspend fun ack(): Unit = ending { native.ack() }

    /** Gives the message back: it is handed on again after a pause. */
    public fun release() {
        native { native.release() }
        done()
    }

    /** Answers a request and marks it as handled. An answer that is refused, such as one that is too large, leaves it open. */
    public suspend fun respond(payload: Payload, options: SendOptions? = null): Sent =
        ending { native.respond(payload.native(), options?.json()) }.let { Sent(it.id, it.to, stageOf(it.stage.toInt())) }

    /** Answers a request with an error and marks it as handled. */
    public suspend fun fail(code: String, message: String = "", retryable: Boolean = false, details: JsonElement? = null): Sent =
        ending { native.fail(code, message, retryable, details?.toString()) }
            .let { Sent(it.id, it.to, stageOf(it.stage.toInt())) }

    /** Tells the sender how far its message is, as news that nobody keeps: a `status` event there. */
    public suspend fun status(payload: Payload): Unit = native { native.status(payload.native()) }

    /** Answers a request with a stream. The request counts as handled when the stream ends. */
    public suspend fun stream(): OutgoingStream = OutgoingStream(ending { native.stream() })

    /** A call that ends the message if it succeeds. */
    private suspend inline fun <T> ending(call: () -> T): T {
        try {
            return native { call() }.also { done() }
        } catch (error: AgentMeshException) {
            if (native { native.isDone() }) done()
            throw error
        }
    }

    private fun done() {
        isDone = true
        native.destroy()
    }
}
