package dev.agentmesh

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Job
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.fold
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Semaphore
import java.util.concurrent.ConcurrentHashMap

/** What answers a request: one payload, or several pieces as a stream. */
public sealed class Answer {
    internal class Whole(val payload: Payload) : Answer()

    internal class Pieces(val texts: Flow<String>) : Answer()

    public companion object {
        /** A response. */
        public fun of(payload: Payload): Answer = Whole(payload)

        /** A stream, or one text of all of it if the peer wants no stream. */
        public fun stream(texts: Flow<String>): Answer = Pieces(texts)
    }
}

/**
 * What [AgentMeshClient.serve] calls. A handler that returns has handled its message; one that throws gives it back, and it comes
 * again, unless it threw a [Failure], which is the answer to a request.
 */
public class Handlers(
    /** Handles messages, and requests if there is no [onRequest]: answer them with [Message.respond]. */
    public val onMessage: (suspend (Message) -> Unit)? = null,
    /** Answers requests. */
    public val onRequest: (suspend (Message) -> Answer)? = null,
    /** Handlers that run at a time. */
    public val concurrency: Int = 16,
    /** Is told what handlers throw. */
    public val onError: (Throwable, Message) -> Unit = { error, message -> System.err.println("agentmesh: a handler failed on $message: $error") },
)

/** Runs handlers over messages until there are no more and the handlers have ended. */
internal suspend fun dispatch(messages: Flow<Message>, handlers: Handlers): Unit = coroutineScope {
    val lanes = ConcurrentHashMap<String, Job>()
    val room = Semaphore(handlers.concurrency)
    messages.collect { message ->
        room.acquire()
        val before = lanes[message.sender]
        val lane = launch(start = CoroutineStart.LAZY) {
            before?.join()
            handle(message, handlers)
        }
        lanes[message.sender] = lane
        lane.invokeOnCompletion {
            lanes.remove(message.sender, lane)
            room.release()
        }
        lane.start()
    }
}

private suspend fun handle(message: Message, handlers: Handlers) {
    try {
        val answer = handlers.onRequest
        val handler = handlers.onMessage
        if (message.isRequest && answer != null) {
            respond(message, answer, handlers)
        } else if (handler != null) {
            handler(message)
            if (!message.isDone) message.ack()
        } else {
            throw AgentMeshException.argument("there is no handler for messages of kind ${message.kind}")
        }
    } catch (cancelled: CancellationException) {
        throw cancelled
    } catch (closed: AgentMeshException.Closed) {
        // Closed meanwhile: what was not acknowledged comes again.
    } catch (error: Throwable) {
        handlers.onError(error, message)
    } finally {
        if (!message.isDone) runCatching { message.release() }
    }
}

private suspend fun respond(message: Message, answer: suspend (Message) -> Answer, handlers: Handlers) {
    val made = try {
        answer(message)
    } catch (failure: Failure) {
        message.fail(failure.code, failure.message.orEmpty(), failure.retryable, failure.details)
        return
    }
    if (message.isDone) return
    when (made) {
        is Answer.Whole -> whole(message, made.payload, handlers)
        is Answer.Pieces ->
            if (message.wantsStream) pieces(message, made.texts)
            else whole(message, Payload.of(made.texts.fold("") { all, text -> all + text }), handlers)
    }
}

/** What is too large, or no JSON, would be so the next time, too, and the peer waits: it is told. */
private suspend fun whole(message: Message, payload: Payload, handlers: Handlers) {
    try {
        message.respond(payload)
    } catch (error: AgentMeshException.InvalidInput) {
        if (message.isDone) throw error
        handlers.onError(error, message)
        message.fail("RESPONSE_INVALID", "the response cannot be sent")
    }
}

private suspend fun pieces(message: Message, texts: Flow<String>): Unit = message.stream().use { stream ->
    // A request that came again goes on where its stream was.
    var skip = stream.position
    try {
        texts.collect { text -> if (skip > 0) skip -= 1 else stream.send(text) }
    } catch (cancelled: CancellationException) {
        throw cancelled
    } catch (failure: Failure) {
        stream.fail(failure.code, failure.message.orEmpty(), failure.retryable)
        return
    } catch (error: Throwable) {
        if (stream.isStopped) return
        stream.fail("STREAM_HANDLER_FAILED", error::class.java.simpleName)
        throw error
    }
    stream.finish()
}
