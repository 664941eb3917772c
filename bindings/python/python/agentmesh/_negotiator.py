"""Who offers, and what happens when both do: perfect negotiation with one peer, without any WebRTC stack."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

from . import _native
from ._values import JSON, dumps

__all__ = [
    "Action",
    "AddCandidate",
    "Close",
    "CreateAnswer",
    "CreateChannel",
    "CreateOffer",
    "Negotiator",
    "Rebuild",
    "Rollback",
    "Send",
    "SetRemote",
]


@dataclass(frozen=True)
class CreateChannel:
    """Make the data channel: ordered, reliable, not negotiated."""

    label: str
    """Its label."""


@dataclass(frozen=True)
class CreateOffer:
    """Make an offer, set it as the local description, and say :meth:`Negotiator.created`."""

    ice_restart: bool
    """With new ICE credentials."""


@dataclass(frozen=True)
class CreateAnswer:
    """Make an answer, set it, and say :meth:`Negotiator.created`."""


@dataclass(frozen=True)
class Rollback:
    """Take the local offer back. A library that cannot closes the peer connection and builds a new one."""


@dataclass(frozen=True)
class Rebuild:
    """Close the peer connection and build a new one."""


@dataclass(frozen=True)
class SetRemote:
    """Set the peer's description."""

    kind: str
    """``offer``, ``answer``, ``pranswer`` or ``rollback``."""
    sdp: str = field(repr=False)
    """Its SDP."""


@dataclass(frozen=True)
class AddCandidate:
    """Add a candidate of the peer's. An error is no reason to stop."""

    candidate: str = field(repr=False)
    """``candidate:…``."""
    sdp_mid: str | None
    """Which media section it is for, by name…"""
    sdp_m_line_index: int | None
    """…and by number."""
    username_fragment: str | None
    """Which epoch it belongs to."""


@dataclass(frozen=True)
class Send:
    """Send this to the peer: :meth:`SignalingClient.send`."""

    signal: JSON = field(repr=False)
    """The signal."""


@dataclass(frozen=True)
class Close:
    """It is over: close the peer connection. Nothing follows."""


Action: TypeAlias = Union[
    CreateChannel,
    CreateOffer,
    CreateAnswer,
    Rollback,
    Rebuild,
    SetRemote,
    AddCandidate,
    Send,
    Close,
]
"""What to do with the peer connection, in this order, one after the other."""

_ACTIONS: dict[str, type[Any]] = {
    "create_channel": CreateChannel,
    "create_offer": CreateOffer,
    "create_answer": CreateAnswer,
    "rollback": Rollback,
    "rebuild": Rebuild,
    "set_remote": SetRemote,
    "add_candidate": AddCandidate,
    "send": Send,
    "close": Close,
}


class Negotiator:
    """Negotiates with one peer: tell it what happens, and perform the :meth:`actions` on a peer connection.

    The newcomer offers to everybody in its first roster (:attr:`Roster.first`). If both offer at once, the smaller id takes
    its own offer back. Candidates wait for their description. When a connection fails, ICE is restarted, and then the
    connection built anew.

    >>> newcomer, other = Negotiator("b", "a", offers=True), Negotiator("a", "b", offers=False)
    >>> newcomer.actions()
    [CreateChannel(label='agent'), CreateOffer(ice_restart=False)]
    >>> newcomer.created("offer", "v=0")
    >>> [sending] = newcomer.actions()
    >>> other.received(sending.signal)
    True
    >>> other.actions()
    [SetRemote(kind='offer'), CreateAnswer()]
    """

    __slots__ = ("_inner",)
    _inner: _native.Negotiator

    def __init__(self, local: str, remote: str, *, offers: bool, mode: str | None = None) -> None:
        """``local`` and ``remote`` are ids in the room; ``offers`` if the peer was in this client's first roster. ``mode``
        is the connection mode of its offers, such as ``lan``: host candidates and no ICE servers."""
        self._inner = _native.Negotiator(local, remote, offers, mode)

    def received(self, signal: JSON) -> bool:
        """A signal of the peer's. ``False`` if it is none of WebRTC's, but the application's own."""
        return self._inner.received(dumps(signal))

    def created(self, kind: str, sdp: str) -> None:
        """The description that :class:`CreateOffer` or :class:`CreateAnswer` asked for. It is set as the local one already."""
        self._inner.handle(dumps({"type": "created", "kind": kind, "sdp": sdp}))

    def gathered(
        self,
        candidate: str,
        *,
        sdp_mid: str | None = None,
        sdp_m_line_index: int | None = None,
        username_fragment: str | None = None,
    ) -> None:
        """A candidate of this side, for the peer. The one without text, the last, is not sent."""
        value = {
            "type": "gathered",
            "candidate": candidate,
            "sdp_mid": sdp_mid,
            "sdp_m_line_index": sdp_m_line_index,
            "username_fragment": username_fragment,
        }
        self._inner.handle(dumps(value))

    def negotiation_needed(self) -> None:
        """The application changed something that has to be negotiated."""
        self._inner.handle(dumps({"type": "negotiation_needed"}))

    def ice(self, state: str) -> None:
        """The ICE transport changed: ``checking``, ``connected``, ``completed``, ``disconnected``, ``failed`` and so on."""
        self._inner.handle(dumps({"type": "ice", "state": state}))

    def left(self) -> None:
        """The peer left the room. A connection that stands stays."""
        self._inner.handle(dumps({"type": "left"}))

    def back(self) -> None:
        """It is in the room, for the first time or again."""
        self._inner.handle(dumps({"type": "back"}))

    def tick(self) -> None:
        """Does whatever is due now."""
        self._inner.tick()

    def next_wake(self) -> float | None:
        """Seconds until :meth:`tick` is due; ``None`` if nothing is."""
        wake = self._inner.next_wake()
        return None if wake is None else wake / 1000

    def actions(self) -> list[Action]:
        """What there is to do. Performing some of it makes more: ask again until there is none."""
        taken = self._inner.take_actions()
        return [_ACTIONS[kind](**json.loads(details)) for kind, details in taken if kind in _ACTIONS]

    @property
    def is_polite(self) -> bool:
        """Whether this side gives way."""
        return self._inner.is_polite()

    @property
    def is_closed(self) -> bool:
        """Whether it is over."""
        return self._inner.is_closed()
