package dev.agentmesh

import dev.agentmesh.internal.NativePayload
import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.SerializationStrategy
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.serializer

/**
 * What a message carries: nothing, JSON, or bytes.
 *
 * ```kotlin
 * Payload.of(Order(42))               // anything @Serializable
 * Payload.json("""{"hello": "wörld"}""")
 * Payload.bytes(byteArrayOf(1, 2, 3))
 * ```
 */
public sealed class Payload {
    /** Nothing at all. */
    public object Empty : Payload() {
        override fun toString(): String = "Empty"
    }

    /** JSON. */
    public class Json internal constructor(
        /** As it was written. */
        public val text: String,
    ) : Payload() {
        /** As a tree. */
        public val element: JsonElement by lazy(LazyThreadSafetyMode.PUBLICATION) { format.parseToJsonElement(text) }

        override fun equals(other: Any?): Boolean = other is Json && (text == other.text || element == other.element)

        override fun hashCode(): Int = element.hashCode()

        override fun toString(): String = "Json(${text.length} characters)"
    }

    /** Bytes. */
    public class Bytes internal constructor(
        /** The bytes; not copied. */
        public val bytes: ByteArray,
    ) : Payload() {
        override fun equals(other: Any?): Boolean = other is Bytes && bytes.contentEquals(other.bytes)

        override fun hashCode(): Int = bytes.contentHashCode()

        override fun toString(): String = "Bytes(${bytes.size} bytes)"
    }

    /** The JSON as a tree; an error ([AgentMeshException.InvalidInput]) if this is not JSON. */
    public fun toJson(): JsonElement = (this as? Json ?: throw notJson()).element

    /** The JSON as a value of a `@Serializable` type. */
    public inline fun <reified T> decode(): T = decode(serializer<T>())

    /** The JSON as a value, read by a serializer. */
    public fun <T> decode(deserializer: DeserializationStrategy<T>): T =
        format.decodeFromString(deserializer, (this as? Json ?: throw notJson()).text)

    /** The bytes; an error ([AgentMeshException.InvalidInput]) if this is not bytes. */
    public fun toBytes(): ByteArray =
        (this as? Bytes ?: throw AgentMeshException.argument("the payload is not bytes")).bytes

    private fun notJson() = AgentMeshException.argument("the payload is not JSON")

    public companion object {
        private val format = kotlinx.serialization.json.Json { ignoreUnknownKeys = true }

        /** JSON text. Whether it is JSON is checked when it is sent. */
        public fun json(text: String): Payload = Json(text)

        /** JSON, from a tree. */
        public fun json(element: JsonElement): Payload = Json(element.toString())

        /** JSON, from a value of a `@Serializable` type. */
        public inline fun <reified T> of(value: T): Payload = of(serializer<T>(), value)

        /** JSON, from a value, written by a serializer. */
        public fun <T> of(serializer: SerializationStrategy<T>, value: T): Payload =
            Json(format.encodeToString(serializer, value))

        /** Bytes; not copied. */
        public fun bytes(bytes: ByteArray): Payload = Bytes(bytes)

        internal fun of(payload: NativePayload): Payload = when (payload) {
            is NativePayload.Empty -> Empty
            is NativePayload.Json -> Json(payload.text)
            is NativePayload.Bytes -> Bytes(payload.bytes)
        }
    }
}

internal fun Payload.native(): NativePayload = when (this) {
    is Payload.Empty -> NativePayload.Empty
    is Payload.Json -> NativePayload.Json(text)
    is Payload.Bytes -> NativePayload.Bytes(bytes)
}
