package dev.agentmesh

import dev.agentmesh.internal.NativeAuditLog
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.put
import java.time.Instant

/** An agent's audit log: lines in a chain, each signed for by the next. */
public class AuditLog internal constructor(private val native: NativeAuditLog) {
    /** Logs an event of the application. Never waits. */
    public fun log(type: String, message: String, severity: Severity = Severity.INFO, peer: String? = null, metadata: JsonObject? = null): Unit =
        native { native.log(type, severity.name, message, peer, metadata?.toString()) }

    /** The events that match, oldest first. */
    public suspend fun query(
        types: List<String> = emptyList(),
        minSeverity: Severity? = null,
        peer: String? = null,
        session: String? = null,
        since: Instant? = null,
        until: Instant? = null,
        limit: Int? = null,
    ): List<JsonObject> {
        val conditions = buildJsonObject {
            put("types", JsonArray(types.map(::JsonPrimitive)))
            minSeverity?.let { put("min_severity", it.name) }
            peer?.let { put("peer", it) }
            session?.let { put("session", it) }
            since?.let { put("since", it.toEpochMilli()) }
            until?.let { put("until", it.toEpochMilli()) }
            limit?.let { put("limit", it) }
        }
        return wire.parseToJsonElement(native { native.query(conditions.toString()) }).jsonArray.map { it.jsonObject }
    }

    /** Checks the whole log; with an anchor, also that it still has what the anchor says. `AUDIT_BROKEN` if something is wrong. */
    public suspend fun verify(anchor: String? = null): JsonObject =
        wire.parseToJsonElement(native { native.verify(anchor) }).jsonObject

    /** Signs the end of the log; to be kept where its disk is not. */
    public suspend fun anchor(): String = native { native.anchor() }

    /** Returns when everything logged before is on disk. */
    public suspend fun flush(): Unit = native { native.flush() }
}
