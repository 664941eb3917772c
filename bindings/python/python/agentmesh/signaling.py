"""WebRTC signaling: agents meet in a room of a signaling server, and pass each other what they need to connect.

**Nothing is encrypted end to end**: whoever runs the server reads every signal. This package brings no WebRTC stack; signals
are what JSON can say, and :class:`Negotiator` tells a WebRTC library of your choice what to do::

    from agentmesh.signaling import Roster, Signal, SignalingClient

    async with SignalingClient("http://127.0.0.1:18787", "agents") as client:
        async for event in client.events():
            match event:
                case Roster(joined=peers):
                    for peer in peers:
                        await client.send(peer, {"type": "agent-ping"})
                case Signal(sender=sender, value=value):
                    print(sender, "says", value)
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

from . import _native
from ._errors import AgentMeshError, from_value
from ._identity import Identity
from ._items import Closed, Disconnected, Items, Lagged, Opened, settings
from ._negotiator import (
    Action,
    AddCandidate,
    Close,
    CreateAnswer,
    CreateChannel,
    CreateOffer,
    Negotiator,
    Rebuild,
    Rollback,
    Send,
    SetRemote,
)
from ._values import JSON, Seconds, dumps

__all__ = [
    "Action",
    "AddCandidate",
    "Close",
    "Closed",
    "CreateAnswer",
    "CreateChannel",
    "CreateOffer",
    "Disconnected",
    "IceServer",
    "IdentityChanged",
    "IdentityLost",
    "Joined",
    "Lagged",
    "Negotiator",
    "Other",
    "Rebuild",
    "Resumed",
    "Rollback",
    "Roster",
    "Send",
    "SessionCredentials",
    "SetRemote",
    "Signal",
    "SignalingClient",
    "SignalingEvent",
    "Superseded",
    "Unreadable",
]


@dataclass(frozen=True)
class SessionCredentials:
    """Who a client is in a room. With them another process goes on as the same client: keep them like a password."""

    id: str
    """The client's id, which everybody in the room knows."""
    token: str = field(repr=False)
    """What proves it."""
    header_auth: bool = False
    """The server takes credentials in headers, so they need not be in a URL."""


@dataclass(frozen=True)
class IceServer:
    """A STUN or TURN server, or several with the same credential."""

    urls: list[str]
    """``stun:``, ``stuns:``, ``turn:`` or ``turns:``."""
    username: str | None = None
    """For TURN."""
    credential: str | None = field(default=None, repr=False)
    """For TURN; works for a limited time."""


@dataclass(frozen=True)
class Joined:
    """The room is joined for the first time."""

    id: str
    """This client's id."""
    ice_servers: list[IceServer]
    """ICE servers for connections to peers. Empty: host candidates only."""


@dataclass(frozen=True)
class Resumed:
    """The stream is back, and this client is who it was. What peers sent meanwhile follows."""

    id: str
    """This client's id."""
    ice_servers: list[IceServer]
    """ICE servers, whose credentials may be new: for the next ICE restart."""


@dataclass(frozen=True)
class IdentityLost:
    """The server does not take this client's credentials any more. It joins anew; :class:`IdentityChanged` follows."""

    id: str
    """The id that is lost."""


@dataclass(frozen=True)
class IdentityChanged:
    """The server has forgotten this client and gave it another id. Peers see it as somebody new: begin anew with them."""

    old: str
    """The id before."""
    new: str
    """The id from now on."""
    ice_servers: list[IceServer]
    """ICE servers."""


@dataclass(frozen=True)
class Roster:
    """Who is in the room besides this client, after every change."""

    peers: list[str]
    """Everybody else, in the order in which they joined."""
    joined: list[str]
    """Who was not there in the roster before."""
    left: list[str]
    """Who was, and is not any more."""
    first: bool
    """The first roster of this id: who is in it was there before, so this client offers to all of them."""


@dataclass(frozen=True)
class Signal:
    """What a peer sent. Nothing in it is verified by the server: any peer in the room can send anything."""

    sender: str
    """Who sent it, by the server's word."""
    value: Any = field(repr=False)
    """What it sent: any JSON but ``null``."""
    signed_by: str | None = None
    """The address of the agent whose identity key signed it: compare it with the one that you expect."""
    problem: AgentMeshError | None = None
    """What is wrong with its signature: treat it as an attack, or ignore it."""


@dataclass(frozen=True)
class Unreadable:
    """An event that could not be read. The stream goes on."""

    problem: str
    """What is wrong with it."""


@dataclass(frozen=True)
class Superseded:
    """Another process resumed this session. :class:`Closed` follows."""


@dataclass(frozen=True)
class Other:
    """Something that this version of the package has no class for."""

    kind: str
    """What."""
    details: dict[str, Any] = field(repr=False)
    """Everything else."""


SignalingEvent: TypeAlias = Union[
    Joined,
    Resumed,
    IdentityLost,
    IdentityChanged,
    Roster,
    Signal,
    Unreadable,
    Disconnected,
    Superseded,
    Closed,
    Lagged,
    Other,
]
"""What happens in a room, in its order."""


def _servers(values: list[dict[str, Any]]) -> list[IceServer]:
    return [IceServer(**value) for value in values]


def _event(kind: str, details: dict[str, Any]) -> SignalingEvent:
    if "ice_servers" in details:
        details["ice_servers"] = _servers(details["ice_servers"])
    if kind == "signal":
        problem = details["problem"]
        details["problem"] = None if problem is None else from_value(problem)
        return Signal(**details)
    if kind == "disconnected":
        return Disconnected(from_value(details["error"]), details["retry_in_ms"] / 1000)
    if kind == "closed":
        return Closed(from_value(details["error"]))
    made: dict[str, type[Any]] = {
        "joined": Joined,
        "resumed": Resumed,
        "identity_lost": IdentityLost,
        "identity_changed": IdentityChanged,
        "roster": Roster,
        "unreadable": Unreadable,
        "superseded": Superseded,
        "lagged": Lagged,
    }
    event: SignalingEvent = made[kind](**details) if kind in made else Other(kind, details)
    return event


class SignalingClient(Opened):
    """A place in a room of a signaling server.

    As a context manager it joins, and leaves at the end. It resumes by itself when the stream is lost, and its events say so.
    """

    def __init__(
        self,
        url: str,
        room: str,
        *,
        join_key: str | None = None,
        resume: SessionCredentials | None = None,
        sign_with: Identity | None = None,
        wait: bool = True,
        connect_timeout: Seconds | None = None,
        idle_timeout: Seconds | None = None,
        send_timeout: Seconds | None = None,
        attempts: int | None = None,
        max_queued: int | None = None,
        allow_insecure: bool = False,
    ) -> None:
        """Describes a client; nothing is joined yet.

        ``url`` is the server's origin, or the part of its path before ``/api``. ``join_key`` is for rooms that want one,
        ``resume`` goes on as a client of before, ``sign_with`` signs every description with an agent's identity key.
        ``wait=False`` makes :meth:`join` return at once and try on; otherwise it raises what the first attempt failed
        with. ``attempts`` is how many may fail in a row before the client gives up; by default it never does.
        """
        self._join_key = join_key
        self._resume = resume
        self._sign_with = sign_with
        self._wait = wait
        self._client: _native.SignalingClient | None = None
        self._settings = settings(
            {
                "open_timeout_ms": connect_timeout,
                "idle_timeout_ms": idle_timeout,
                "send_timeout_ms": send_timeout,
            },
            url=url,
            room=room,
            attempts=attempts,
            max_queued=max_queued,
            allow_insecure=allow_insecure,
        )

    async def join(self) -> SignalingClient:
        """Joins the room; a client that has joined is left as it is."""
        if self._client is None:
            resume = self._resume
            self._client = await _native.SignalingClient.join(
                self._settings,
                self._join_key,
                None if resume is None else (resume.id, resume.token, resume.header_auth),
                None if self._sign_with is None else self._sign_with._inner,
                self._wait,
            )
        return self

    async def send(self, to: str, signal: JSON) -> None:
        """Sends a signal, anything that JSON can say but ``null``, and waits until the server took it.

        At least once: a peer may get a signal twice if an answer was lost. Signals wait for their turn: 45 at once and 9 a
        second, descriptions before candidates; those to one peer stay in the order in which they were sent, each after the one before
        was awaited. Being cancelled does not take it back.

        Raises :class:`agentmesh.NotFoundError` if the peer is not in the room.
        """
        await self._native_client.send(to, dumps(signal))

    def events(self) -> Items[SignalingEvent]:
        """What happens. The first to ask gets everything since the start, others what comes from now on."""
        return Items(self._native_client.events(), _event)

    def __aiter__(self) -> Items[SignalingEvent]:
        return self.events()

    @property
    def _native_client(self) -> _native.SignalingClient:
        if self._client is None:
            raise RuntimeError("the client has not joined: use `async with` or `await client.join()`")
        return self._client

    @property
    def id(self) -> str | None:
        """This client's id, once it joined. It can change: :class:`IdentityChanged`."""
        return self._native_client.id()

    @property
    def room(self) -> str:
        """The room, as servers know it."""
        return self._native_client.room()

    @property
    def peers(self) -> list[str]:
        """Who else is in the room, by the last roster."""
        return self._native_client.peers()

    @property
    def ice_servers(self) -> list[IceServer]:
        """ICE servers, by the last word of the server."""
        return _servers(json.loads(self._native_client.ice_servers()))

    @property
    def is_online(self) -> bool:
        """Whether there is a stream now."""
        return self._native_client.is_online()

    @property
    def credentials(self) -> SessionCredentials | None:
        """What another process needs to go on as this client."""
        credentials = self._native_client.credentials()
        return None if credentials is None else SessionCredentials(*credentials)

    async def leave(self) -> None:
        """Gives the place up, and waits for the server's word, at most five seconds. Signals that wait fail. Again is fine."""
        if self._client is not None:
            await self._client.leave(False)

    async def shutdown(self) -> None:
        """The same in at most two seconds, for programs that were asked to stop."""
        if self._client is not None:
            await self._client.leave(True)

    async def _enter(self) -> None:
        await self.join()

    async def _leave(self) -> None:
        await self.leave()

    def __repr__(self) -> str:
        if self._client is None:
            return "<SignalingClient, not joined>"
        return f"<SignalingClient {self.id}>"
