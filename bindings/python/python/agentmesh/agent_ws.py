"""Agent WebSockets: questions and answers with one agent, each text frame a JSON object; both sides.

**Nothing is encrypted end to end**: whoever runs the server reads everything. An agent, and who asks it::

    from agentmesh.agent_ws import AgentWebSocketClient, AgentWebSocketService, Question

    async def answer(question: Question) -> str:
        return f"You said: {question.text}"

    async with AgentWebSocketService(answer) as service, AgentWebSocketClient(service.url) as client:
        print((await client.query("What is a WebSocket?")).content)

A handler that yields is an agent that streams::

    async def answer(question: Question) -> AsyncIterator[str]:
        async for token in model(question.messages):
            yield token
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

from . import _native
from ._agent_ws_service import AgentWebSocketService, ChatHandler, Question, Said, ServiceStats
from ._errors import ClosedError, ErrorKind, from_value
from ._items import Closed, Disconnected, Items, Lagged, Opened, settings
from ._values import JSON, Seconds, dumps, milliseconds, time

__all__ = [
    "AgentWebSocketClient",
    "AgentWebSocketEvent",
    "AgentWebSocketService",
    "Answer",
    "AnswerStream",
    "ChatHandler",
    "Closed",
    "Connected",
    "Delta",
    "Disconnected",
    "Lagged",
    "Message",
    "NewSession",
    "Notification",
    "OtherMessage",
    "Part",
    "Question",
    "Said",
    "ServiceStats",
    "SessionInfo",
    "Status",
    "Unmatched",
    "Unreadable",
]


@dataclass(frozen=True)
class SessionInfo:
    """What is known of a session."""

    dialect: str
    """How the server talks: ``documented``, ``deployed``, or ``unknown`` if no welcome came."""
    session_id: str | None
    """The session's id, if the welcome names it."""
    agent: str | None
    """What the agent calls itself, if it says so."""
    correlates: bool
    """The server says which query an answer belongs to, so that several can be under way and commands can overtake."""


@dataclass(frozen=True)
class Message:
    """A message from a server. Nothing in it is verified: show ``content`` as text, never as HTML."""

    kind: str
    """What it is: ``response``, ``response_delta``, ``status``, ``notification``, ``error``, or something newer."""
    content: str = field(repr=False)
    """Its text. What was not a string is JSON again."""
    timestamp: datetime.datetime
    """When the server says that it was written, or else when it came."""
    sender: str | None
    """Who wrote it, if the server says so."""
    correlation_id: str | None
    """The id of the query that it belongs to, if the server says so."""
    session_id: str | None
    """The session, in a welcome."""
    retry_after: float | None
    """In how many seconds to try again, of an error about the rate."""
    index: int | None
    """The number of a piece, of a streamed answer."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> Message:
        value["timestamp"] = time(value.pop("timestamp_ms"))
        retry_after = value.pop("retry_after_ms")
        value["retry_after"] = None if retry_after is None else retry_after / 1000
        return cls(**value)


@dataclass(frozen=True)
class Delta:
    """More text of an answer."""

    message: Message
    """The piece, as the server sent it."""

    @property
    def content(self) -> str:
        """Its text."""
        return self.message.content


@dataclass(frozen=True)
class Answer:
    """The whole answer; nothing follows."""

    message: Message
    """The answer, as the server sent it."""

    @property
    def content(self) -> str:
        """Its text."""
        return self.message.content


Part: TypeAlias = Union[Delta, Answer]
"""A part of an answer that is shown as it comes."""


def _part(kind: str, details: dict[str, Any]) -> Part:
    message = Message._of(details)
    return Delta(message) if kind == "delta" else Answer(message)


class AnswerStream(Items[Part]):
    """An answer as it comes: an asynchronous iterator of :class:`Delta`, and at the end of one :class:`Answer`."""

    __slots__ = ()

    def __init__(self, native: _native.ItemStream) -> None:
        super().__init__(native, _part)

    async def answer(self) -> Message:
        """Waits for the whole answer, and leaves out what comes before."""
        async for part in self:
            if isinstance(part, Answer):
                return part.message
        raise RuntimeError("the answer was read to its end before")


@dataclass(frozen=True)
class Connected:
    """The first session is there."""

    session: SessionInfo
    """What is known of it."""


@dataclass(frozen=True)
class NewSession:
    """A session after a lost one. The agent remembers nothing of those before."""

    session: SessionInfo
    """What is known of it."""


@dataclass(frozen=True)
class Status:
    """How far the agent is."""

    message: Message
    """What it says."""


@dataclass(frozen=True)
class Notification:
    """Something that the system has to say."""

    message: Message
    """What it says."""


@dataclass(frozen=True)
class Unmatched:
    """An answer or error that belongs to no query of this client, or to one that no longer waits."""

    message: Message
    """What it says."""


@dataclass(frozen=True)
class OtherMessage:
    """A message of a type that this version does not know."""

    message: Message
    """What it says."""


@dataclass(frozen=True)
class Unreadable:
    """A frame that could not be read. The connection goes on."""

    reason: str
    """What is wrong with it."""


AgentWebSocketEvent: TypeAlias = Union[
    Connected,
    NewSession,
    Status,
    Notification,
    Unmatched,
    OtherMessage,
    Unreadable,
    Disconnected,
    Closed,
    Lagged,
]
"""What happens on a connection besides answers."""


def _event(kind: str, details: dict[str, Any]) -> AgentWebSocketEvent:
    if kind == "connected":
        return Connected(SessionInfo(**details))
    if kind == "new_session":
        return NewSession(SessionInfo(**details))
    if kind == "disconnected":
        return Disconnected(from_value(details["error"]), details["retry_in_ms"] / 1000)
    if kind == "closed":
        return Closed(from_value(details["error"]))
    if kind == "unreadable":
        return Unreadable(**details)
    if kind == "lagged":
        return Lagged(**details)
    said: dict[str, type[Status | Notification | Unmatched]] = {
        "status": Status,
        "notification": Notification,
        "unmatched": Unmatched,
    }
    message = Message._of(details)
    return said[kind](message) if kind in said else OtherMessage(message)


class AgentWebSocketClient(Opened):
    """A conversation with one agent over a WebSocket.

    As a context manager it connects, and takes leave at the end. It connects again by itself when the connection is lost, and
    its events say so; a query that was under way then fails (``AGENT_WS_CONNECTION_LOST``), because nobody knows whether
    the agent worked on it.
    """

    def __init__(
        self,
        url: str,
        *,
        bearer: str | None = None,
        wait: bool = True,
        connect_timeout: Seconds | None = None,
        welcome_timeout: Seconds | None = None,
        query_timeout: Seconds | None = None,
        reconnect_pause: Seconds | None = None,
        max_waiting: int | None = None,
        reconnect_on_timeout: bool = False,
        replay_context: int = 0,
    ) -> None:
        """Describes a client; nothing is connected yet.

        ``url`` begins with ``ws`` or ``wss``. ``bearer`` is a token for ``Authorization``. ``wait=False`` makes
        :meth:`connect` return at once and try on; otherwise it raises what the first attempt failed with. ``query_timeout``
        is 90 seconds by default. ``replay_context`` tells a new session so many questions and answers of the lost one, in a
        query of its own, which costs a call of the agent's model.
        """
        self._bearer = bearer
        self._wait = wait
        self._closed = False
        self._client: _native.AgentWebSocketClient | None = None
        self._settings = settings(
            {
                "open_timeout_ms": connect_timeout,
                "welcome_timeout_ms": welcome_timeout,
                "query_timeout_ms": query_timeout,
                "pause_ms": reconnect_pause,
            },
            url=url,
            max_waiting=max_waiting,
            reconnect_on_timeout=reconnect_on_timeout,
            replay_context=replay_context,
        )

    async def connect(self) -> AgentWebSocketClient:
        """Connects; a client that is connected is left as it is. Not again after :meth:`close`."""
        if self._closed:
            raise ClosedError("the client was closed", "AGENT_WS_CLOSED", ErrorKind.CLOSED)
        if self._client is None:
            self._client = await _native.AgentWebSocketClient.connect(
                self._settings, self._bearer, self._wait
            )
        return self

    @property
    def _native_client(self) -> _native.AgentWebSocketClient:
        if self._client is None:
            raise RuntimeError("the client is not connected: use `async with` or `await client.connect()`")
        return self._client

    async def query(self, content: str, *, timeout: Seconds | None = None) -> Message:
        """Asks, and waits for the answer. Being cancelled gives up waiting; the agent goes on working, unless it gets the
        command ``cancel``.

        Raises :class:`agentmesh.DeadlineError`, and ``AGENT_WS_AGENT`` if the agent answers with an error.
        """
        deadline = None if timeout is None else milliseconds(timeout)
        return Message._of(json.loads(await self._native_client.query(content, deadline)))

    async def query_stream(self, content: str, *, timeout: Seconds | None = None) -> AnswerStream:
        """Asks, and shows the answer piece by piece where the server knows how; the whole answer comes last in any case."""
        deadline = None if timeout is None else milliseconds(timeout)
        return AnswerStream(await self._native_client.query_stream(content, deadline))

    async def command(self, command: str) -> None:
        """Sends a command, such as ``cancel`` or ``clear``, ahead of queries that wait. What the agent has to say to it
        comes as an event."""
        await self._native_client.command(command)

    async def human_feedback(self, content: str, metadata: JSON = None) -> None:
        """Sends what a person thinks of an answer, with anything that belongs to it."""
        more = None if metadata is None else dumps(metadata)
        await self._native_client.human_feedback(content, more)

    def events(self) -> Items[AgentWebSocketEvent]:
        """What happens besides answers. The first to ask gets everything since the start, others what comes from now on."""
        return Items(self._native_client.events(), _event)

    @property
    def session(self) -> SessionInfo | None:
        """The session, if there is one now."""
        value = json.loads(self._native_client.session())
        return None if value is None else SessionInfo(**value)

    async def close(self) -> None:
        """Gives up all queries and takes leave of the server, in at most three seconds. Again is fine."""
        self._closed = True
        if self._client is not None:
            await self._client.close()

    async def _enter(self) -> None:
        await self.connect()

    async def _leave(self) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AgentWebSocketClient{', not connected' if self._client is None else ''}>"
