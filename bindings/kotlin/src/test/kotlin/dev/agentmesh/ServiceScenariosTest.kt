package dev.agentmesh

import dev.agentmesh.services.AgentWebSocketClient
import dev.agentmesh.services.AgentWebSocketOptions
import dev.agentmesh.services.AgentWebSocketService
import dev.agentmesh.services.AgentWebSocketServiceOptions
import dev.agentmesh.services.ChannelOptions
import dev.agentmesh.services.ServiceEvent
import dev.agentmesh.services.SignalingClient
import dev.agentmesh.services.SignalingOptions
import dev.agentmesh.services.UserDataChannel
import dev.agentmesh.services.UserDataClient
import dev.agentmesh.services.UserDataOptions
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.channels.ReceiveChannel
import kotlinx.coroutines.flow.produceIn
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.TestFactory
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.name
import kotlin.io.path.readText
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** Plays the scenarios of signaling, agent WebSockets and user data that every language's tests play, each over a server of its own. */
class ServiceScenariosTest {
    @TestFactory
    fun scenarios(): List<DynamicTest> {
        val files = source.resolve("bindings/scenarios/services").listDirectoryEntries("*.json").sorted()
        check(files.size >= 3) { "only ${files.size} scenarios were found" }
        return files.map { file -> dynamicTest(file.name) { play(Json.parseToJsonElement(file.readText()).jsonObject) } }
    }

    private fun play(scenario: JsonObject) = DevServer().use { server ->
        test {
            val player = ServicesPlayer(server, this)
            for (order in scenario.getValue("steps").jsonArray) player.play(Step(order.jsonObject))
            player.close()
            coroutineContext.cancelChildren()
        }
    }
}

/** A step that knows what was read of it: a member that nobody looks at would be something that is not tested. */
private class Step(private val members: JsonObject) {
    private val unread = members.keys.toMutableSet()

    operator fun get(member: String): JsonElement = checkNotNull(find(member)) { "there is no $member" }

    fun find(member: String): JsonElement? = members[member].also { unread -= member }

    fun text(member: String): String = get(member).jsonPrimitive.content

    fun texts(member: String): List<String> = get(member).jsonArray.map { it.jsonPrimitive.content }

    fun textOrNull(member: String): String? = find(member)?.jsonPrimitive?.content

    fun end(): Unit = check(unread.isEmpty()) { "nobody knows $unread" }

    override fun toString(): String = members.toString()
}

/** Somebody, and what is told, which is read step by step. */
private class Party<C>(val client: C, val events: ReceiveChannel<ServiceEvent>)

private class ServicesPlayer(private val server: DevServer, private val scope: CoroutineScope) {
    private val rooms = mutableMapOf<String, Party<SignalingClient>>()
    private val ids = mutableMapOf<String, String>()
    private val signers = mutableMapOf<String, String>()
    private val services = mutableMapOf<String, AgentWebSocketService>()
    private val urls = mutableMapOf("server" to server["agent_websocket"])
    private val askers = mutableMapOf<String, Party<AgentWebSocketClient>>()
    private val data = UserDataClient(UserDataOptions(server["user_data"], "any-key-will-do"))
    private val channels = mutableMapOf<String, Party<UserDataChannel>>()

    suspend fun play(step: Step) {
        try {
            val code = step.textOrNull("error")
            if (code == null) run(step) else assertEquals(code, failsWith<AgentMeshException> { run(step) }.code)
            step.end()
        } catch (error: Throwable) {
            throw AssertionError("$step: $error", error)
        }
    }

    suspend fun close() {
        rooms.values.forEach { it.client.leave(urgent = true) }
        askers.values.forEach { it.client.shutdown() }
        services.values.forEach { it.shutdown() }
        channels.values.forEach { it.client.shutdown() }
    }

    private suspend fun run(step: Step) {
        when (val what = step.text("do")) {
            "join", "room", "roster", "signal", "signalled", "leave" -> signaling(what, step)
            "serve", "dial", "ask", "notify", "hang_up", "stop" -> agentWebSocket(what, step)
            "open_channel", "say", "tool", "history", "save_channel", "clear", "close_channel" -> channel(what, step)
            else -> userData(what, step)
        }
    }

    private fun id(name: String) = ids[name] ?: name

    /** The next event that is one of those that are looked for. */
    private suspend fun Party<*>.until(wanted: (ServiceEvent) -> Boolean): JsonObject {
        for (event in events) if (wanted(event)) return event.details
        error("the events have ended")
    }

    private suspend fun signaling(what: String, step: Step) {
        val at = step.text("at")
        if (what == "join") {
            val identity = step.find("signs")?.let { if (it.jsonPrimitive.boolean) Identity.generate() else null }
            val client = SignalingClient.join(SignalingOptions(server["signaling"], step.text("room"), signWith = identity))
            rooms[at] = Party(client, client.events().produceIn(scope))
            ids[at] = checkNotNull(client.id)
            identity?.let { signers[at] = it.amid }
            return
        }
        val party = rooms.getValue(at)
        when (what) {
            "room" -> {
                assertEquals(step.text("name"), party.client.room)
                assertEquals(step.texts("peers").map(ids::getValue), party.client.peers)
            }
            "roster" -> {
                fun named(member: String) = JsonArray(step.texts(member).map { JsonPrimitive(ids.getValue(it)) })
                fun ServiceEvent.some(member: String) = details.getValue(member).jsonArray.isNotEmpty()
                val roster = party.until { it.type == "roster" && (it.some("joined") || it.some("left")) }
                assertEquals(named("joined") to named("left"), roster["joined"] to roster["left"])
            }
            "signal" -> party.client.send(id(step.text("to")), step["value"])
            "signalled" -> {
                val signal = party.until { it.type == "signal" }
                assertEquals(ids.getValue(step.text("from")), signal.getValue("sender").jsonPrimitive.content)
                step.find("value")?.let { assertEquals(it, signal["value"]) }
                val signer = step.textOrNull("signed_by")?.let { JsonPrimitive(signers.getValue(it)) } ?: JsonNull
                assertEquals(signer to JsonNull, signal["signed_by"] to signal["problem"])
            }
            "leave" -> party.client.leave()
            else -> error("nobody knows how to $what")
        }
    }

    /** The agent of `serve`: it says the conversation, and `fail` it does not take. */
    private suspend fun answer(service: AgentWebSocketService) = service.serve { call ->
        if (call.messages.last().content == "fail") throw Failure("BUSY", "come back later")
        val pieces = call.messages.map { "${it.role}:${it.content}/" }
        pieces.forEach { call.delta(it) }
        pieces.joinToString("")
    }

    private suspend fun agentWebSocket(what: String, step: Step) {
        val at = step.text("at")
        when (what) {
            "serve" -> {
                val options = AgentWebSocketServiceOptions(systemPrompt = step.text("system_prompt"), tokens = step.texts("tokens"))
                val service = AgentWebSocketService.start(options)
                scope.launch { answer(service) }
                services[at] = service
                urls[at] = service.url
            }
            "dial" -> {
                val options = AgentWebSocketOptions(urls.getValue(step.text("to")), bearer = step.textOrNull("token"))
                val client = AgentWebSocketClient.connect(options)
                askers[at] = Party(client, client.events().produceIn(scope))
            }
            "ask" -> {
                val answer = ask(askers.getValue(at).client, step)
                val part = step.textOrNull("contains")
                if (part == null) assertEquals(step.text("answer"), answer) else assertTrue(part in answer, answer)
            }
            "notify" -> {
                val asker = askers.getValue(step.text("to"))
                val text = step.text("text")
                services.getValue(at).notify(checkNotNull(asker.client.session).getValue("session_id").jsonPrimitive.content, text)
                asker.until { it.type == "notification" && it["content"] == text }
            }
            "hang_up" -> askers.getValue(at).client.shutdown()
            "stop" -> services.getValue(at).shutdown()
            else -> error("nobody knows how to $what")
        }
    }

    private suspend fun ask(client: AgentWebSocketClient, step: Step): String {
        val question = step.text("text")
        val says = step.textOrNull("says").orEmpty()
        val pieces = step.find("pieces")?.let { step.texts("pieces") }
        try {
            if (pieces == null) return client.query(question).getValue("content").jsonPrimitive.content
            val parts = client.queryStream(question).toList()
            assertEquals(pieces, parts.dropLast(1).map { it["content"] })
            assertEquals("answer", parts.last().type)
            return checkNotNull(parts.last()["content"])
        } catch (error: AgentMeshException) {
            assertTrue(says in error.details.toString(), "${error.details}")
            throw error
        }
    }

    private suspend fun userData(what: String, step: Step) {
        val user = step.text("user")
        when (what) {
            "put_skill" -> data.putSkill(user, step.text("name"), step.text("content"))
            "skills" -> assertEquals(step["names"], data.listSkills(user).jsonObject["skills"])
            "skill" -> {
                val found = data.skill(user, step.text("name")).jsonObject
                assertEquals(step["name"] to step["content"], found["skillName"] to found["content"])
            }
            "delete_skill" -> data.deleteSkill(user, step.text("name"))
            "save_conversation" -> data.saveConversation(user, step["body"].jsonObject)
            "conversation" -> {
                val found = data.conversation(user, step.text("id")).jsonObject.getValue("conversation").jsonObject
                assertEquals(step["messages"] to step["more"], found["messages"] to found["more"])
            }
            "conversations" -> {
                val found = data.listConversations(user).jsonObject.getValue("conversations").jsonArray
                assertEquals(step.texts("ids"), found.map { it.jsonObject.getValue("conversationId").jsonPrimitive.content })
            }
            "delete_conversation" -> data.deleteConversation(user, step.text("id"))
            "put_settings" -> data.putSettings(user, "settings", step["values"].jsonObject)
            "settings" -> {
                val found = data.settings(user, "settings").jsonObject
                assertEquals(step["values"], found["settings"])
            }
            "delete_settings" -> data.deleteSettings(user, "settings")
            else -> error("nobody knows how to $what")
        }
    }

    private suspend fun channel(what: String, step: Step) {
        val at = step.text("at")
        if (what == "open_channel") {
            val channel = UserDataChannel.open(data, ChannelOptions(at, user = step.text("user"), tools = step.texts("tools")))
            channels[at] = Party(channel, channel.events().produceIn(scope))
            return
        }
        val party = channels.getValue(at)
        when (what) {
            "say" -> {
                val end = party.client.send(step.text("prompt")).toList().last()
                assertEquals("end" to step.text("answer"), end.type to end["text"])
            }
            "tool" -> {
                val tool = step.text("tool")
                party.client.send("/tool $tool {}").toList()
                fun ServiceEvent.of(member: String) = details.getValue(member).jsonObject
                val answered = party.until { it.type == "hook_answered" && it.of("request")["event"] == JsonPrimitive("PreToolUse") }
                assertEquals(JsonPrimitive(tool), answered.getValue("request").jsonObject["tool_name"])
                assertEquals(step["action"], answered.getValue("answer").jsonObject["action"])
            }
            "history" -> {
                val said = party.client.history()
                assertEquals(step.texts("texts"), said.map { it.jsonObject.getValue("text").jsonPrimitive.content })
            }
            "save_channel" -> party.client.save(step.text("user"), step.text("id"))
            "clear" -> party.client.clear()
            "close_channel" -> party.client.shutdown()
            else -> error("nobody knows how to $what")
        }
    }
}
