package dev.agentmesh

import dev.agentmesh.services.AgentWebSocketClient
import dev.agentmesh.services.AgentWebSocketOptions
import dev.agentmesh.services.AgentWebSocketService
import dev.agentmesh.services.AgentWebSocketServiceOptions
import dev.agentmesh.services.AiwmClient
import dev.agentmesh.services.AiwmSupervisor
import dev.agentmesh.services.ChannelOptions
import dev.agentmesh.services.ControllerOptions
import dev.agentmesh.services.Negotiator
import dev.agentmesh.services.SignalingClient
import dev.agentmesh.services.SignalingOptions
import dev.agentmesh.services.UserDataChannel
import dev.agentmesh.services.UserDataClient
import dev.agentmesh.services.UserDataOptions
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put
import org.junit.jupiter.api.Test
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds

class ServicesTest {
    @Test
    fun `an agent in Kotlin answers WebSockets, whole and piece by piece`() = test {
        val service = AgentWebSocketService.start(AgentWebSocketServiceOptions(agentName = "Kotlin", tokens = listOf("s3cret")))
        val serving = launch {
            service.serve { call ->
                val question = call.messages.last().content
                if (question == "fail") throw ArithmeticException("a mistake")
                if (call.wantsDeltas) call.delta("you ")
                "you said $question"
            }
        }
        AgentWebSocketClient.connect(AgentWebSocketOptions(service.url, bearer = "s3cret")).use { client ->
            assertEquals("you said hello", client.query("hello").getValue("content").jsonPrimitive.content)
            val parts = client.queryStream("again").toList()
            assertEquals("answer" to "you said again", parts.last().type to parts.last()["content"])
            failsWith<AgentMeshException> { client.query("fail") }
            assertEquals("connected", client.events().first().type)
            client.shutdown()
        }
        assertTrue("messages" in service.stats)
        service.shutdown()
        serving.join()
    }

    @Test
    fun `two clients of a room signal`() = test {
        val url = "http://${TestServer.address}"
        val alice = SignalingClient.join(SignalingOptions(url, "kotlin-room"))
        val bob = SignalingClient.join(SignalingOptions(url, "kotlin-room"))
        alice.send(checkNotNull(bob.id), buildJsonObject { put("hello", "bob") })
        val signal = bob.events().first { it.type == "signal" }
        assertEquals(alice.id, signal["sender"])
        alice.leave()
        alice.leave()
        bob.close()
    }

    @Test
    fun `a negotiator says what there is to do`() {
        val negotiator = Negotiator("a", "b", offers = true)
        assertTrue(negotiator.takeActions().any { it.type == "create_offer" || it.type == "create_channel" })
        assertEquals(ErrorCodes.BINDING_ARGUMENT, failsWith<AgentMeshException> { negotiator.handle(buildJsonObject { put("type", "?") }) }.code)
    }

    @Test
    fun `without a controller a supervisor works with what is here`() = test {
        AiwmSupervisor.start().use { supervisor ->
            assertEquals("disabled", supervisor.state)
            assertEquals(404, supervisor.respond("/nowhere").status)
            supervisor.shutdown()
        }
        assertIs<AgentMeshException.InvalidInput>(
            failsWith<AgentMeshException> { AiwmClient(ControllerOptions("ftp://nowhere", "0123456789abcdef01234567", "s3cret")) },
        )
        val client = AiwmClient(ControllerOptions("http://127.0.0.1:9", "0123456789abcdef01234567", "s3cret"))
        assertIs<AgentMeshException.Network>(failsWith<AgentMeshException> { client.connect() })
    }

    @Test
    fun `user data that cannot be reached is a network error`() = test {
        val client = UserDataClient(UserDataOptions("http://127.0.0.1:9", retryPauses = listOf(1.milliseconds)))
        assertIs<AgentMeshException.Network>(failsWith<AgentMeshException> { client.listSkills("me") })
        assertIs<AgentMeshException.Network>(failsWith<AgentMeshException> { UserDataChannel.open(client, ChannelOptions("session", user = "me")) })
    }
}
