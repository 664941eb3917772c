"""Plain values: what calls return and events say. Times are aware ``datetime`` in UTC."""

from __future__ import annotations

import datetime
import enum
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, is_dataclass
from typing import Any, TypeAlias, TypeVar, Union

__all__ = [
    "Agreement",
    "Bucket",
    "CapabilityMatch",
    "CircuitState",
    "CircuitStatus",
    "Event",
    "InboxItem",
    "JSON",
    "Listing",
    "OpenStream",
    "OutboxItem",
    "Payload",
    "RateStatus",
    "Seconds",
    "Sent",
    "SearchPage",
    "SessionChains",
    "SessionSummary",
    "SessionType",
    "Stage",
    "Tier",
]

T = TypeVar("T")

JSON: TypeAlias = Union[None, bool, int, float, str, list[Any], tuple[Any, ...], dict[str, Any]]
"""What JSON can say."""

Payload: TypeAlias = Union[JSON, bytes, bytearray, memoryview]
"""What a message carries: anything that JSON can say, or bytes. ``None`` is nothing at all."""

Seconds: TypeAlias = Union[int, float, datetime.timedelta]
"""A span of time: a number of seconds, or a ``timedelta``."""


class Stage(enum.IntEnum):
    """How far a message has come. Ordered: ``Stage.DELIVERED > Stage.STORED``."""

    QUEUED = 0
    """In our own outbox, on disk."""
    STORED = 1
    """On the relay's disk. The peer may never fetch it: this is not delivery."""
    DELIVERED = 2
    """Decrypted by the peer and on its disk."""
    HANDLED = 3
    """The peer's handler returned."""


class SessionType(str, enum.Enum):
    """How a session is to be used."""

    ONE_SHOT = "one-shot"
    """One exchange: request and response."""
    STREAMING = "streaming"
    """Answers that come in pieces."""
    PERSISTENT = "persistent"
    """A conversation, open until closed."""


class Tier(str, enum.Enum):
    """How well the registry knows who is behind an agent. Not a cryptographic fact."""

    ANONYMOUS = "anonymous"
    """Nobody vouches for it."""
    VERIFIED = "verified"
    """A person or account was verified."""
    ORGANIZATION = "organization"
    """An organization was verified."""


class CircuitState(str, enum.Enum):
    """Whether an agent works."""

    RUNNING = "running"
    """As usual."""
    PAUSED = "paused"
    """New sessions are rejected; those that exist go on."""
    STOPPED = "stopped"
    """Nothing is sent and no connection is made."""


def time(milliseconds: int) -> datetime.datetime:
    """A moment, out of milliseconds since 1970."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000, tz=datetime.timezone.utc)


def maybe_time(milliseconds: int | None) -> datetime.datetime | None:
    """The same where there may be none."""
    return None if milliseconds is None else time(milliseconds)


def seconds(span: Seconds) -> float:
    """A span as seconds."""
    given: Any = span
    if given is None or isinstance(given, (str, bytes)):
        raise TypeError(f"a span of time is a number of seconds or a timedelta, not {_name(given)}")
    value = span.total_seconds() if isinstance(span, datetime.timedelta) else float(span)
    if not 0 <= value < float("inf"):
        raise ValueError("a span of time is not negative, and finite")
    return value


def milliseconds(span: Seconds) -> int:
    """A span as whole milliseconds, at least one if it is any."""
    value = seconds(span)
    return max(1, round(value * 1000)) if value else 0


def stage(wait: Stage) -> int:
    """A stage as the native module takes it."""
    given: Any = wait
    if not isinstance(given, int):
        raise TypeError(f"`wait` is a stage, such as Stage.HANDLED, not {_name(given)}")
    return Stage(given).value


def strings(values: Iterable[str], what: str) -> list[str]:
    """Texts as a list. One text is refused, though it is an iterable of texts, too: of its letters, which nobody means."""
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{what}: a list of str, not one {_name(values)}")
    made: list[Any] = list(values)
    for value in made:
        if not isinstance(value, str):
            raise TypeError(f"{what}: a list of str, and one of them is {_name(value)}")
    return made


def handler(function: T, what: str) -> T:
    """A handler, if it can be called."""
    if not callable(function):
        raise TypeError(f"{what} is a function, not {_name(function)}")
    return function


def address(value: str) -> str:
    """An agent's address, if it is text; what is in it the core checks."""
    given: Any = value
    if not isinstance(given, str):
        raise TypeError(f"an agent's address (its AMID) is str, not {_name(given)}")
    return value


def whole(value: int, what: str) -> int:
    """A count or a number of something."""
    given: Any = value
    if not isinstance(given, int) or isinstance(given, bool):
        raise TypeError(f"{what} is int, not {_name(given)}")
    if not 0 <= given < 1 << 63:
        raise ValueError(f"{what} is not negative, and below 2**63")
    return value


def _name(value: object) -> str:
    return "None" if value is None else type(value).__name__


def encode(payload: Payload) -> str | bytes | None:
    """A payload as the native module takes it."""
    if payload is None or isinstance(payload, bytes):
        return payload
    if isinstance(payload, (bytearray, memoryview)):
        return bytes(payload)
    try:
        return dumps(payload)
    except TypeError as error:
        hint = "; dataclasses.asdict() makes a dictionary of one" if is_dataclass(payload) else ""
        raise TypeError(f"a payload is what JSON can say, or bytes: {error}{hint}") from None


_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def dumps(value: Any) -> str:
    """Compact JSON; what JSON cannot say is a ``TypeError`` or ``ValueError``."""
    # An encoder made once: with such settings `json.dumps` makes one a call.
    return _to_json(value)


def decode(payload: str | bytes | None) -> Any:
    """A payload as the application gets it."""
    return json.loads(payload) if isinstance(payload, str) else payload


@dataclass(frozen=True)
class Sent:
    """What came of a message by the time that sending it returned."""

    id: str
    """Its id."""
    to: str
    """The recipient."""
    stage: Stage
    """How far it came, at least as far as was asked for."""


@dataclass(frozen=True)
class Event:
    """Something that happened to an agent besides messages."""

    type: str
    """What: ``online``, ``progress``, ``session_established`` and so on. New ones may come with every release."""
    details: dict[str, Any] = field(default_factory=lambda: {})
    """Everything else that is known of it."""
    payload: Any = field(default=None, repr=False)
    """What a peer says, of ``status`` events."""


@dataclass(frozen=True)
class SessionChains:
    """Where the chains of a session stand."""

    sent: int
    """Messages sent in the current chain."""
    previous: int
    """Messages sent in the chain before."""
    received: int | None
    """Number of the next message expected; ``None`` before the peer's first."""
    turn_due: bool
    """Whether the next message sent begins a new chain."""
    skipped: int
    """Keys kept for messages that were overtaken."""


@dataclass(frozen=True)
class SessionSummary:
    """A session, without anything secret."""

    id: str
    """The session."""
    peer: str
    """The agent at the other end."""
    suite: str
    """The suite's name, such as ``x25519-mlkem768``."""
    created_at: datetime.datetime
    """When this end was made."""
    initiator: bool
    """Whether we opened it."""
    accepted: bool
    """Whether it was accepted, as far as this end knows."""
    confirmed: bool
    """Whether the peer has shown that it has the session."""
    sending: bool
    """Whether the next message to the peer goes here."""
    chains: SessionChains | None
    """Where its chains stand; ``None`` in 0.2."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> SessionSummary:
        chains = value.pop("chains")
        value["chains"] = None if chains is None else SessionChains(**chains)
        value["created_at"] = time(value["created_at"])
        return cls(**value)


@dataclass(frozen=True)
class CircuitStatus:
    """The circuit breakers as they stand."""

    state: CircuitState
    """Whether the agent works."""
    since: datetime.datetime | None
    """Since when; ``None`` if it never was otherwise."""
    blocked: dict[str, datetime.datetime]
    """Who is shut out, and since when."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> CircuitStatus:
        return cls(
            state=CircuitState(value["state"]),
            since=time(value["since"]) if value["since"] else None,
            blocked={peer: time(at) for peer, at in value["blocked"]},
        )


@dataclass(frozen=True)
class OutboxItem:
    """A message in the outbox."""

    id: str
    """Its id."""
    to: str
    """The recipient."""
    stage: Stage
    """How far it is."""
    queued_at: datetime.datetime
    """When it was queued."""
    expires_at: datetime.datetime
    """When it is given up if nobody confirms it."""
    size: int
    """Bytes kept for it."""
    attempts: int
    """How often it was handed to the relay since the agent was opened."""
    last_error: str | None
    """The code of what went wrong last."""
    parts: tuple[int, int] | None
    """Of a payload in parts: how many the recipient has, and how many there are."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> OutboxItem:
        value["stage"] = Stage(value["stage"])
        value["queued_at"] = time(value["queued_at"])
        value["expires_at"] = time(value["expires_at"])
        value["parts"] = None if value["parts"] is None else tuple(value["parts"])
        return cls(**value)


@dataclass(frozen=True)
class InboxItem:
    """A message that came in and is not handled."""

    id: str
    """Its id."""
    sender: str
    """Who sent it."""
    kind: str
    """What it is."""
    in_reply_to: str | None
    """The message of ours that it answers."""
    sent_at: datetime.datetime
    """When it was sent, by the sender's clock."""
    received_at: datetime.datetime
    """When it was opened here."""
    size: int
    """Bytes of the payload that are here."""
    waits_for: str
    """``handler``, ``decision`` (on its sender's KNOCK) or ``parts``."""
    parts: tuple[int, int] | None
    """Of a payload in parts: how many are here, and how many there are."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> InboxItem:
        value["sent_at"] = time(value["sent_at"])
        value["received_at"] = time(value["received_at"])
        value["parts"] = None if value["parts"] is None else tuple(value["parts"])
        return cls(**value)


@dataclass(frozen=True)
class OpenStream:
    """A stream that has not ended."""

    peer: str
    """The agent at the other end."""
    id: str
    """The request; it names the stream."""
    reading: bool
    """Whether we read it; otherwise we send it."""
    position: int
    """Sender: chunks queued. Reader: chunks consumed."""


@dataclass(frozen=True)
class Bucket:
    """How full a limit on sending is."""

    available: int
    """Messages that may be sent at once, now."""
    burst: int
    """Messages that may be sent at once, at most."""
    per_second: float
    """Messages a second in the long run."""


@dataclass(frozen=True)
class RateStatus:
    """How full the limits on sending are."""

    overall: Bucket | None
    """That of all messages; ``None`` if they are not limited."""
    peer: Bucket | None
    """That of the messages to the peer that was asked for."""
    peers: int
    """Peers that are counted."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> RateStatus:
        overall, peer = value["overall"], value["peer"]
        return cls(
            overall=None if overall is None else Bucket(**overall),
            peer=None if peer is None else Bucket(**peer),
            peers=value["peers"],
        )


@dataclass(frozen=True)
class Listing:
    """What the registry says of an agent. Only the signing key is proven: the AMID is its hash."""

    amid: str
    """Who."""
    signing_key: bytes
    """Its signing key."""
    exchange_key: bytes
    """The exchange key that it registered."""
    display_name: str | None
    """A name for people."""
    organization: str | None
    """Its organization."""
    tier: str
    """What the registry says that it is; one of :class:`Tier`, or a name that this release does not know."""
    capabilities: tuple[str, ...]
    """What it can do."""
    status: str
    """Whether it says it can be reached: ``online``, ``away``, ``offline``, ``dnd``."""
    reputation: float
    """0 to 1."""
    last_seen: datetime.datetime | None
    """Last sign of life."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> Listing:
        value["signing_key"] = bytes(value["signing_key"])
        value["exchange_key"] = bytes(value["exchange_key"])
        value["capabilities"] = tuple(value["capabilities"])
        value["last_seen"] = maybe_time(value["last_seen"])
        return cls(**value)


@dataclass(frozen=True)
class SearchPage:
    """A page of search results."""

    agents: tuple[Listing, ...]
    """By reputation, then by last sign of life."""
    total: int
    """How many the registry counts on all pages."""
    next_offset: int | None
    """Where the next page begins; ``None`` if this one was the last."""
    rejected: int
    """Entries left out, because their key is not that of their AMID."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> SearchPage:
        value["agents"] = tuple(Listing._of(agent) for agent in value["agents"])
        return cls(**value)


@dataclass(frozen=True)
class CapabilityMatch:
    """A wish, and what is granted for it."""

    wanted: str
    """What was asked for."""
    offered: str
    """What is granted."""
    fit: str
    """``exact``, ``wildcard`` or ``prefix``."""


@dataclass(frozen=True)
class Agreement:
    """What a peer grants of what it was asked for."""

    agreed: tuple[CapabilityMatch, ...]
    """The best offer for each wish that has one."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> Agreement:
        return cls(agreed=tuple(CapabilityMatch(**match) for match in value["agreed"]))
