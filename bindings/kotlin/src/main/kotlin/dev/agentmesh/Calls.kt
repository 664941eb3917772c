package dev.agentmesh

import dev.agentmesh.internal.InternalException
import dev.agentmesh.internal.NativeException
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonNamingStrategy
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlin.time.Duration
import kotlin.time.DurationUnit

/** How the native library's values are read. What newer ones add is skipped. */
@OptIn(ExperimentalSerializationApi::class)
internal val wire: Json = Json {
    ignoreUnknownKeys = true
    explicitNulls = false
    namingStrategy = JsonNamingStrategy.SnakeCase
}

/** A call of the native library, with its errors as those of this package. */
internal inline fun <T> native(call: () -> T): T = try {
    call()
} catch (error: NativeException) {
    throw converted(error)
} catch (error: InternalException) {
    throw AgentMeshException.Internal(ErrorCodes.BINDING_PANICKED, "internal error: ${error.message}", cause = error)
} catch (error: IllegalStateException) {
    // What UniFFI says of an object whose native half was given back.
    if (error.message?.endsWith("has already been destroyed") == true) throw AgentMeshException.used("the object")
    throw error
}

internal fun converted(error: NativeException): AgentMeshException {
    error as NativeException.Failed
    // The nearest last: each is the cause of the one before.
    val cause = error.causes.asReversed().fold<String, Throwable?>(null) { behind, said -> Behind(said, behind) }
    val details = error.details?.let { wire.parseToJsonElement(it).jsonObject } ?: AgentMeshException.NONE
    return AgentMeshException.of(error.kind, error.code, error.reason, error.retryable, details, cause)
}

/** What is behind an error, in the words of whoever found it. Has no stack worth showing. */
private class Behind(message: String, cause: Throwable?) : Exception(message, cause, false, false)

/** Settings as JSON text, without what was left out; nothing if all was. */
internal fun settings(build: JsonObjectBuilder.() -> Unit): String? =
    buildJsonObject(build).takeIf(JsonObject::isNotEmpty)?.toString()

/** Whole milliseconds of a span that a setting says. */
internal fun Duration.millis(): Long {
    if (isNegative() || isInfinite()) throw AgentMeshException.argument("a span of time is finite and not negative, not $this")
    return inWholeMilliseconds
}

internal fun Duration.ms(): ULong = millis().toULong()

/** Whole seconds, at least one. */
internal fun Duration.wholeSeconds(): ULong {
    if (isNegative() || isInfinite()) throw AgentMeshException.argument("a span of time is finite and not negative, not $this")
    return toDouble(DurationUnit.SECONDS).let { Math.round(it) }.coerceAtLeast(1).toULong()
}
