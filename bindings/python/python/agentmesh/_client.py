"""The agent: opening it, sending, receiving, closing."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import warnings
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Literal, TypeVar

from . import _native, _values
from ._audit import AuditLog
from ._control import Control
from ._errors import ClosedError, ConflictError, ErrorKind
from ._handlers import (
    DeadLetterHandler,
    Dispatcher,
    EventHandler,
    MessageHandler,
    RequestHandler,
    tell,
)
from ._identity import Backup, Identity
from ._knock import Doorkeeper, KnockHandler, KnockRequest
from ._logging import refresh_log_level
from ._message import Message, Messages
from ._options import Key, RateLimit, opening
from ._policy import Policy
from ._stream import IncomingStream
from ._values import (
    Event,
    OpenStream,
    Payload,
    Seconds,
    Sent,
    SessionType,
    Stage,
    address,
    decode,
    dumps,
    encode,
    milliseconds,
    seconds,
    stage,
    strings,
    whole,
)
from .storage import CustomStorage, Storage, checked, claim, is_free, native, unclaim

__all__ = ["AgentMeshClient", "Events"]

log = logging.getLogger("agentmesh")

M = TypeVar("M", bound=MessageHandler)
R = TypeVar("R", bound=RequestHandler)
E = TypeVar("E", bound=EventHandler)
D = TypeVar("D", bound=DeadLetterHandler)
K = TypeVar("K", bound=KnockHandler)


class AgentMeshClient(Control):
    """An agent: sends and receives end-to-end encrypted messages.

    As a context manager it is opened and goes online, and is closed at the end::

        async with AgentMeshClient(SQLiteStorage("agent.db"), key=Key.file("agent.key")) as client:
            await client.send(peer, {"hello": "world"})
            async for message in client.messages():
                async with message:
                    print(message.sender, message.payload)

    What :meth:`send` reported as queued or better survives a crash. A message that comes in counts as handled when it was
    acknowledged, and not before.

    A client may be used from several tasks of one loop, and from one loop after another; a handler of KNOCKs and an
    asynchronous store of your own stay on the loop that it was opened in.
    """

    def __init__(
        self,
        storage: Storage | CustomStorage | str,
        *,
        key: Key | bytes,
        registry_url: str | None = None,
        relay_url: str | None = None,
        relay_transport: Literal["websocket", "polling"] | None = None,
        offline: bool = False,
        identity: Identity | None = None,
        backup: Backup | None = None,
        identity_key: str | None = None,
        mode: str = "open_or_create",
        display_name: str | None = None,
        capabilities: Iterable[str] | None = None,
        policy: Policy | None = None,
        policy_file: str | os.PathLike[str] | None = None,
        policy_poll: Seconds | None = None,
        on_knock: KnockHandler | None = None,
        knock_timeout: Seconds | None = None,
        connect: bool = True,
        connect_timeout: Seconds | None = None,
        delivery_window: int | None = None,
        heartbeat: Seconds | None = None,
        max_payload: int | None = None,
        rate_limit: RateLimit | None = None,
        peer_rate_limit: RateLimit | None = None,
        relay_messages_per_minute: int | None = None,
        audit_log: str | os.PathLike[str] | None = None,
        audit_encrypted: bool = False,
        allow_insecure: bool = False,
        allow_legacy: bool = False,
    ) -> None:
        """Describes an agent; nothing is opened yet.

        ``storage`` is where its state is kept, ``key`` seals it. ``mode`` is ``open_or_create``, ``load`` (the identity must
        be there) or ``create`` (it must not). ``identity`` or ``backup`` is for a new store; without, an identity is made.
        ``offline`` works with neither registry nor relay; ``connect=False`` leaves going online to :meth:`connect`.
        ``relay_transport`` is ``"polling"`` where no WebSocket can be kept; everything else is the same then.
        ``on_knock`` decides about sessions that the policy lets through. Everything else has the core's defaults.
        """
        if mode not in ("open_or_create", "load", "create"):
            raise ValueError("mode is 'open_or_create', 'load' or 'create'")
        self._storage = checked(storage)
        self._key = Key.of(key)
        self._identity = identity
        self._backup = backup
        self._mode = mode
        self._online = connect and not offline
        self._on_knock = None if on_knock is None else _values.handler(on_knock, "the handler of KNOCKs")
        self._on_message: MessageHandler | None = None
        self._on_request: RequestHandler | None = None
        self._on_event: EventHandler | None = None
        self._on_dead_letter: DeadLetterHandler | None = None
        self._agent: _native.Agent | None = None
        self._closed = False
        self._serving = False
        self._opening = asyncio.Lock()
        self._settings = opening(
            registry_url=registry_url,
            relay_url=relay_url,
            relay_transport=relay_transport,
            offline=offline,
            identity_key=identity_key,
            display_name=display_name,
            capabilities=None if capabilities is None else strings(capabilities, "capabilities"),
            policy=policy,
            policy_file=policy_file,
            policy_poll=policy_poll,
            knock_timeout=knock_timeout,
            connect_timeout=connect_timeout,
            delivery_window=delivery_window,
            heartbeat=heartbeat,
            max_payload=max_payload,
            rate_limit=rate_limit,
            peer_rate_limit=peer_rate_limit,
            relay_messages_per_minute=relay_messages_per_minute,
            audit_log=audit_log,
            audit_encrypted=audit_encrypted,
            allow_insecure=allow_insecure,
            allow_legacy=allow_legacy,
        )

    # Opening and closing.

    async def open(self) -> AgentMeshClient:
        """Opens the store and the identity in it; a client that is open is left as it is. Does not go online.

        A client that was closed is not opened again: make another one.
        """
        async with self._opening:
            if self._closed:
                raise ClosedError("the client was closed: make another one", "AGENT_CLOSED", ErrorKind.CLOSED)
            if self._agent is not None:
                return self
            refresh_log_level()
            loop = asyncio.get_running_loop()
            doorkeeper = None if self._on_knock is None else Doorkeeper(self._on_knock, loop)
            claim(self._storage, self)
            try:
                self._agent = await _native.Agent.open(
                    native(self._storage),
                    self._key.kind,
                    self._key.value,
                    None if self._identity is None else self._identity._inner,
                    None if self._backup is None else self._backup._inner,
                    doorkeeper,
                    self._settings,
                    self._mode,
                )
            except BaseException:
                unclaim(self._storage)
                raise
        return self

    async def connect(self) -> None:
        """Goes online: registers, publishes prekeys, connects to the relay. Afterwards the client stays online by itself."""
        await self._native_agent.connect()

    async def sync(self, *, timeout: Seconds = 25) -> bool:
        """One visit to the relay, for programs that run now and then: goes online, takes what waits, hands it to the handlers,
        sends what is to be sent, their answers included, and goes offline again.

        True if all was done: whatever waited is committed, handled (if there are handlers) and acknowledged, and the relay has
        on its disk whatever was sent. False after ``timeout`` seconds: what is missing is here or at the relay, and the next
        visit goes on with it. No connection and no request is left in either case. With ``connect=False`` this is the only time
        that the client is online; one that is online already stays so.
        """
        return await self._native_agent.sync(_values.seconds(timeout))

    async def close(self) -> None:
        """Goes offline and closes the store. What waits stays in the outbox on disk. Again is fine."""
        self._closed = True
        if self._agent is not None:
            await self._agent.close()
        elif isinstance(self._storage, Storage) and is_free(self._storage, self):
            # It was never opened, or could not be: nobody else releases the store's lock.
            await self._storage.close()

    def _close_blocking(self) -> None:
        """Closes it where there is no loop."""
        self._closed = True
        if self._agent is not None:
            self._agent.close_blocking()

    async def __aenter__(self) -> AgentMeshClient:
        try:
            await self.open()
            if self._online:
                await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        if getattr(self, "_agent", None) is not None and not self._closed:
            warnings.warn(f"unclosed client {self!r}", ResourceWarning, source=self, stacklevel=2)

    @property
    def _native_agent(self) -> _native.Agent:
        if self._agent is None:
            raise RuntimeError("the client is not open: use it as a context manager, or call open() first")
        return self._agent

    # Who it is.

    @property
    def amid(self) -> str:
        """The agent's address."""
        return self._native_agent.amid()

    @property
    def signing_key(self) -> bytes:
        """The public signing key."""
        return self._native_agent.public_keys()[0]

    @property
    def exchange_key(self) -> bytes:
        """The public exchange key, as of now: it can be rotated."""
        return self._native_agent.public_keys()[1]

    @property
    def audit_log(self) -> AuditLog | None:
        """The audit log, if the agent keeps one."""
        log = self._native_agent.audit_log()
        return None if log is None else AuditLog(log)

    async def back_up(self, passphrase: str) -> str:
        """Seals the identity under a passphrase, with what another store needs to go on from here. Neither sessions nor
        messages are in it."""
        return await self._native_agent.back_up(passphrase)

    async def rotate_exchange_key(self) -> bytes:
        """Replaces the exchange key, with which peers open new sessions. Returns the new public one."""
        return await self._native_agent.rotate_exchange_key()

    # Sending.

    def new_id(self) -> str:
        """A fresh message id, for sending the same message again after a crash of your own."""
        return self._native_agent.new_id()

    async def send(
        self,
        to: str,
        payload: Payload,
        *,
        wait: Stage = Stage.STORED,
        timeout: Seconds = 30,
        id: str | None = None,
        knock: KnockRequest | None = None,
        session_type: SessionType | None = None,
        schema: str | None = None,
        trace: str | None = None,
        session_ttl: Seconds | None = None,
        expires_in: Seconds | None = None,
    ) -> Sent:
        """Sends a message and waits until it reached the stage ``wait``.

        It is in the outbox, on disk, before anything is sent, and works offline, too. Being cancelled gives up waiting,
        not the message. ``knock`` says what the session is wanted for, should this message open one.

        Raises :class:`DeadlineError` if the time is up; the message stays queued then.
        """
        options = _send_options(
            wait, timeout, id, knock, session_type, schema, trace, session_ttl, expires_in
        )
        sent = await self._native_agent.send(address(to), encode(payload), options)
        return Sent(sent[0], sent[1], Stage(sent[2]))

    async def request(
        self,
        to: str,
        payload: Payload,
        *,
        timeout: Seconds = 30,
        id: str | None = None,
        knock: KnockRequest | None = None,
        session_type: SessionType | None = None,
        schema: str | None = None,
        trace: str | None = None,
        session_ttl: Seconds | None = None,
    ) -> Message:
        """Sends a request and waits for the response.

        An ``id`` makes it idempotent: the peer handles a request of one id once, however often it is sent.

        Raises :class:`RemoteError` if the peer answers with an error, :class:`DeadlineError` if no answer came in time; one that
        comes later is among the :meth:`messages`.
        """
        options = _send_options(
            None, 30, id, knock, session_type, schema, trace, session_ttl, None
        )
        answer = await self._native_agent.request(address(to), encode(payload), seconds(timeout), options)
        return Message(answer)

    async def stream(
        self,
        to: str,
        payload: Payload,
        *,
        id: str | None = None,
        knock: KnockRequest | None = None,
        schema: str | None = None,
        trace: str | None = None,
        idle_timeout: Seconds = 60,
        window_frames: int | None = None,
        window_bytes: int | None = None,
        manual_ack: bool = False,
    ) -> IncomingStream:
        """Sends a request and reads the answer as it comes::

            async with await client.stream(peer, {"prompt": "hello"}) as tokens:
                async for chunk in tokens:
                    print(chunk.text, end="")

        Returns as soon as the request is queued. A peer that answers with one response gives a stream of one chunk.
        """
        options: dict[str, Any] = {
            "idle_timeout_ms": milliseconds(idle_timeout),
            "window_frames": window_frames,
            "window_bytes": window_bytes,
            "manual_ack": manual_ack,
            "id": id,
            "knock": None if knock is None else knock._json(),
            "schema": schema,
            "trace": trace,
        }
        stream = await self._native_agent.stream(address(to), encode(payload), _given(options))
        return IncomingStream(stream)

    async def resume_stream(
        self,
        peer: str,
        id: str,
        position: int,
        *,
        idle_timeout: Seconds = 60,
        manual_ack: bool = False,
    ) -> IncomingStream:
        """Reads a stream on from chunk ``position``: after :meth:`IncomingStream.detach`, or after a crash."""
        options = {"idle_timeout_ms": milliseconds(idle_timeout), "manual_ack": manual_ack}
        place = whole(position, "position")
        stream = await self._native_agent.resume_stream(address(peer), id, place, _given(options))
        return IncomingStream(stream)

    async def open_streams(self) -> list[OpenStream]:
        """Streams that have not ended, of this run and earlier ones."""
        found = json.loads(await self._native_agent.open_streams())
        return [OpenStream(**value) for value in found]

    async def status(self, to: str, payload: Payload, *, in_reply_to: str | None = None) -> None:
        """Tells a peer how far something is, as news that nobody keeps: in the session that there is, at most once."""
        await self._native_agent.status(address(to), in_reply_to, encode(payload))

    # Receiving.

    def messages(self) -> Messages:
        """The messages that come in, each to be acknowledged. Another call replaces this one."""
        return Messages(self._native_agent)

    def __aiter__(self) -> Messages:
        return self.messages()

    def events(self) -> Events:
        """Connection changes, progress of messages, dropped frames, from now on. A slow reader is told how many it missed."""
        return Events(self._native_agent.events())

    # Handlers.

    def on_message(self, handler: M) -> M:
        """Sets the handler of messages, sync or async, for :meth:`serve`; usable as a decorator."""
        self._on_message = _values.handler(handler, "the handler of messages")
        return handler

    def on_request(self, handler: R) -> R:
        """Sets the handler of requests: what it returns is the response, what it yields is a stream.
        A :class:`Failure` that it raises is told to the peer. A response that cannot be sent is told as ``RESPONSE_INVALID``;
        any other exception gives the request back, and it comes again."""
        self._on_request = _values.handler(handler, "the handler of requests")
        return handler

    def on_dead_letter(self, handler: D) -> D:
        """Sets what gets the messages that :meth:`serve` gives up after ``max_attempts``, and the exception. Once it returns, the
        message counts as handled; if it raises, the message comes again."""
        self._on_dead_letter = _values.handler(handler, "the handler of dead letters")
        return handler

    def on_event(self, handler: E) -> E:
        """Sets the handler of events."""
        self._on_event = _values.handler(handler, "the handler of events")
        return handler

    def on_knock(self, handler: K) -> K:
        """Sets the handler of KNOCKs that the policy lets through. Before :meth:`open`."""
        if self._agent is not None:
            raise RuntimeError("the handler of KNOCKs is set before the client is opened")
        self._on_knock = _values.handler(handler, "the handler of KNOCKs")
        return handler

    async def serve(
        self, *, concurrency: int = 16, grace: Seconds = 10, max_attempts: int | None = None
    ) -> None:
        """Runs the handlers until the client is closed or this is cancelled; then handlers that run may come to
        their end for ``grace`` seconds.

        Messages of one sender are handled one after the other, those of ``concurrency`` senders at a time. An exception of a
        handler gives its message back, and it comes again: after a second, then after pauses that double up to five minutes,
        and after a restart. Others of the same sender are handled meanwhile.

        By default that goes on for ever, so that nothing is lost. With ``max_attempts``, a message whose handler failed so often
        since the client was opened is given up: logged with its traceback, handed to the handler that :meth:`on_dead_letter` set,
        and then acknowledged, a request answered with the error ``HANDLER_FAILED``.

        Only once at a time (``BINDING_BUSY``), and without another reader of :meth:`messages`, which would end it.
        """
        if max_attempts is not None and max_attempts < 1:
            raise ValueError("max_attempts is how often a handler may fail, from 1 on")
        if self._serving:
            raise ConflictError("the client is being served", "BINDING_BUSY", ErrorKind.CONFLICT)
        self._serving = True
        try:
            await self._serve(concurrency, seconds(grace), max_attempts)
        finally:
            self._serving = False

    async def _serve(self, concurrency: int, grace: float, max_attempts: int | None) -> None:
        dispatcher = Dispatcher(
            self._on_message, self._on_request, concurrency, self._on_dead_letter, max_attempts
        )
        telling = None
        if self._on_event is not None:
            telling = asyncio.ensure_future(tell(self.events(), self._on_event))
        try:
            await dispatcher.run(self.messages())
        except StopAsyncIteration:
            if not self._closed:
                log.warning("serving %r has ended: another reader took its messages, or its store failed", self)
        finally:
            if telling is not None:
                telling.cancel()
                await asyncio.wait([telling])
            await dispatcher.drain(grace)

    def __repr__(self) -> str:
        if self._agent is None:
            return "<AgentMeshClient, not open>"
        return f"<AgentMeshClient {self.amid}{', closed' if self._closed else ''}>"


def _given(options: dict[str, Any]) -> str | None:
    given = {name: value for name, value in options.items() if value is not None}
    return dumps(given) if given else None


def _send_options(
    wait: Stage | None,
    timeout: Seconds,
    id: str | None,
    knock: KnockRequest | None,
    session_type: SessionType | None,
    schema: str | None,
    trace: str | None,
    session_ttl: Seconds | None,
    expires_in: Seconds | None,
) -> str | None:
    options: dict[str, Any] = {
        "wait": None if wait in (None, Stage.STORED) else stage(wait),
        "timeout_ms": None if timeout == 30 else milliseconds(timeout),
        "id": id,
        "knock": None if knock is None else knock._json(),
        "session_type": None if session_type is None else SessionType(session_type).value,
        "schema": schema,
        "trace": trace,
        "session_ttl_ms": None if session_ttl is None else milliseconds(session_ttl),
        "expires_in_ms": None if expires_in is None else milliseconds(expires_in),
    }
    return _given(options)


class Events:
    """An agent's events, as an asynchronous iterator. It ends when the client is closed."""

    __slots__ = ("_inner",)
    _inner: _native.Events

    def __init__(self, native: _native.Events) -> None:
        self._inner = native

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while True:
            event = self._inner.take()
            if event is False:
                raise StopAsyncIteration
            if event is not None:
                kind, details, payload = event
                return Event(kind, json.loads(details), decode(payload))
            await self._inner.ready()
