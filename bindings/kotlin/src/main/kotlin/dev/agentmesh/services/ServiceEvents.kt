package dev.agentmesh.services

import dev.agentmesh.internal.NativeItem
import dev.agentmesh.internal.NativeItems
import dev.agentmesh.native
import dev.agentmesh.wire
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.jsonObject

/** Something that a service tells: an event, or a piece of an answer. New types may come with every release. */
public class ServiceEvent internal constructor(item: NativeItem) {
    /** What: `joined`, `delta`, `closed` and so on. */
    public val type: String = item.kind

    /** Everything else that is known of it. May hold credentials. */
    public val details: JsonObject = wire.parseToJsonElement(item.details).jsonObject

    /** A member of [details] as text. */
    public operator fun get(name: String): String? = (details[name] as? JsonPrimitive)?.contentOrNull

    override fun toString(): String = "ServiceEvent($type)"
}

/** What is to be pulled, from when it is collected on; each collector asks anew. */
internal fun events(open: suspend () -> NativeItems): Flow<ServiceEvent> = flow {
    val items = native { open() }
    try {
        while (true) emit(ServiceEvent(native { items.next() } ?: break))
    } finally {
        items.destroy()
    }
}

/** JSON of the native library as an object. */
internal fun parsed(text: String): JsonObject = wire.parseToJsonElement(text).jsonObject
