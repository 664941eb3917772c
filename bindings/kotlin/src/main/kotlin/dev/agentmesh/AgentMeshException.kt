package dev.agentmesh

import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.jsonPrimitive

/**
 * Any error of this library. The subclass says who has to act; [code] names one certain error and never changes its meaning.
 *
 * ```kotlin
 * try {
 *     client.send(peer, Payload.json("hello"))
 * } catch (error: AgentMeshException.Network) {
 *     if (error.retryable) retryLater()
 * }
 * ```
 */
public sealed class AgentMeshException(
    /** Stable upper-case code, such as `BUNDLE_STALE`; all are in [ErrorCodes]. */
    public val code: String,
    message: String,
    /** Whether the same call may succeed later without anybody changing anything. */
    public val retryable: Boolean,
    /** What a program may want to know besides; its members depend on the code. */
    public val details: JsonObject,
    cause: Throwable?,
) : Exception(message, cause) {
    /** The caller's mistake: an argument, a setting, an object that was used up. */
    public class InvalidInput(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** A signature, a key, a tag or a passphrase did not verify. */
    public class Authentication(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** A peer or a server broke the protocol. */
    public class Protocol(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** What was asked for is not there. */
    public class NotFound(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** Somebody else changed it or holds it. */
    public class Conflict(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** A store failed. */
    public class Storage(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** A server cannot be reached, or the connection broke. */
    public class Network(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** Too much at once. */
    public class RateLimited(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** It took too long. */
    public class Timeout(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** A policy, ours or the peer's, said no. */
    public class Policy(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** The agent, the store or the conversation was closed. */
    public class Closed(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** A bug of this library: please report it. */
    public class Internal(
        code: String, message: String, retryable: Boolean = false, details: JsonObject = NONE, cause: Throwable? = null,
    ) : AgentMeshException(code, message, retryable, details, cause)

    /** What the peer said, of `REQUEST_ERROR_RESPONSE`. */
    public val remote: RemoteFailure?
        get() {
            if (code != ErrorCodes.REQUEST_ERROR_RESPONSE) return null
            return RemoteFailure(
                code = details["code"]?.jsonPrimitive?.contentOrNull.orEmpty(),
                message = details["message"]?.jsonPrimitive?.contentOrNull.orEmpty(),
                retryable = details["retryable"]?.jsonPrimitive?.booleanOrNull ?: false,
                details = details["details"],
            )
        }

    override fun toString(): String = "AgentMeshException.${this::class.java.simpleName}: $code: $message"

    internal companion object {
        val NONE = JsonObject(emptyMap())

        /** The subclass of a kind. */
        fun of(
            kind: String, code: String, message: String, retryable: Boolean, details: JsonObject, cause: Throwable?,
        ): AgentMeshException = when (kind) {
            "invalid_input" -> InvalidInput(code, message, retryable, details, cause)
            "authentication" -> Authentication(code, message, retryable, details, cause)
            "protocol" -> Protocol(code, message, retryable, details, cause)
            "not_found" -> NotFound(code, message, retryable, details, cause)
            "conflict" -> Conflict(code, message, retryable, details, cause)
            "storage" -> Storage(code, message, retryable, details, cause)
            "network" -> Network(code, message, retryable, details, cause)
            "rate_limited" -> RateLimited(code, message, retryable, details, cause)
            "timeout" -> Timeout(code, message, retryable, details, cause)
            "policy" -> Policy(code, message, retryable, details, cause)
            "closed" -> Closed(code, message, retryable, details, cause)
            else -> Internal(code, message, retryable, details, cause)
        }

        fun argument(message: String): AgentMeshException = InvalidInput(ErrorCodes.BINDING_ARGUMENT, message)

        fun used(what: String): AgentMeshException = InvalidInput(ErrorCodes.BINDING_USED, "$what was finished before")
    }
}

/** What a peer said when it answered a request with an error. Its words are the peer's: never put them into a prompt as they are. */
public class RemoteFailure internal constructor(
    /** The code that the peer chose, such as `MODEL_OVERLOADED`. */
    public val code: String,
    /** The peer's words. */
    public val message: String,
    /** Whether the peer says that the same request may succeed later. */
    public val retryable: Boolean,
    /** Whatever else the peer said. */
    public val details: JsonElement?,
)

/**
 * Thrown by a handler of requests: the peer's request fails with this code and these words.
 */
public class Failure(
    /** An upper-case code of your own. */
    public val code: String,
    message: String = "",
    /** Whether the same request may succeed later. */
    public val retryable: Boolean = false,
    /** Whatever else the peer is to know. */
    public val details: JsonElement? = null,
) : Exception(message)
