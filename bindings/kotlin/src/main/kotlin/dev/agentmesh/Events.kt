package dev.agentmesh

import dev.agentmesh.internal.NativeEvent
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/** Something that happened to an agent besides messages. New types may come with every release. */
public class AgentEvent internal constructor(event: NativeEvent) {
    /** What: `online`, `progress`, `session_established` and so on. */
    public val type: String = event.kind

    /** Everything else that is known of it. */
    public val details: JsonObject = wire.parseToJsonElement(event.details).jsonObject

    /** What a peer says, of `status` events. */
    public val payload: Payload = Payload.of(event.payload)

    /** A member of [details] as text. */
    public operator fun get(name: String): String? = details[name]?.jsonPrimitive?.contentOrNull

    override fun toString(): String = "AgentEvent($type $details)"
}
