"""KNOCKs: who asks for a session says what for, and the other end decides."""

from __future__ import annotations

import datetime
import inspect
import json
import logging
from asyncio import AbstractEventLoop, Task
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, Union

from . import _native
from ._values import Seconds, SessionType, dumps, seconds, time, whole

__all__ = [
    "Accept",
    "Decision",
    "Knock",
    "KnockHandler",
    "KnockRequest",
    "Later",
    "PendingKnock",
    "Reject",
]


@dataclass(frozen=True)
class Accept:
    """The session is opened."""

    ttl: Seconds | None = None
    """For how long, if not for as long as was asked for."""


@dataclass(frozen=True)
class Reject:
    """The session is closed, and the peer told why."""

    reason: str
    """Why. The peer reads it."""
    retry_after: Seconds | None = None
    """When the peer may try again, if ever."""


@dataclass(frozen=True)
class Later:
    """The owner decides later, with :meth:`AgentMeshClient.accept_knock` or ``reject_knock``; messages are held until then."""


Decision: TypeAlias = Union[Accept, Reject, Later]
"""What can be decided about a KNOCK."""


@dataclass(frozen=True)
class KnockRequest:
    """What a session is asked for."""

    capability: str = "*"
    """The capability asked for, such as ``weather/forecast``. Policies go by it."""
    action: str = "message"
    """What to do with it."""
    params: Any = None
    """Parameters, as JSON."""
    session_type: SessionType = SessionType.ONE_SHOT
    """How the session is to be used."""
    ttl: Seconds = 300
    """How long it is to live."""
    expected_messages: int | None = None
    """How many messages there will be, as far as known."""

    def __post_init__(self) -> None:
        for name in ("capability", "action"):
            given: Any = getattr(self, name)
            if not isinstance(given, str):
                raise TypeError(f"the {name} of a KNOCK is str, not {type(given).__name__}")
        if self.expected_messages is not None:
            whole(self.expected_messages, "expected_messages")

    def _json(self) -> dict[str, Any]:
        intent: dict[str, Any] = {"capability": self.capability, "action": self.action}
        if self.params is not None:
            intent["params"] = self.params
        request: dict[str, Any] = {
            "type": SessionType(self.session_type).value,
            "ttl": max(1, round(seconds(self.ttl))),
            "intent": intent,
        }
        if self.expected_messages is not None:
            request["expectedMessages"] = self.expected_messages
        return request


@dataclass(frozen=True)
class Knock:
    """A KNOCK that was verified: who asks for a session, and what for."""

    sender: str
    """Who knocks."""
    session: str
    """The session that is asked for; it names the KNOCK."""
    suite: str
    """The suite's name."""
    tier: str
    """What the registry says that the peer is."""
    reputation: float
    """What the registry says of its reputation, 0 to 1."""
    capability: str
    """The capability asked for."""
    action: str
    """What to do with it."""
    params: Any
    """Parameters."""
    session_type: str
    """How the session is to be used."""
    ttl: int
    """The lifetime asked for, in seconds."""
    expected_messages: int | None
    """How many messages the peer expects to send."""
    priority: float | None
    """How urgent it is to the peer."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> Knock:
        value["ttl"] = value.pop("ttl_s")
        return cls(**value)


@dataclass(frozen=True)
class PendingKnock:
    """A KNOCK without a decision."""

    knock: Knock
    """Who knocks, and what for."""
    received_at: datetime.datetime
    """When it came."""
    held: int
    """Messages that are held until it is decided."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> PendingKnock:
        return cls(
            knock=Knock._of(value["knock"]),
            received_at=time(value["received_at"]),
            held=value["held"],
        )


KnockHandler: TypeAlias = Callable[
    [Knock], Union[Decision, bool, None, Awaitable[Union[Decision, bool, None]]]
]
"""Decides about KNOCKs that the policy lets through: ``True`` accepts, ``False`` rejects, ``None`` decides later."""


def whole_seconds(span: Seconds | None) -> int | None:
    """A span as whole seconds."""
    return None if span is None else max(1, round(seconds(span)))


def to_json(decision: Decision | bool | None) -> str:
    """A decision as the native module takes it."""
    if decision is True:
        decision = Accept()
    elif decision is False:
        decision = Reject("rejected")
    elif decision is None:
        decision = Later()
    if isinstance(decision, Accept):
        return dumps({"decision": "accept", "ttl_s": whole_seconds(decision.ttl)})
    if isinstance(decision, Reject):
        retry = whole_seconds(decision.retry_after)
        return dumps({"decision": "reject", "reason": decision.reason, "retry_after_s": retry})
    return dumps({"decision": "later"})


def from_json(text: str) -> Decision:
    """A decision of the native module's."""
    value: dict[str, Any] = json.loads(text)
    if value["decision"] == "accept":
        return Accept(value["ttl_s"])
    if value["decision"] == "reject":
        return Reject(value["reason"], value["retry_after_s"])
    return Later()


class Doorkeeper:
    """Asks a handler about KNOCKs, on the loop that the client was opened in."""

    def __init__(self, handler: KnockHandler, loop: AbstractEventLoop) -> None:
        self._handler = handler
        self._loop = loop
        self._tasks: set[Task[None]] = set()

    def __call__(self, question: _native.KnockQuestion) -> None:
        # On a thread of the native module. A loop that is closed decides nothing: the KNOCK is left for later.
        try:
            self._loop.call_soon_threadsafe(self._begin, question)
        except RuntimeError:
            question.answer(to_json(None))

    def _begin(self, question: _native.KnockQuestion) -> None:
        task = self._loop.create_task(self._decide(question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _decide(self, question: _native.KnockQuestion) -> None:
        decision: Decision | bool | None = None
        try:
            decided = self._handler(Knock._of(json.loads(question.knock)))
            decision = await decided if inspect.isawaitable(decided) else decided
        except Exception:
            logging.getLogger("agentmesh").exception("the handler of KNOCKs failed; left for later")
        finally:
            question.answer(to_json(decision))
