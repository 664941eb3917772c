package dev.agentmesh

import dev.agentmesh.services.AgentStatus
import dev.agentmesh.services.AiwmClient
import dev.agentmesh.services.AiwmSupervisor
import dev.agentmesh.services.ControllerOptions
import dev.agentmesh.services.SupervisorOptions
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import org.junit.jupiter.api.Test
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.nio.file.Files
import kotlin.io.path.writeText
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds

/** A controller, which is that of `agentmesh dev`, and its agents. */
class AiwmTest {
    private val http = HttpClient.newHttpClient()

    /** What an administrator of the controller does. */
    private suspend fun administer(method: String, path: String, body: String? = null): JsonObject = withContext(Dispatchers.IO) {
        val request = HttpRequest.newBuilder(URI(DevServer["aiwm"] + path))
            .header("Authorization", "Bearer ${DevServer["aiwm_admin_token"]}")
            .header("Content-Type", "application/json")
            .method(method, body?.let(HttpRequest.BodyPublishers::ofString) ?: HttpRequest.BodyPublishers.noBody())
            .build()
        val answer = http.send(request, HttpResponse.BodyHandlers.ofString())
        check(answer.statusCode() in 200..299) { "$method $path: ${answer.statusCode()}" }
        if (answer.body().isEmpty()) JsonObject(emptyMap()) else Json.parseToJsonElement(answer.body()).jsonObject
    }

    private fun JsonObject.text(name: String): String = getValue(name).jsonPrimitive.content

    private fun JsonObject.at(vararg path: String): JsonElement? =
        path.fold<String, JsonElement?>(this) { inner, name -> (inner as? JsonObject)?.get(name) }

    private suspend fun known(): ControllerOptions {
        val settings = """{"claudeModel":"m","discord":{"token":"bot-token","channelIds":["1","2"]}}"""
        val agent = """{"name":"support","description":"d","status":"active","settings":$settings}"""
        val id = administer("POST", "/agents", agent).text("_id")
        return ControllerOptions(DevServer["aiwm"], id, administer("POST", "/agents/$id/credentials/regenerate", "{}").text("secret"))
    }

    @Test
    fun `the client connects, beats and goes`() = test {
        val controller = known()
        val client = AiwmClient(controller)
        val connected = client.connect()
        assertEquals(JsonPrimitive("m"), connected.answer.at("settings", "claudeModel"))
        client.heartbeat(connected.token, AgentStatus.BUSY, buildJsonObject { put("cpu", 0.5) })
        val report = administer("GET", "/agents/${controller.agentId}")
        assertEquals(JsonPrimitive("busy"), report.at("lastReport", "status"))
        client.disconnect(connected.token, "shutdown")
        val wrong = AiwmClient(ControllerOptions(controller.baseUrl, controller.agentId, "not-the-secret"))
        assertEquals(ErrorCodes.AIWM_AUTH_REJECTED, failsWith<AgentMeshException.Authentication> { wrong.connect() }.code)
    }

    @Test
    fun `the supervisor configures, beats and hears of the end`() = test {
        val controller = known()
        val supervisor = AiwmSupervisor.start(SupervisorOptions(controller, heartbeat = 50.milliseconds))
        assertEquals("online", supervisor.state)
        assertEquals("m", supervisor.config.text("model"))
        assertEquals(JsonPrimitive("bot-token"), supervisor.config.at("discord", "token"))
        supervisor.status = AgentStatus.BUSY
        supervisor.setMetrics(buildJsonObject { put("queue", 3) })
        val path = "/agents/${controller.agentId}"
        while (administer("GET", path).at("lastReport", "metrics", "queue") != JsonPrimitive(3)) delay(10.milliseconds)
        assertEquals("ok", supervisor.health.text("status"))
        assertTrue("aiwm_heartbeat_success_total" in supervisor.respond("/metrics").body)
        assertTrue(supervisor.counters.text("aiwm_heartbeat_success_total").toInt() > 0)
        val deleted = async(start = CoroutineStart.UNDISPATCHED) { supervisor.events().first { it.type == "agent_deleted" } }
        administer("DELETE", path)
        deleted.await()
        supervisor.shutdown()
        assertEquals("stopped", supervisor.state)
    }

    @Test
    fun `without a controller the environment says everything`() = test {
        val file = Files.createTempDirectory("agentmesh-aiwm").resolve(".env")
        file.writeText("CLAUDE_MODEL=local\nDISCORD_TOKEN=hush\n")
        AiwmSupervisor.start(SupervisorOptions(envFile = file.toString())).use { supervisor ->
            assertEquals("disabled" to "local", supervisor.state to supervisor.config.text("model"))
            supervisor.shutdown()
        }
    }
}
