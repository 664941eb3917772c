package dev.agentmesh

import dev.agentmesh.internal.NativeChunkContent
import dev.agentmesh.internal.NativeIncomingStream
import dev.agentmesh.internal.NativeOutgoingStream
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.map
import kotlinx.serialization.json.JsonElement

/** One piece of an answer. */
public class StreamChunk internal constructor(
    /** Its place in the stream, from 0. */
    public val number: Long,
    private val content: NativeChunkContent,
) {
    /** Whether it is text; else it is bytes. */
    public val isText: Boolean get() = content is NativeChunkContent.Text

    /** What it says, as text. */
    public val text: String
        get() = when (content) {
            is NativeChunkContent.Text -> content.text
            is NativeChunkContent.Bytes -> content.bytes.decodeToString()
        }

    /** What it says, as bytes. */
    public val bytes: ByteArray
        get() = when (content) {
            is NativeChunkContent.Text -> content.text.encodeToByteArray()
            is NativeChunkContent.Bytes -> content.bytes
        }

    override fun toString(): String = "StreamChunk($number)"
}

/**
 * An answer that comes in pieces. The sender is held back while [chunks] is not collected. Closing it before its end cancels the
 * stream.
 */
public class IncomingStream internal constructor(private val native: NativeIncomingStream) : AutoCloseable {
    /** Who answers. */
    public val peer: String = native { native.peer() }

    /** The request; its id names the stream, for [AgentMeshClient.resumeStream]. */
    public val id: String = native { native.id() }

    /** The number of the next chunk. */
    public val position: Long get() = native { native.position() }.toLong()

    /** What the sender said about the stream last. */
    public val metadata: JsonElement? get() = native { native.metadata() }?.let { wire.parseToJsonElement(it) }

    /** The next chunk; `null` behind the last. Cancelled, nothing is lost. */
    public suspend fun next(): StreamChunk? =
        native { native.next() }?.let { StreamChunk(it.number.toLong(), it.content) }

    /** The chunks from [position] on. A collector that gives up leaves the stream where it is. */
    public fun chunks(): Flow<StreamChunk> = flow {
        while (true) emit(next() ?: break)
    }

    /** The chunks as text. */
    public fun texts(): Flow<String> = chunks().map { it.text }

    /** Marks every chunk below [number] as consumed, in streams that are acknowledged by hand. */
    public fun ack(number: Long): Unit = native { native.ack(number.toULong()) }

    /** Ends the stream; its sender hears why. Again is fine. */
    public suspend fun cancel(reason: String = "cancelled"): Unit = native { native.cancel(reason) }

    /** Stops reading without cancelling; the stream can be resumed by its id. */
    public suspend fun detach(): Unit = native { native.detach() }

    /** Gives the stream back; one that has not ended is cancelled. */
    override fun close(): Unit = native.destroy()
}

/** An answer that is given in pieces. Closed without an end, it fails with `STREAM_ABORTED`. */
public class OutgoingStream internal constructor(private val native: NativeOutgoingStream) : AutoCloseable {
    /** Who asked. */
    public val peer: String = native { native.peer() }

    /** The request that is answered. */
    public val id: String = native { native.id() }

    /** The number of the next chunk; above 0 at first if an earlier run of the process began the stream. */
    public val position: Long get() = native { native.position() }.toLong()

    /** Sends text and returns its number. Waits while there is no room; cancelled then, it was not sent. */
    public suspend fun send(text: String): Long = native { native.send(NativeChunkContent.Text(text)) }.toLong()

    /** Sends bytes and returns their number. */
    public suspend fun send(bytes: ByteArray): Long = native { native.send(NativeChunkContent.Bytes(bytes)) }.toLong()

    /** Says something about the stream; goes out with the next chunk. */
    public suspend fun setMetadata(metadata: JsonElement): Unit = native { native.setMetadata(metadata.toString()) }

    /** Waits until everything that was sent is on disk. */
    public suspend fun flush(): Unit = native { native.flush() }

    /** Says that everything was said, and marks the request as handled. */
    public suspend fun finish(): Unit = native { native.finish() }

    /** Says why there will be no more, and marks the request as handled. */
    public suspend fun fail(code: String, message: String = "", retryable: Boolean = false): Unit =
        native { native.fail(code, message, retryable) }

    /** Whether the stream is over, because its reader left or something failed: then sending says what. */
    public val isStopped: Boolean get() = native { native.isStopped() }

    /** Returns when the stream is over by its own end; `STREAM_CANCELLED` when its reader left. */
    public suspend fun stopped(): Unit = native { native.stopped() }

    /** Gives the stream back. */
    override fun close(): Unit = native.destroy()
}
