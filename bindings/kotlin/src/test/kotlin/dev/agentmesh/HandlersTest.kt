package dev.agentmesh

import dev.agentmesh.internal.NativeContent
import dev.agentmesh.internal.NativeDelivery
import dev.agentmesh.internal.NativeMessage
import dev.agentmesh.internal.NativePayload
import dev.agentmesh.internal.NoHandle
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.test.currentTime
import kotlinx.coroutines.test.runTest
import org.junit.jupiter.api.Test
import kotlin.test.assertEquals
import kotlin.time.Duration.Companion.hours

/** How handlers are run, in virtual time: messages have no native half here. */
@OptIn(ExperimentalCoroutinesApi::class)
class HandlersTest {
    private class Fake : NativeMessage(NoHandle) {
        var end: String? = null

        override suspend fun ack() {
            end = "acknowledged"
        }

        override fun release() {
            end = "given back"
        }

        override fun isDone(): Boolean = end != null
    }

    private val fakes = mutableListOf<Fake>()

    private fun message(sender: String, id: String): Message {
        val content = NativeContent(sender, id, "message", 0u, null, 0u, 0u, NativePayload.Empty, null, null, false)
        return Message(NativeDelivery(content, 0u, Fake().also { fakes += it }))
    }

    @Test
    fun `messages of one sender are handled one after the other, those of several at a time`() = runTest {
        val done = mutableListOf<String>()
        val handlers = Handlers(onMessage = {
            delay(1.hours)
            done += it.id
        })
        dispatch(listOf(message("a", "a1"), message("a", "a2"), message("b", "b1")).asFlow(), handlers)
        assertEquals(listOf("a1", "b1", "a2"), done)
        assertEquals(2.hours.inWholeMilliseconds, currentTime)
        assertEquals(List(3) { "acknowledged" }, fakes.map { it.end })
    }

    @Test
    fun `no more handlers run than are allowed`() = runTest {
        val handlers = Handlers(onMessage = { delay(1.hours) }, concurrency = 2)
        dispatch(List(6) { message("sender $it", "$it") }.asFlow(), handlers)
        assertEquals(3.hours.inWholeMilliseconds, currentTime)
    }

    @Test
    fun `a handler that fails gives its message back, and the next one is handled`() = runTest {
        val told = mutableListOf<String>()
        val handlers = Handlers(
            onMessage = { if (it.id == "bad") throw ArithmeticException("a mistake") },
            onError = { error, message -> told += "${message.id}: ${error.message}" },
        )
        dispatch(listOf(message("a", "bad"), message("a", "good")).asFlow(), handlers)
        assertEquals(listOf("bad: a mistake"), told)
        assertEquals(listOf("given back", "acknowledged"), fakes.map { it.end })
    }
}
