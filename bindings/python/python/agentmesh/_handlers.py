"""Handing messages to handlers: in order for each sender, several senders at a time."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any, TypeAlias, Union, cast
from weakref import WeakValueDictionary

from ._errors import AgentMeshError, ClosedError, DeadlineError
from ._failure import Failure
from ._message import Message, Messages
from ._values import Event

__all__ = ["DeadLetterHandler", "EventHandler", "MessageHandler", "RequestHandler"]

MessageHandler: TypeAlias = Callable[[Message], Union[None, Awaitable[None]]]
"""Handles messages. Returning acknowledges the message, an exception gives it back."""

RequestHandler: TypeAlias = Callable[[Message], Any]
"""Handles requests. What it returns, or resolves to, is the response; what it yields is a stream."""

DeadLetterHandler: TypeAlias = Callable[[Message, Exception], Union[None, Awaitable[None]]]
"""Gets a message that is given up, and what its handler raised last."""

EventHandler: TypeAlias = Callable[[Event], Union[None, Awaitable[None]]]
"""Is told what happens besides messages."""

log = logging.getLogger("agentmesh")


class Dispatcher:
    """Runs handlers over messages until there are no more."""

    def __init__(
        self,
        on_message: MessageHandler | None,
        on_request: RequestHandler | None,
        concurrency: int,
        on_dead_letter: DeadLetterHandler | None = None,
        max_attempts: int | None = None,
    ) -> None:
        self._on_message = on_message
        self._on_request = on_request
        self._on_dead_letter = on_dead_letter
        self._max_attempts = max_attempts
        self._room = asyncio.Semaphore(concurrency)
        self._lanes: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, messages: Messages) -> None:
        """Takes messages as long as there is room for their handlers."""
        while True:
            await self._room.acquire()
            try:
                message = await messages.__anext__()
            except BaseException:
                self._room.release()
                raise
            lane = self._lanes.setdefault(message.sender, asyncio.Lock())
            task = asyncio.get_running_loop().create_task(self._handle(message, lane))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()

    async def drain(self, grace: float) -> None:
        """Lets handlers that run come to their end; cancels those that do not in time. Their messages come again."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _handle(self, message: Message, lane: asyncio.Lock) -> None:
        async with lane:
            try:
                await self._dispatch(message)
            except ClosedError as error:
                # The client was closed meanwhile: what was not acknowledged comes again. Or the reader of a stream left.
                log.debug("handling %r has ended: %s", message, error)
            except Exception as error:
                await self._failed(message, error)
            finally:
                if not message.is_done:
                    message.release()

    async def _failed(self, message: Message, error: Exception) -> None:
        if message.is_done:
            # Such as a stream, whose reader was told.
            log.error("a handler failed; %r was finished before", message, exc_info=error)
        elif self._max_attempts is not None and message.attempt + 1 >= self._max_attempts:
            await self._give_up(message, error)
        elif message.attempt == 0:
            log.error("a handler failed; %r comes again", message, exc_info=error)
        else:
            # Its traceback is in the log already.
            kind, times = type(error).__name__, message.attempt + 1
            log.error("a handler failed %d times; %r comes again: %s: %s", times, message, kind, error)

    async def _give_up(self, message: Message, error: Exception) -> None:
        log.error("a handler failed %d times; %r is given up", message.attempt + 1, message, exc_info=error)
        try:
            if self._on_dead_letter is not None:
                await call(self._on_dead_letter, message, error)
            if message.is_done:
                return
            if message.kind == "request":
                await message.fail("HANDLER_FAILED", "the request could not be handled")
            else:
                await message.ack()
        except ClosedError:
            pass
        except Exception:
            log.exception("the handler of dead letters failed; %r comes again", message)

    async def _dispatch(self, message: Message) -> None:
        if message.kind == "request" and self._on_request is not None:
            await answer(message, self._on_request)
        elif self._on_message is not None:
            await call(self._on_message, message)
            if not message.is_done:
                await message.ack()
        else:
            log.warning("there is no handler for %r; it comes again", message)


async def call(handler: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a handler: one that is no coroutine function in a thread, since it may block."""
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)
    ):
        return await handler(*arguments)
    result = await asyncio.to_thread(handler, *arguments)
    return await result if inspect.isawaitable(result) else result


async def answer(message: Message, handler: RequestHandler) -> None:
    """Answers a request by a handler."""
    if inspect.isasyncgenfunction(handler):
        await _stream(message, handler(message))
        return
    try:
        response = await call(handler, message)
    except Failure as failure:
        await message.fail(
            failure.code, failure.message, retryable=failure.retryable, details=failure.details
        )
        return
    if inspect.isasyncgen(response):
        await _stream(message, cast(AsyncIterator[Union[str, bytes]], response))
    elif inspect.isgenerator(response):
        await _stream(message, _from_thread(cast(Generator[Union[str, bytes], None, None], response)))
    elif not message.is_done:
        await _respond(message, response)
    elif response is not None:
        log.warning("a handler finished %r by hand; what it returned besides is not sent", message)


async def _respond(message: Message, response: Any) -> None:
    try:
        await message.respond(response)
    except DeadlineError as error:
        if error.code != "STAGE_NOT_REACHED":
            raise
        # The relay is out of reach, but the response is on disk and will be sent.
        await message.ack()
    except (TypeError, ValueError, RecursionError):
        # Also if it is too large. It would be the same the next time, and the peer waits.
        if message.is_done:
            raise
        log.exception("a handler's response cannot be sent; %r is answered with an error", message)
        await message.fail("RESPONSE_INVALID", "the response cannot be sent")


async def _from_thread(chunks: Generator[str | bytes, None, None]) -> AsyncIterator[str | bytes]:
    """What a generator yields that is no asynchronous one, each from a thread, since it may block."""
    end = object()
    try:
        while (chunk := await asyncio.to_thread(next, chunks, end)) is not end:
            yield cast(Union[str, bytes], chunk)
    finally:
        # It runs still if this was cancelled meanwhile; it is closed then when nobody holds it.
        with contextlib.suppress(ValueError):
            chunks.close()


async def _stream(message: Message, chunks: AsyncIterator[str | bytes]) -> None:
    if message.wants_stream:
        # A failure is what the handler wanted to say, and the stream has said it.
        with contextlib.suppress(Failure):
            async with message.stream() as outgoing:
                await outgoing.send_all(chunks)
        return
    whole: list[str] = []
    try:
        async for chunk in chunks:
            given: Any = chunk
            if not isinstance(given, (str, bytes)):
                raise TypeError(f"a handler of requests yields str or bytes, not {type(given).__name__}")
            whole.append(chunk if isinstance(chunk, str) else chunk.decode())
    except Failure as failure:
        await message.fail(
            failure.code, failure.message, retryable=failure.retryable, details=failure.details
        )
        return
    await _respond(message, "".join(whole))


async def tell(events: AsyncIterator[Event], handler: EventHandler) -> None:
    """Tells a handler every event."""
    async for event in events:
        try:
            await call(handler, event)
        except AgentMeshError as error:
            log.warning("a handler of events failed: %s", error)
        except Exception:
            log.exception("a handler of events failed")
