"""The same without asyncio, for scripts: every call waits for its result.

One loop in the background serves all clients of the process::

    from agentmesh import Key, SQLiteStorage
    from agentmesh.sync import AgentMeshClient

    with AgentMeshClient(SQLiteStorage("agent.db"), key=Key.file("agent.key")) as client:
        client.send(peer, {"hello": "world"})
        for message in client.messages():
            with message:
                print(message.sender, message.payload)

Clients may be used from several threads. What is not here is reached by ``run``, which everything here has.

The services beside messages are here, too, under the names of their modules::

    from agentmesh.sync import AgentWebSocketClient

    with AgentWebSocketClient("wss://agent.example/ws") as agent:
        for part in agent.query_stream("What is a WebSocket?"):
            print(part.content)
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from . import _client
from ._message import Message as AsyncMessage
from ._stream import Chunk
from ._stream import IncomingStream as AsyncStream
from ._stream import OutgoingStream as AsyncAnswer
from ._sync_loop import Synchronous, each, following, run
from ._sync_services import (
    AgentWebSocketClient,
    AgentWebSocketService,
    AiwmClient,
    AiwmSupervisor,
    AnswerStream,
    SignalingClient,
    Turn,
    UserDataChannel,
    UserDataClient,
)
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

__all__ = [
    "AgentMeshClient",
    "AgentWebSocketClient",
    "AgentWebSocketService",
    "AiwmClient",
    "AiwmSupervisor",
    "AnswerStream",
    "IncomingStream",
    "Message",
    "OutgoingStream",
    "SignalingClient",
    "Turn",
    "UserDataChannel",
    "UserDataClient",
]


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
        run(self.asynchronous.ack)

    def release(self) -> None:
        """Gives the message back: it comes again after a pause."""
        self.asynchronous.release()

    def respond(self, payload: Payload = None, *, wait: Stage = Stage.STORED) -> Sent:
        """Answers a request and marks it as handled."""
        return run(lambda: self.asynchronous.respond(payload, wait=wait))

    def fail(
        self, code: str, message: str = "", *, retryable: bool = False, details: Any = None
    ) -> Sent:
        """Answers a request with an error and marks it as handled."""
        failing = self.asynchronous.fail
        return run(lambda: failing(code, message, retryable=retryable, details=details))

    def stream(self) -> OutgoingStream:
        """Answers a request with a stream: ``with message.stream() as answer: answer.send(token)``."""
        return OutgoingStream(self.asynchronous.stream())

    def __enter__(self) -> Message:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run(lambda: self.asynchronous.__aexit__(kind, error, traceback))

    def __repr__(self) -> str:
        return repr(self.asynchronous)


class IncomingStream(Synchronous[AsyncStream]):
    """An answer that comes in pieces: an iterator of chunks."""

    @property
    def id(self) -> str:
        """The request; it names the stream."""
        return self.asynchronous.id

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        chunk: Chunk | None = run(lambda: following(self.asynchronous))
        if chunk is None:
            raise StopIteration
        return chunk

    def read(self) -> str:
        """Everything that is still to come, as one text."""
        return self.run(lambda stream: stream.read())

    def cancel(self, reason: str = "") -> None:
        """Ends the stream; its sender hears ``reason``."""
        self.run(lambda stream: stream.cancel(reason))


class OutgoingStream(Synchronous[AsyncAnswer]):
    """An answer that is given in pieces, from :meth:`Message.stream`."""

    @property
    def position(self) -> int:
        """The number of the next chunk."""
        return self.asynchronous.position

    @property
    def is_stopped(self) -> bool:
        """Whether the stream is over, because its reader left or something failed."""
        return self.asynchronous.is_stopped

    def send(self, chunk: str | bytes) -> int:
        """Sends a chunk and returns its number. Waits while the reader does not keep up."""
        return self.run(lambda answer: answer.send(chunk))

    def set_metadata(self, value: Any) -> None:
        """Says something about the stream; goes out with the next chunk."""
        self.run(lambda answer: answer.set_metadata(value))

    def flush(self) -> None:
        """Waits until everything that was sent is on disk."""
        self.run(lambda answer: answer.flush())

    def finish(self) -> None:
        """Says that everything was said, and marks the request as handled."""
        self.run(lambda answer: answer.finish())

    def fail(self, code: str, message: str = "", *, retryable: bool = False) -> None:
        """Says why there will be no more, and marks the request as handled."""
        self.run(lambda answer: answer.fail(code, message, retryable=retryable))


class AgentMeshClient(Synchronous[_client.AgentMeshClient]):
    """An agent: see :class:`agentmesh.AgentMeshClient`, whose arguments it takes."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(_client.AgentMeshClient(*arguments, **settings))

    def open(self) -> AgentMeshClient:
        """Opens the store and the identity in it. Does not go online."""
        self.run(lambda client: client.open())
        return self

    def connect(self) -> None:
        """Goes online."""
        self.run(lambda client: client.connect())

    def sync(self, *, timeout: Seconds = 25) -> bool:
        """One visit to the relay; whether all was done."""
        return self.run(lambda client: client.sync(timeout=timeout))

    def close(self) -> None:
        """Goes offline and closes the store. Again is fine."""
        self.run(lambda client: client.close())

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
        return map(Message, each(self.asynchronous.messages(), timeout))

    def events(self, *, timeout: Seconds | None = None) -> Iterator[Event]:
        """What happens besides messages, from now on; ends as :meth:`messages` does."""
        return each(self.asynchronous.events(), timeout)

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
