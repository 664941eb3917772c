"""Messages that come in."""

from __future__ import annotations

import datetime
from types import TracebackType
from typing import Any

from . import _native
from ._stream import OutgoingStream
from ._values import Payload, Sent, Stage, decode, dumps, encode, stage, time

__all__ = ["Message", "Messages"]

_UNREAD = object()


class Message:
    """A message for the application.

    It counts as handled when :meth:`ack` returns, and not before: given back with :meth:`release`, forgotten, or left
    by a crash, it comes again with the same :attr:`id`. As a context manager it is acknowledged at the end of the block, and
    given back if the block raises::

        async for message in client.messages():
            async with message:
                print(message.sender, message.payload)
    """

    __slots__ = ("_inner", "_payload")
    _inner: _native.Message
    _payload: Any

    def __init__(self, native: _native.Message) -> None:
        self._inner = native
        self._payload = _UNREAD

    @property
    def sender(self) -> str:
        """Who sent it, proven by the session."""
        return self._inner.sender

    @property
    def id(self) -> str:
        """The sender's id for it: the same if it comes again."""
        return self._inner.id

    @property
    def kind(self) -> str:
        """What it is: ``message``, ``request``, ``response``, ``error`` and so on."""
        return self._inner.kind

    @property
    def seq(self) -> int:
        """The sender's count of messages to us."""
        return self._inner.seq

    @property
    def in_reply_to(self) -> str | None:
        """The message of ours that it answers."""
        return self._inner.in_reply_to

    @property
    def sent_at(self) -> datetime.datetime:
        """When it was sent, by the sender's clock."""
        return time(self._inner.sent_at)

    @property
    def received_at(self) -> datetime.datetime:
        """When it was opened here."""
        return time(self._inner.received_at)

    @property
    def payload(self) -> Any:
        """What it says: JSON as Python has it, or ``bytes``; ``None`` if it says nothing."""
        if self._payload is _UNREAD:
            self._payload = decode(self._inner.payload)
        return self._payload

    @property
    def attempt(self) -> int:
        """How often it came before and was not acknowledged, since the client was opened."""
        return self._inner.attempt

    @property
    def trace(self) -> str | None:
        """The W3C ``traceparent`` that the sender sealed into it."""
        return self._inner.trace

    @property
    def schema(self) -> str | None:
        """The schema that the payload follows, if the sender named one."""
        return self._inner.schema

    @property
    def wants_stream(self) -> bool:
        """Whether its sender wants the answer as a stream."""
        return self._inner.wants_stream

    @property
    def is_done(self) -> bool:
        """Whether it was acknowledged, answered or given back."""
        return self._inner.is_done

    async def ack(self) -> None:
        """Marks the message as handled, and tells the sender so. Returns when that is on disk."""
        await self._inner.ack()

    def release(self) -> None:
        """Gives the message back: it comes again after a pause."""
        self._inner.release()

    async def respond(self, payload: Payload = None, *, wait: Stage = Stage.STORED) -> Sent:
        """Answers a request and marks it as handled.

        An answer that is refused (``PAYLOAD_TOO_LARGE``, ``PAYLOAD_INVALID_JSON``, ``OUTBOX_FULL`` and the like) leaves the message
        open: answer something else, or :meth:`fail`. After ``STAGE_NOT_REACHED`` the answer is on disk and will be sent; only
        :meth:`ack` is left to do.
        """
        sent = await self._inner.respond(encode(payload), dumps({"wait": stage(wait)}))
        return Sent(sent[0], sent[1], Stage(sent[2]))

    async def fail(
        self, code: str, message: str = "", *, retryable: bool = False, details: Any = None
    ) -> Sent:
        """Answers a request with an error and marks it as handled; the peer's ``request`` raises :class:`RemoteError`."""
        more = None if details is None else dumps(details)
        sent = await self._inner.fail(code, message, retryable, more)
        return Sent(sent[0], sent[1], Stage(sent[2]))

    async def status(self, payload: Payload) -> None:
        """Tells the sender how far its message is, as news that nobody keeps: a ``status`` event there."""
        await self._inner.status(encode(payload))

    def stream(self) -> OutgoingStream:
        """Answers a request with a stream, of a peer that :attr:`wants_stream`::

            async with message.stream() as answer:
                async for token in model(message.payload):
                    await answer.send(token)

        The request counts as handled when the stream ends.
        """
        return OutgoingStream(self._inner)

    async def __aenter__(self) -> Message:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.is_done:
            return
        if kind is None:
            await self.ack()
        else:
            self.release()

    def __repr__(self) -> str:
        return f"<Message {self.kind} {self.id} from {self.sender}>"


class Messages:
    """The messages that come in, as an asynchronous iterator. It ends when the client is closed.

    One reader at a time: another call of :meth:`AgentMeshClient.messages` replaces this one, and gets what it did
    not acknowledge.
    """

    __slots__ = ("_inner", "_source")
    _inner: _native.Messages | None

    def __init__(self, source: _native.Agent) -> None:
        self._source = source
        self._inner = None

    def __aiter__(self) -> Messages:
        return self

    async def __anext__(self) -> Message:
        if self._inner is None:
            self._inner = await self._source.messages()
        while True:
            # Nothing is awaited between taking a message and returning it, so that a cancellation loses none.
            message = self._inner.take()
            if message is False:
                raise StopAsyncIteration
            if message is not None:
                return Message(message)
            await self._inner.ready()
