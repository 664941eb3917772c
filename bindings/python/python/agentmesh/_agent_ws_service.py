"""The answering side of agent WebSockets: a service in front of a handler."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

from . import _native, _values
from ._errors import AgentMeshError
from ._failure import Failure
from ._items import Opened, settings
from ._values import Seconds, strings

__all__ = ["AgentWebSocketService", "ChatHandler", "Question", "Said", "ServiceStats"]

log = logging.getLogger("agentmesh")


@dataclass(frozen=True)
class Said:
    """One thing that was said."""

    role: str
    """By whom: ``system``, ``user`` or ``assistant``."""
    content: str = field(repr=False)
    """What."""


@dataclass(frozen=True)
class Question:
    """A conversation that wants an answer."""

    messages: list[Said]
    """The system's words first, the question last: as models take it."""
    wants_deltas: bool
    """Whether the client wants to see the answer as it comes."""

    @property
    def text(self) -> str:
        """What was asked last."""
        return self.messages[-1].content if self.messages else ""


ChatHandler: TypeAlias = Callable[
    [Question],
    Union[str, Awaitable[str], Iterator[str], AsyncIterator[str]],
]
"""Answers: returns the text, or yields it piece by piece; sync or async. :class:`agentmesh.Failure` is told to the client."""


@dataclass(frozen=True)
class ServiceStats:
    """What a service has done so far."""

    sessions: int
    """Sessions now."""
    sessions_total: int
    """Sessions since the start."""
    messages: int
    """Messages that came in."""
    errors: int
    """Error messages that went out."""
    answers: int
    """Questions that were answered."""
    answer_time: float
    """How many seconds that took together."""


class AgentWebSocketService(Opened):
    """An agent that listens for WebSockets, in front of a handler of yours.

    As a context manager it listens, and tells every session to come back later at the end. Speaks without TLS: for other
    machines put a proxy with a certificate before it. When a client leaves or sends ``cancel``, or the time for the answer is
    up, the handler's task is cancelled.
    """

    def __init__(
        self,
        handler: ChatHandler,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str | None = None,
        tokens: Iterable[str] = (),
        origins: Iterable[str] = (),
        token_in_query: bool = False,
        agent_name: str | None = None,
        system_prompt: str | None = None,
        session_timeout: Seconds | None = None,
        answer_timeout: Seconds | None = None,
        max_history: int | None = None,
        max_sessions: int | None = None,
        max_sessions_per_address: int | None = None,
        rate: tuple[int, int] | None = None,
        feedback_is_query: bool = False,
    ) -> None:
        """Describes a service; nothing listens yet.

        With ``tokens``, clients need one of them. ``origins`` lets pages of these origins in, and no others. ``rate`` is how
        many messages a session may send, at once and a minute: 10 and 30 by default, 0 a minute for any number.
        """
        self._handler = _values.handler(handler, "the handler of questions")
        self._tokens = strings(tokens, "tokens")
        self._service: _native.AgentWebSocketService | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._settings = settings(
            {"session_timeout_ms": session_timeout, "answer_timeout_ms": answer_timeout},
            listen=listen,
            path=path,
            agent_name=agent_name,
            system_prompt=system_prompt,
            max_history=max_history,
            max_sessions=max_sessions,
            max_sessions_per_address=max_sessions_per_address,
            rate=None if rate is None else list(rate),
            feedback_is_query=feedback_is_query,
            origins=strings(origins, "origins"),
            token_in_query=token_in_query,
        )

    async def start(self) -> AgentWebSocketService:
        """Listens. When this returns, clients can connect. The handler runs on the loop that this is called on."""
        if self._service is None:
            loop, this = asyncio.get_running_loop(), weakref.ref(self)

            def on_question(call: _native.ChatCall) -> None:
                # On a thread of the native module. A service that nobody holds, or whose loop is closed, answers nothing.
                service = this()
                try:
                    if service is not None:
                        loop.call_soon_threadsafe(service._begin, call)
                        return
                except RuntimeError:
                    pass
                call.fail("the agent has stopped")

            self._service = await _native.AgentWebSocketService.start(
                self._settings, self._tokens, on_question
            )
        return self

    @property
    def _native_service(self) -> _native.AgentWebSocketService:
        if self._service is None:
            raise RuntimeError("the service is not running: use `async with` or `await service.start()`")
        return self._service

    @property
    def url(self) -> str:
        """What clients on this machine take as the agent's URL."""
        return self._native_service.url

    @property
    def stats(self) -> ServiceStats:
        """What it has done so far."""
        value = json.loads(self._native_service.stats())
        value["answer_time"] = value.pop("answer_time_ms") / 1000
        return ServiceStats(**value)

    def notify(self, session_id: str, message: str) -> None:
        """Shows a notification to the client of a session. Raises :class:`agentmesh.NotFoundError` if there is none."""
        self._native_service.notify(session_id, message)

    async def close(self) -> None:
        """Admits nobody any more, tells every session to come back later, and waits for their end, at most five
        seconds. Again is fine."""
        if self._service is not None:
            await self._service.shutdown()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _enter(self) -> None:
        await self.start()

    async def _leave(self) -> None:
        await self.close()

    def _begin(self, call: _native.ChatCall) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, call: _native.ChatCall) -> None:
        answering = asyncio.ensure_future(self._call(call))
        gone = asyncio.ensure_future(call.gone())
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Whoever asked has left, or the service ends: the handler's work is wanted by nobody.
            for task in (answering, gone):
                task.cancel()
            await asyncio.wait({answering, gone})

    async def _call(self, call: _native.ChatCall) -> None:
        said = [Said(**value) for value in json.loads(call.messages)]
        try:
            text = await self._text(Question(said, call.wants_deltas), call)
            call.answer(text)
        except Failure as failure:
            _fail(call, failure.message or failure.code)
        except asyncio.CancelledError:
            _fail(call, "the answer was given up")
            raise
        except Exception as error:
            if isinstance(error, AgentMeshError) and error.code == "BINDING_USED":
                return  # Nobody waits any more.
            log.exception("the handler of questions failed")
            _fail(call, "the agent failed")

    async def _text(self, question: Question, call: _native.ChatCall) -> str:
        handler = self._handler
        if inspect.isasyncgenfunction(handler):
            return await _stream(handler(question), call)
        if inspect.iscoroutinefunction(handler):
            answer: Any = await handler(question)
        else:
            # It may block.
            answer = await asyncio.to_thread(_call_sync, handler, question)
            if inspect.isawaitable(answer):
                answer = await answer
        if isinstance(answer, str):
            return answer
        if hasattr(answer, "__aiter__"):
            return await _stream(answer, call)
        raise TypeError(f"a handler of questions returns or yields str, not {type(answer).__name__}")

    def __repr__(self) -> str:
        if self._service is None:
            return "<AgentWebSocketService, not running>"
        return f"<AgentWebSocketService {self.url}>"


def _call_sync(handler: ChatHandler, question: Question) -> Any:
    answer = handler(question)
    return "".join(answer) if isinstance(answer, Iterator) else answer


async def _stream(pieces: AsyncIterator[str], call: _native.ChatCall) -> str:
    whole: list[str] = []
    async for piece in pieces:
        whole.append(piece)
        if call.wants_deltas:
            await call.delta(piece)
    return "".join(whole)


def _fail(call: _native.ChatCall, message: str) -> None:
    try:
        call.fail(message)
    except AgentMeshError:
        pass  # Nobody waits any more.
