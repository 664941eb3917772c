"""What comes over the channel to an agent: messages, the parts of a turn, and events."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

from ._errors import from_value
from ._hooks import HookAction, HookAnswer, HookRequest
from ._items import Closed, Disconnected, Lagged
from ._values import maybe_time

__all__ = [
    "Block",
    "ChannelClosed",
    "ChannelConnected",
    "ChannelConversation",
    "ChannelDisconnected",
    "ChannelError",
    "ChannelEvent",
    "ChannelHistory",
    "ChannelLagged",
    "ChannelMessage",
    "ChannelResumed",
    "ChannelStatus",
    "Cleared",
    "Delta",
    "HookAnswered",
    "HookNotification",
    "NewSession",
    "OtherEvent",
    "TurnEnd",
    "TurnPart",
    "Unasked",
    "UnreadableEvent",
]

Block: TypeAlias = dict[str, Any]
"""A part of a message, as the agent sent it: ``type`` is ``text``, ``thinking``, ``tool_use``, ``tool_result``, ``image`` …"""


@dataclass(frozen=True)
class ChannelMessage:
    """A message in a conversation with an agent."""

    role: str
    """Who says it: ``assistant``, ``user``, ``system``, or somebody else."""
    blocks: list[Block] = field(repr=False)
    """What."""
    text: str = field(repr=False)
    """The text in it, without thoughts and tools."""
    uuid: str | None = None
    """Its id, if it has one. The same id never comes twice over one channel."""
    timestamp: datetime.datetime | None = None
    """When; in histories."""
    other: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """Whatever else came with it."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> ChannelMessage:
        value["timestamp"] = maybe_time(value.pop("timestamp_ms"))
        return cls(**value)


@dataclass(frozen=True)
class Delta:
    """More of a message that is on its way. The message that follows takes the place of all of them."""

    content: str = field(repr=False)
    """The piece."""
    is_text: bool = True
    """Text for people; otherwise a piece of the JSON that a tool is used with."""


@dataclass(frozen=True)
class TurnEnd:
    """The agent is done; nothing follows."""

    text: str = field(repr=False)
    """What it said, without thoughts and tools. Of more than 8 MiB, the beginning."""
    result: dict[str, Any] | None = field(repr=False)
    """The server's account of the turn: costs, duration. ``None`` if it came while the connection was lost."""
    conversation: str | None
    """The agent's id for the conversation, as far as it is known."""
    missed: int
    """Parts that the reader was too slow for."""
    is_error: bool
    """Whether the server says that the turn went wrong."""


TurnPart: TypeAlias = Union[Delta, ChannelMessage, TurnEnd]
"""A part of what the agent says."""


def part_of(kind: str, details: dict[str, Any]) -> TurnPart:
    if kind == "delta":
        return Delta(**details)
    if kind == "message":
        return ChannelMessage._of(details["message"])
    return TurnEnd(**details)


@dataclass(frozen=True)
class ChannelConnected:
    """The channel is open, for the first time or again."""


@dataclass(frozen=True)
class ChannelResumed:
    """After a lost connection: the server still has the session, and a turn that was under way goes on."""


@dataclass(frozen=True)
class NewSession:
    """After a lost connection: the server does not have the session any more."""


@dataclass(frozen=True)
class ChannelConversation:
    """The agent's own id for the conversation. It is carried from turn to turn."""

    id: str
    """The id."""


@dataclass(frozen=True)
class ChannelHistory:
    """What was said before, without what was told already."""

    messages: list[ChannelMessage] = field(repr=False)
    """Oldest first."""


@dataclass(frozen=True)
class Unasked:
    """Something that an agent says while no turn of this channel is under way."""

    part: TurnPart
    """What."""


@dataclass(frozen=True)
class ChannelStatus:
    """How the server does."""

    level: str
    """``info``, ``warning`` or ``error``."""
    message: str
    """For people."""


@dataclass(frozen=True)
class HookAnswered:
    """A hook was answered."""

    request: HookRequest
    """What was asked."""
    answer: HookAnswer
    """What was answered."""
    too_late: bool
    """Nobody answered in time, so the policy did."""


@dataclass(frozen=True)
class HookNotification:
    """A hook tells, and does not ask."""

    request: HookRequest
    """What."""


@dataclass(frozen=True)
class Cleared:
    """The history was emptied, by whomever."""


@dataclass(frozen=True)
class ChannelError:
    """An error that belongs to no turn."""

    message: str
    """The server's words, cut."""


@dataclass(frozen=True)
class UnreadableEvent:
    """An event that could not be read. The channel goes on."""

    reason: str
    """What is wrong with it."""


class ChannelDisconnected(Disconnected):
    """The connection was lost, or could not be made; the next attempt follows."""


class ChannelClosed(Closed):
    """The end: nothing follows."""


class ChannelLagged(Lagged):
    """The reader was too slow for so many events."""


@dataclass(frozen=True)
class OtherEvent:
    """An event without a class of its own: ``stream_event``, ``stderr``, ``compact_boundary`` …"""

    name: str
    """Its name."""
    data: Any = field(repr=False)
    """What came with it."""


ChannelEvent: TypeAlias = Union[
    ChannelConnected,
    ChannelResumed,
    NewSession,
    ChannelConversation,
    ChannelHistory,
    Unasked,
    ChannelStatus,
    HookAnswered,
    HookNotification,
    Cleared,
    ChannelError,
    UnreadableEvent,
    ChannelDisconnected,
    ChannelClosed,
    ChannelLagged,
    OtherEvent,
]
"""What happens on a channel besides turns."""

_EVENTS: dict[str, type[Any]] = {
    "connected": ChannelConnected,
    "resumed": ChannelResumed,
    "new_session": NewSession,
    "conversation": ChannelConversation,
    "status": ChannelStatus,
    "cleared": Cleared,
    "error": ChannelError,
    "unreadable": UnreadableEvent,
    "lagged": ChannelLagged,
    "other": OtherEvent,
}


def event_of(kind: str, details: dict[str, Any]) -> ChannelEvent:
    if kind == "history":
        return ChannelHistory([ChannelMessage._of(value) for value in details["messages"]])
    if kind == "unasked":
        return Unasked(part_of(details["kind"], details["part"]))
    if kind == "hook_answered":
        answer = details["answer"]
        return HookAnswered(
            HookRequest(**details["request"]),
            HookAnswer(HookAction(answer["action"]), answer["reason"]),
            details["too_late"],
        )
    if kind == "hook_notification":
        return HookNotification(HookRequest(**details["request"]))
    if kind == "disconnected":
        return ChannelDisconnected(from_value(details["error"]), details["retry_in_ms"] / 1000)
    if kind == "closed":
        return ChannelClosed(from_value(details["error"]))
    event: ChannelEvent = _EVENTS[kind](**details)
    return event
