package dev.agentmesh

import dev.agentmesh.services.ChannelOptions
import dev.agentmesh.services.HookAnswer
import dev.agentmesh.services.UserDataChannel
import dev.agentmesh.services.UserDataClient
import dev.agentmesh.services.UserDataOptions
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** User data: skills, conversations, settings, and the channel to an agent, against that of `agentmesh dev`. */
class UserDataTest {
    private val data = UserDataClient(UserDataOptions(DevServer["user_data"], "any-key-will-do"))

    private fun JsonElement.text(name: String): String = jsonObject.getValue(name).jsonPrimitive.content

    private fun parse(text: String): JsonObject = Json.parseToJsonElement(text).jsonObject

    @Test
    fun `skills, conversations and settings are kept`() = test {
        assertTrue(data.putSkill("kotlin", "débug.md", "# Wörld").text("key").startsWith("users/kotlin/skills/"))
        assertEquals(listOf("débug.md"), data.listSkills("kotlin").jsonObject.getValue("skills").jsonArray.map { it.jsonPrimitive.content })
        assertEquals("# Wörld", data.skill("kotlin", "débug.md").text("content"))
        data.deleteSkill("kotlin", "débug.md")
        val gone = failsWith<AgentMeshException.NotFound> { data.skill("kotlin", "débug.md") }
        assertEquals(ErrorCodes.USER_DATA_NOT_FOUND, gone.code)
        val name = failsWith<AgentMeshException.InvalidInput> { data.putSkill("kotlin", "../x", "y") }
        assertEquals(ErrorCodes.USER_DATA_INVALID_NAME, name.code)

        val conversation = parse("""{"conversationId":"c1","messages":[{"role":"user","content":"Hello"}],"more":{"a":[1.5,null]}}""")
        data.saveConversation("kotlin", conversation)
        assertEquals(conversation, data.conversation("kotlin", "c1").jsonObject["conversation"])
        val listed = data.listConversations("kotlin").jsonObject.getValue("conversations").jsonArray
        assertEquals(listOf("c1"), listed.map { it.text("conversationId") })
        data.deleteConversation("kotlin", "c1")

        data.putSettings("kotlin", "preferences", parse("""{"theme":"dark"}"""))
        assertEquals(parse("""{"theme":"dark"}"""), data.settings("kotlin", "preferences").jsonObject["settings"])
        data.deleteSettings("kotlin", "preferences")
        failsWith<AgentMeshException.NotFound> { data.settings("kotlin", "preferences") }
        assertTrue(data.health().text("status") in listOf("healthy", "ok"))
    }

    @Test
    fun `a conversation with an agent is read as it comes, and saved`() = test {
        data.putSkill("talker", "debugging.md", "# Debugging")
        val channel = UserDataChannel.open(data, ChannelOptions("kotlin-1", user = "talker"))
        assertTrue(channel.isConnected)
        assertEquals(1, checkNotNull(channel.setup).answer.getValue("skillsLoaded").jsonArray.size)
        val parts = channel.send("hello wörld").toList()
        assertEquals("end" to "hello wörld", parts.last().type to parts.last()["text"])
        assertEquals("hello wörld", parts.filter { it.type == "delta" }.joinToString("") { it["content"].orEmpty() })
        channel.send("again").toList()
        assertEquals(listOf("again", "again"), channel.history().takeLast(2).map { it.text("text") })
        channel.save("talker", "conv-1")
        val saved = data.conversation("talker", "conv-1").jsonObject.getValue("conversation").jsonObject
        assertEquals(4, saved.getValue("messages").jsonArray.size)
        channel.clear()
        assertEquals(0, channel.history().size)
        channel.shutdown()
        assertEquals("closed", channel.events().toList().last().type)
        data.destroySandbox("kotlin-1")
    }

    @Test
    fun `hooks are answered by a policy and by handlers`() = test {
        val cases = listOf(
            Triple(ChannelOptions("hooks-0"), "Read", "deny"),
            Triple(ChannelOptions("hooks-1", tools = listOf("Read")), "Read", "continue"),
            Triple(ChannelOptions("hooks-2", onHook = { if (it.toolName == "Read") HookAnswer.approve() else HookAnswer.deny("no") }), "Read", "approve"),
            Triple(ChannelOptions("hooks-3", tools = listOf("Read"), onHook = { error("as a bug would") }), "Read", "continue"),
        )
        for ((options, tool, action) in cases) {
            val channel = UserDataChannel.open(data, options)
            channel.send("/tool $tool {}").toList()
            val answered = channel.events().first { it.type == "hook_answered" && it.details["request"]?.text("event") == "PreToolUse" }
            assertEquals(JsonPrimitive(action), answered.details.getValue("answer").jsonObject["action"], options.session)
            channel.shutdown()
        }
    }
}
