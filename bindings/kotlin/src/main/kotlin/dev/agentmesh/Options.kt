package dev.agentmesh

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlin.time.Duration

/** How much may be sent, how fast. */
public class RateLimit(
    /** Messages in a minute, in the long run. */
    public val perMinute: Int,
    /** Messages at once. */
    public val burst: Int,
) {
    internal fun json(): JsonObject = buildJsonObject {
        put("per_minute", perMinute)
        put("burst", burst)
    }
}

/** How grave an event of an audit log is. */
public enum class Severity {
    /** For whoever looks for a mistake. */
    DEBUG,

    /** What happens. */
    INFO,

    /** What was refused. */
    WARNING,

    /** What went wrong. */
    ERROR,

    /** What needs somebody at once. */
    CRITICAL,
}

/** Where an agent keeps an audit log. */
public class AuditSettings(
    /** The directory. */
    public val directory: String,
    /** Under a key that follows from the store key. */
    public val encrypted: Boolean = false,
    /** Less grave events are not logged. */
    public val minSeverity: Severity? = null,
)

/** What is done about an identity that is in a storage, and about one that is not. */
public enum class OpenMode {
    /** It must be there. */
    LOAD,

    /** It may be there; else one is made. */
    OPEN_OR_CREATE,

    /** It must not be there. */
    CREATE_NEW,
}

/** How an agent is opened. Everything but [storage] has a default; what is `null` is left to the library. */
public class ClientOptions(
    /** Where its state is kept. */
    public val storage: Storage,
    /** Seals what is stored. */
    public val key: StoreKey = StoreKey.Missing,
    /** Default: the environment variable `AGENTMESH_REGISTRY_URL`, else `https://agentmesh.online/v1`. */
    public val registryUrl: String? = null,
    /** Default: the environment variable `AGENTMESH_RELAY_URL`, else `wss://relay.agentmesh.online/v1/connect`. */
    public val relayUrl: String? = null,
    /** Works with neither registry nor relay. */
    public val offline: Boolean = false,
    /** The identity for a new store; without, one is made. */
    public val identity: Identity? = null,
    /** A backup for a new store. */
    public val backup: Backup? = null,
    /** What the identity is called in its store. */
    public val identityKey: String? = null,
    /** Whether the identity must be there. */
    public val mode: OpenMode = OpenMode.OPEN_OR_CREATE,
    /** Shown in the registry. */
    public val displayName: String? = null,
    /** What the agent can do. */
    public val capabilities: List<String>? = null,
    /** Who may open sessions. Default: [Policy.verified]. */
    public val policy: Policy? = null,
    /** A file that says it, followed as it changes. */
    public val policyFile: String? = null,
    /** How often that file is looked at. */
    public val policyPoll: Duration? = null,
    /** Decides about sessions that the policy lets through; without, they are accepted. */
    public val onKnock: KnockHandler? = null,
    /** How long that may take. */
    public val knockTimeout: Duration? = null,
    /** How long [AgentMeshClient.connect] waits. */
    public val connectTimeout: Duration? = null,
    /** Messages handed on and not acknowledged, at most. */
    public val deliveryWindow: Int? = null,
    /** How often the registry is told that the agent is online. */
    public val heartbeat: Duration? = null,
    /** The largest payload taken from a peer, in bytes. */
    public val maxPayload: Long? = null,
    /** How fast messages may be sent, all together. */
    public val rateLimit: RateLimit? = null,
    /** How fast messages may be sent to one peer. */
    public val peerRateLimit: RateLimit? = null,
    /** Messages that the relay takes in a minute, for streams; 0 if it does not limit them. */
    public val relayMessagesPerMinute: Int? = null,
    /** How long chunks of a stream may wait for a reader that consumes nothing. */
    public val streamStallTimeout: Duration? = null,
    /** Keeps an audit log. */
    public val auditLog: AuditSettings? = null,
    /** Whether registry and relay may be reached unencrypted on other machines. */
    public val allowInsecure: Boolean = false,
    /** Whether peers that speak only `agentmesh/0.2` may be spoken to. */
    public val allowLegacy: Boolean = false,
    /** Is told what handlers throw; default: the thread's handler of uncaught exceptions is left alone, and it is printed. */
    public val onHandlerError: (Throwable) -> Unit = { error -> System.err.println("agentmesh: a handler failed: $error") },
) {
    internal fun json(): String = buildJsonObject {
        put("registry_url", registryUrl ?: variable("AGENTMESH_REGISTRY_URL"))
        put("relay_url", relayUrl ?: variable("AGENTMESH_RELAY_URL"))
        put("offline", offline)
        identityKey?.let { put("identity_key", it) }
        displayName?.let { put("display_name", it) }
        capabilities?.let { put("capabilities", JsonArray(it.map(::JsonPrimitive))) }
        policy?.let { put("policy", it.rules) }
        policyFile?.let { put("policy_file", it) }
        span("policy_poll_ms", policyPoll)
        if (rateLimit != null || peerRateLimit != null) {
            put("rate_limits", buildJsonObject {
                rateLimit?.let { put("overall", it.json()) }
                peerRateLimit?.let { put("per_peer", it.json()) }
            })
        }
        span("knock_timeout_ms", knockTimeout)
        span("connect_timeout_ms", connectTimeout)
        deliveryWindow?.let { put("delivery_window", it) }
        span("heartbeat_ms", heartbeat)
        maxPayload?.let { put("max_payload", it) }
        relayMessagesPerMinute?.let { put("relay_messages_per_minute", it) }
        span("stream_stall_timeout_ms", streamStallTimeout)
        auditLog?.let {
            put("audit", buildJsonObject {
                put("directory", it.directory)
                put("encrypted", it.encrypted)
                it.minSeverity?.let { least -> put("min_severity", least.name) }
            })
        }
        put("allow_insecure", allowInsecure)
        put("allow_legacy", allowLegacy)
    }.toString()

    private fun variable(name: String): String? = if (offline) null else System.getenv(name)
}

/** How a message is sent. */
public class SendOptions(
    /** The stage to wait for. Default: [Stage.STORED]. */
    public val wait: Stage? = null,
    /** How long to wait for it; then `STAGE_NOT_REACHED`, and the message stays queued. Default: 30 seconds. */
    public val timeout: Duration? = null,
    /** The message's id, from [AgentMeshClient.newId]; makes sending it again after a crash harmless. */
    public val id: String? = null,
    /** What the session is wanted for, should this message open one. */
    public val knock: KnockRequest? = null,
    /** How the session is to be used, should this message open one. */
    public val sessionType: SessionType? = null,
    /** The schema that the payload follows. */
    public val schema: String? = null,
    /** A W3C `traceparent`, sealed into the message. */
    public val trace: String? = null,
    /** How long the session is to live that this message may open. */
    public val sessionTtl: Duration? = null,
    /** When to give up. */
    public val expiresIn: Duration? = null,
) {
    internal fun put(builder: JsonObjectBuilder): Unit = with(builder) {
        wait?.let { put("wait", it.ordinal) }
        span("timeout_ms", timeout)
        id?.let { put("id", it) }
        knock?.let { put("knock", it.json()) }
        sessionType?.let { put("session_type", it.wireName) }
        schema?.let { put("schema", it) }
        trace?.let { put("trace", it) }
        span("session_ttl_ms", sessionTtl)
        span("expires_in_ms", expiresIn)
    }

    internal fun json(): String? = settings { put(this) }
}

/** How a stream is asked for. */
public class StreamOptions(
    /** How the request is sent. */
    public val send: SendOptions? = null,
    /** Reading fails when nothing came for this long; the stream can be resumed. Default: a minute. */
    public val idleTimeout: Duration? = null,
    /** Frames that may be on their way or here, unconsumed. */
    public val windowFrames: Int? = null,
    /** Bytes of them. */
    public val windowBytes: Int? = null,
    /** Whether chunks count as consumed only when [IncomingStream.ack] says so. */
    public val manualAck: Boolean = false,
) {
    internal fun json(): String? = settings {
        send?.put(this)
        span("idle_timeout_ms", idleTimeout)
        windowFrames?.let { put("window_frames", it) }
        windowBytes?.let { put("window_bytes", it) }
        if (manualAck) put("manual_ack", true)
    }
}

internal fun JsonObjectBuilder.span(name: String, span: Duration?) {
    span?.let { put(name, it.millis()) }
}
