"""The same without asyncio, for scripts: every call waits for its result.

One loop in the background serves all clients of the process::

    from agentmesh import Key, SQLiteStorage
    from agentmesh.sync import AgentMeshClient

    with AgentMeshClient(SQLiteStorage("agent.db"), key=Key.file("agent.key")) as client:
        client.send(peer, {"hello": "world"})
        for message in client.messages():
            with message:
                print(message.sender, message.payload)

Clients may be used from several threads. What is not here is reached by :meth:`AgentMeshClient.run`.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

from . import _client
from ._message import Message as AsyncMessage
from ._stream import Chunk
from ._stream import IncomingStream as AsyncStream
from ._values import (
    CircuitStatus,
    Event,
    Listing,
    OutboxItem,
    Payload,
    SearchPage,
    Seconds,
    Sent,
    SessionSummary,
    Stage,
)

__all__ = ["AgentMeshClient", "IncomingStream", "Message"]

T = TypeVar("T")


class _BackgroundLoop:
    """A loop on a thread, started by the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaitable: Awaitable[T]) -> T:
        async def awaiting() -> T:
            return await awaitable

        running: Future[T] = asyncio.run_coroutine_threadsafe(awaiting(), self._started())
        try:
            return running.result()
        except BaseException:
            # Such as KeyboardInterrupt: nobody waits for the result any more.
            running.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=self._loop.run_forever, name="agentmesh-loop", daemon=True
                )
                thread.start()
            return self._loop


_background = _BackgroundLoop()


def _forget() -> None:
    # The child of a fork has no thread that runs the loop.
    global _background
    _background = _BackgroundLoop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _run(awaitable: Awaitable[T]) -> T:
    return _background.run(awaitable)


class Message:
    """A message for the application: see :class:`agentmesh.Message`, whose attributes it has."""

    __slots__ = ("asynchronous",)
    asynchronous: AsyncMessage
    """The message as asyncio has it."""

    def __init__(self, message: AsyncMessage) -> None:
        self.asynchronous = message

    def __getattr__(self, name: str) -> Any:
        return getattr(self.asynchronous, name)

    @property
    def sender(self) -> str:
        """Who sent it, proven by the session."""
        return self.asynchronous.sender

    @property
    def id(self) -> str:
        """The sender's id for it."""
        return self.asynchronous.id

    @property
    def kind(self) -> str:
        """What it is: ``message``, ``request`` and so on."""
        return self.asynchronous.kind

    @property
    def payload(self) -> Any:
        """What it says."""
        return self.asynchronous.payload

    def ack(self) -> None:
        """Marks the message as handled, and tells the sender so."""
        _run(self.asynchronous.ack())

    def release(self) -> None:
        """Gives the message back: it comes again after a pause."""
        self.asynchronous.release()

    def respond(self, payload: Payload = None, *, wait: Stage = Stage.STORED) -> Sent:
        """Answers a request and marks it as handled."""
        return _run(self.asynchronous.respond(payload, wait=wait))

    def fail(
        self, code: str, message: str = "", *, retryable: bool = False, details: Any = None
    ) -> Sent:
        """Answers a request with an error and marks it as handled."""
        failing = self.asynchronous.fail(code, message, retryable=retryable, details=details)
        return _run(failing)

    def __enter__(self) -> Message:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _run(self.asynchronous.__aexit__(kind, error, traceback))

    def __repr__(self) -> str:
        return repr(self.asynchronous)


class IncomingStream:
    """An answer that comes in pieces: an iterator of chunks."""

    __slots__ = ("asynchronous",)
    asynchronous: AsyncStream
    """The stream as asyncio has it."""

    def __init__(self, stream: AsyncStream) -> None:
        self.asynchronous = stream

    @property
    def id(self) -> str:
        """The request; it names the stream."""
        return self.asynchronous.id

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        chunk: Chunk | None = _run(_next(self.asynchronous))
        if chunk is None:
            raise StopIteration
        return chunk

    def read(self) -> str:
        """Everything that is still to come, as one text."""
        return _run(self.asynchronous.read())

    def cancel(self, reason: str = "") -> None:
        """Ends the stream; its sender hears ``reason``."""
        _run(self.asynchronous.cancel(reason))

    def __enter__(self) -> IncomingStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return repr(self.asynchronous)


async def _next(items: Any) -> Any:
    # A StopAsyncIteration does not get through a future.
    try:
        return await items.__anext__()
    except StopAsyncIteration:
        return None


class AgentMeshClient:
    """An agent: see :class:`agentmesh.AgentMeshClient`, whose arguments it takes."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self.asynchronous = _client.AgentMeshClient(*arguments, **settings)
        """The client as asyncio has it."""

    def run(self, call: Callable[[_client.AgentMeshClient], Awaitable[T]]) -> T:
        """Waits for any call of the asynchronous client: ``client.run(lambda c: c.circuit_state())``."""

        async def calling() -> T:
            return await call(self.asynchronous)

        return _run(calling())

    def open(self) -> AgentMeshClient:
        """Opens the store and the identity in it. Does not go online."""
        _run(self.asynchronous.open())
        return self

    def connect(self) -> None:
        """Goes online."""
        self.run(lambda client: client.connect())

    def close(self) -> None:
        """Goes offline and closes the store. Again is fine."""
        _run(self.asynchronous.close())

    def __enter__(self) -> AgentMeshClient:
        _run(self.asynchronous.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def amid(self) -> str:
        """The agent's address."""
        return self.asynchronous.amid

    def send(self, to: str, payload: Payload, **options: Any) -> Sent:
        """Sends a message and waits until it reached the stage ``wait``, that of the relay by default."""
        return self.run(lambda client: client.send(to, payload, **options))

    def request(
        self, to: str, payload: Payload, *, timeout: Seconds = 30, **options: Any
    ) -> Message:
        """Sends a request and waits for the response."""
        return Message(
            self.run(lambda client: client.request(to, payload, timeout=timeout, **options))
        )

    def stream(self, to: str, payload: Payload, **options: Any) -> IncomingStream:
        """Sends a request and reads the answer as it comes."""
        return IncomingStream(self.run(lambda client: client.stream(to, payload, **options)))

    def messages(self, *, timeout: Seconds | None = None) -> Iterator[Message]:
        """The messages that come in, each to be acknowledged; ends when the client is closed, or when none came for
        ``timeout``."""
        messages = self.asynchronous.messages()
        while True:
            message = _run(_next_within(messages, timeout))
            if message is None:
                return
            yield Message(message)

    def events(self, *, timeout: Seconds | None = None) -> Iterator[Event]:
        """What happens besides messages, from now on; ends as :meth:`messages` does."""
        events = self.asynchronous.events()
        while True:
            event = _run(_next_within(events, timeout))
            if event is None:
                return
            yield event

    def sessions(self) -> list[SessionSummary]:
        """All sessions that have keys."""
        return self.run(lambda client: client.sessions())

    def outbox(self) -> list[OutboxItem]:
        """Messages that are not handled yet."""
        return self.run(lambda client: client.outbox())

    def circuit_state(self) -> CircuitStatus:
        """The circuit breakers as they stand."""
        return self.run(lambda client: client.circuit_state())

    def lookup(self, amid: str) -> Listing:
        """An agent's entry in the registry."""
        return self.run(lambda client: client.lookup(amid))

    def search(self, capability: str | None = None, **conditions: Any) -> SearchPage:
        """Agents with a capability, from the registry."""
        return self.run(lambda client: client.search(capability, **conditions))

    def __repr__(self) -> str:
        return repr(self.asynchronous)


async def _next_within(items: Any, timeout: Seconds | None) -> Any:
    from ._values import seconds

    try:
        return await asyncio.wait_for(_next(items), None if timeout is None else seconds(timeout))
    except asyncio.TimeoutError:
        return None
