package dev.agentmesh

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Test
import java.nio.file.Files
import kotlin.test.assertEquals
import kotlin.test.assertIs
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds

class MessagesTest {
    private val hello = Payload.json("""{"hello":"wörld"}""")

    @Test
    fun `messages arrive once, in order, however slow their reader is`() = test {
        val (alice, bob) = agent() to agent()
        repeat(40) { alice.send(bob.amid, Payload.of(it), SendOptions(wait = Stage.QUEUED)) }
        val got = bob.messages().take(40).map { message ->
            message.ack()
            message.payload.decode<Int>()
        }.toList()
        assertEquals((0 until 40).toList(), got)
        assertEquals(listOf(alice.amid), bob.sessions().map { it.peer })
        alice.shutdown()
        bob.shutdown()
    }

    @Test
    fun `a message that its collector fails on comes again`() = test {
        val (alice, bob) = agent() to agent()
        alice.send(bob.amid, Payload.bytes(byteArrayOf(1, 2)))
        failsWith<ArithmeticException> { bob.messages().collect { throw ArithmeticException("a mistake") } }
        val again = bob.messages().first()
        assertEquals(1, again.attempt)
        assertEquals(Payload.bytes(byteArrayOf(1, 2)), again.payload)
        again.ack()
        assertTrue(again.isDone)
        assertEquals(ErrorCodes.BINDING_USED, failsWith<AgentMeshException.InvalidInput> { again.ack() }.code)
        alice.shutdown()
        bob.shutdown()
    }

    @Test
    fun `requests are answered by handlers, with a response, an error or a stream`() = test {
        val (alice, bob) = agent() to agent()
        val seen = mutableListOf<Throwable>()
        val serving = launch {
            bob.serve(
                Handlers(
                    onRequest = { request ->
                        when (request.payload.decode<String>()) {
                            "fail" -> throw Failure("MODEL_OVERLOADED", "later", retryable = true)
                            "stream" -> Answer.stream(flowOf("to", "ken", "s"))
                            "bad" -> Answer.of(Payload.json("{"))
                            else -> Answer.of(request.payload)
                        }
                    },
                    onError = { error, _ -> seen += error },
                ),
            )
        }
        assertEquals(Payload.of("x"), alice.request(bob.amid, Payload.of("x")).payload)
        val failed = failsWith<AgentMeshException> { alice.request(bob.amid, Payload.of("fail")) }
        val remote = assertNotNull(failed.remote)
        assertEquals("MODEL_OVERLOADED" to true, remote.code to remote.retryable)
        assertEquals(listOf("to", "ken", "s"), alice.stream(bob.amid, Payload.of("stream")).use { it.texts().toList() })
        assertEquals(Payload.of("tokens"), alice.request(bob.amid, Payload.of("stream")).payload)
        val bad = failsWith<AgentMeshException> { alice.request(bob.amid, Payload.of("bad")) }
        assertEquals("RESPONSE_INVALID", bad.remote?.code)
        assertEquals(1, seen.size)
        serving.cancelAndJoin()
        alice.shutdown()
        bob.shutdown()
    }

    @Test
    fun `a handler that fails gives its message back, and one that is slow holds up nobody else`() = test {
        val (alice, carol, bob) = Triple(agent(), agent(), agent())
        val gate = CompletableDeferred<Unit>()
        val order = mutableListOf<String>()
        var failures = 0
        val serving = launch {
            bob.serve(
                Handlers(
                    onMessage = { message ->
                        val text = message.payload.decode<String>()
                        if (text == "slow") gate.await()
                        if (text == "fails" && message.attempt == 0) throw ArithmeticException("once")
                        order += text
                    },
                    onError = { _, _ -> failures += 1 },
                ),
            )
        }
        alice.send(bob.amid, Payload.of("slow"), SendOptions(wait = Stage.DELIVERED))
        carol.send(bob.amid, Payload.of("fails"), Handled)
        gate.complete(Unit)
        alice.send(bob.amid, Payload.of("last"), Handled)
        assertEquals(listOf("fails", "slow", "last"), order)
        assertEquals(1, failures)
        serving.cancelAndJoin()
        listOf(alice, carol, bob).forEach { it.shutdown() }
    }

    @Test
    fun `handlers decide about sessions, and one that fails leaves it to the owner`() = test {
        val errors = mutableListOf<Throwable>()
        val bob = agent(
            policy = Policy.default(),
            onKnock = { knock ->
                when (knock.capability) {
                    "yes" -> Decision.Accept()
                    "no" -> Decision.Reject("not you")
                    else -> throw ArithmeticException("a mistake")
                }
            },
            onHandlerError = { errors += it },
        )
        fun asking(capability: String) = SendOptions(wait = Stage.DELIVERED, knock = KnockRequest(capability))
        val (alice, carol, dave) = Triple(agent(), agent(), agent())
        alice.send(bob.amid, hello, asking("yes"))
        val refused = failsWith<AgentMeshException.Policy> { carol.send(bob.amid, hello, SendOptions(wait = Stage.HANDLED, knock = KnockRequest("no"))) }
        assertEquals(ErrorCodes.SEND_KNOCK_REJECTED, refused.code)
        dave.send(bob.amid, hello, SendOptions(wait = Stage.STORED, knock = KnockRequest("?")))
        while (bob.pendingKnocks().isEmpty()) kotlinx.coroutines.delay(10.milliseconds)
        val pending = bob.pendingKnocks().single()
        assertEquals(dave.amid, pending.knock.sender)
        bob.acceptKnock(pending.knock.session)
        assertEquals(setOf(alice.amid, dave.amid), bob.messages().take(2).map { it.ack(); it.sender }.toList().toSet())
        assertTrue(errors.all { it is ArithmeticException } && errors.isNotEmpty())
        listOf(alice, carol, dave, bob).forEach { it.shutdown() }
    }

    @Test
    fun `a coroutine that is cancelled cancels the call`() = test {
        val (alice, bob) = agent() to agent()
        val asking = async(start = CoroutineStart.UNDISPATCHED) { alice.request(bob.amid, hello) }
        val request = bob.messages().first()
        asking.cancelAndJoin()
        // The requester is gone: the answer is delivered as a message of its own.
        request.respond(hello)
        val late = alice.messages().first()
        assertEquals("response" to request.id, late.kind to late.inReplyTo)
        late.ack()
        val waiting = launch(start = CoroutineStart.UNDISPATCHED) { bob.messages().collect { awaitCancellation() } }
        waiting.cancelAndJoin()
        alice.send(bob.amid, hello)
        bob.messages().first().ack()
        alice.shutdown()
        bob.shutdown()
    }

    @Test
    fun `a collector that never asks again keeps nothing from the next one`() = test {
        val (alice, bob) = agent() to agent()
        repeat(3) { alice.send(bob.amid, Payload.of(it), SendOptions(wait = Stage.DELIVERED)) }
        val took = CompletableDeferred<Message>()
        val stuck = launch {
            bob.messages().collect {
                took.complete(it)
                awaitCancellation()
            }
        }
        assertEquals(Payload.of(0), took.await().payload)
        // The first is with the stuck collector, the two that were handed on behind it are not.
        val rest = bob.messages().take(2).onEach { it.ack() }.map { it.payload }.toList()
        assertEquals(setOf(Payload.of(1), Payload.of(2)), rest.toSet())
        took.await().ack()
        stuck.cancelAndJoin()
        alice.shutdown()
        bob.shutdown()
    }

    @Test
    fun `a stream is held back by its reader, which may leave it`() = test {
        val (alice, bob) = agent() to agent()
        val asking = async { alice.stream(bob.amid, hello, StreamOptions(windowFrames = 4)) }
        val writer = bob.messages().first { it.wantsStream }.stream()
        val reader = asking.await()
        repeat(3) { writer.send(byteArrayOf(it.toByte())) }
        assertEquals(listOf(0, 1), reader.chunks().take(2).map { it.bytes.single().toInt() }.toList())
        assertEquals(2L, reader.next()?.number)
        reader.cancel("enough")
        assertNull(reader.next())
        assertEquals(ErrorCodes.STREAM_CANCELLED, failsWith<AgentMeshException> { writer.stopped() }.code)
        writer.close()
        reader.close()
        alice.shutdown()
        bob.shutdown()
    }

    @Test
    fun `events tell what happens, and end with the client`() = test {
        val bob = agent(online = false)
        val events = async(start = CoroutineStart.UNDISPATCHED) { bob.events().toList() }
        bob.connect()
        bob.shutdown()
        assertTrue("online" in events.await().map { it.type })
    }

    @Test
    fun `closing twice is fine, and a closed client says that it is closed`() = test {
        val bob = agent()
        val receiving = async(start = CoroutineStart.UNDISPATCHED) { bob.messages().toList() }
        bob.close()
        bob.close()
        bob.shutdown()
        assertEquals(emptyList(), receiving.await())
        assertTrue(bob.isClosed)
        assertIs<AgentMeshException.Closed>(failsWith<AgentMeshException> { bob.send(Identity.generate().amid, hello) })
    }

    @Test
    fun `the owner searches, looks up, limits and audits`() = test {
        val directory = Files.createTempDirectory("agentmesh-audit").toString()
        val alice = AgentMeshClient.create(
            ClientOptions(
                Storage.memory(), StoreKey.random(), TestServer.registry, TestServer.relay, displayName = "Alice",
                capabilities = listOf("kotlin/tests"), policy = Policy.permissive(), rateLimit = RateLimit(600, 10),
                auditLog = AuditSettings(directory),
            ),
        )
        alice.connect()
        assertEquals(alice.amid, alice.search("kotlin/tests").agents.single { it.amid == alice.amid }.amid)
        assertEquals("Alice", alice.lookup(alice.amid).displayName)
        assertTrue(alice.lookup(alice.amid).signingKey.contentEquals(alice.signingKey))
        assertEquals(10, alice.rateStatus().overall?.burst)
        assertEquals(CircuitState.RUNNING, alice.circuitState().state)
        val log = assertNotNull(alice.auditLog)
        log.log("tests.began", "hello", Severity.WARNING)
        log.flush()
        assertEquals(1, log.query(types = listOf("tests.began")).size)
        assertTrue("lines" in log.verify(log.anchor()))
        val peer = agent(online = false)
        alice.block(peer.amid)
        assertEquals(setOf(peer.amid), alice.circuitState().blocked.keys)
        assertEquals(ErrorCodes.PEER_BLOCKED, failsWith<AgentMeshException> { alice.send(peer.amid, hello) }.code)
        alice.shutdown()
        peer.shutdown()
    }
}
