"""The low-level API, for applications that move bytes themselves: prekeys, sessions and KNOCKs in single steps over a store.

Bundles, X3DH messages and envelopes are JSON objects, as ``dict``; how they travel is the application's business. There are no
relay, no registry, no retries and no receipts.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from . import _native
from ._identity import Identity
from ._knock import Accept, Decision, Knock, KnockRequest, Reject, from_json, to_json
from ._policy import Policy
from ._values import Payload, SessionSummary, Tier, decode, dumps, encode, maybe_time
from .storage import CustomStorage, Storage, native

__all__ = [
    "AnsweredKnock",
    "Incoming",
    "InitiatedSession",
    "KnockProtocol",
    "PrekeyManager",
    "SealedStore",
    "SessionManager",
]

Object: TypeAlias = dict[str, Any]


class SealedStore:
    """A store and the key that seals what goes into it: 32 bytes, kept where the store is not."""

    __slots__ = ("_inner",)
    _inner: _native.SealedStore

    def __init__(self, storage: Storage | CustomStorage | str, key: bytes) -> None:
        self._inner = _native.SealedStore(native(storage), key)

    async def load_identity(self, path: str) -> Identity:
        """The identity that was saved under a path, or that of the agent in this store."""
        return Identity._wrap(await _native.Identity.load(self._inner, path))

    async def load_or_generate_identity(self, path: str) -> Identity:
        """Loads the identity at a path; makes one and saves it only if nothing is there."""
        return Identity._wrap(await _native.Identity.load_or_generate(self._inner, path))

    async def save_identity(self, identity: Identity, path: str) -> None:
        """Writes an identity under a path; never over another one."""
        await identity._inner.save(self._inner, path)


class PrekeyManager:
    """The prekeys of an identity. Keeps nothing in memory; a restart between two calls changes nothing."""

    __slots__ = ("_inner",)
    _inner: _native.PrekeyManager

    def __init__(self, identity: Identity, store: SealedStore) -> None:
        self._inner = _native.PrekeyManager(identity._inner, store._inner)

    async def load_or_initialize(self) -> Object:
        """The bundle to publish, with all unused one-time keys. Makes the first prekeys if there are none."""
        return _object(await self._inner.load_or_initialize())

    async def replenish_one_time_prekeys(self, n: int) -> Object:
        """Adds one-time prekeys; the bundle with all of them."""
        return _object(await self._inner.replenish_one_time_prekeys(n))

    async def rotate_signed_prekey(self) -> Object:
        """Replaces the signed prekey; the bundle with the new one."""
        return _object(await self._inner.rotate_signed_prekey())

    async def bundle(self) -> Object:
        """The bundle as it is."""
        return _object(await self._inner.bundle())

    async def remaining(self) -> int:
        """One-time prekeys that are left."""
        return int(json.loads(await self._inner.remaining()))

    async def needs_replenishment(self) -> bool:
        """Whether it is time to add some."""
        return bool(json.loads(await self._inner.needs_replenishment()))


@dataclass(frozen=True)
class InitiatedSession:
    """A session that was opened, and what the peer needs to open its end."""

    session_id: str
    """The session."""
    x3dh_message: Object = field(repr=False)
    """For the peer's :meth:`SessionManager.accept_session`, before anything else of this session."""


@dataclass(frozen=True)
class Incoming:
    """A message that was decrypted, of whatever type."""

    sender: str
    """Who sent it."""
    id: str | None
    """Its id."""
    kind: str
    """What kind of message it is."""
    in_reply_to: str | None
    """The message that it answers."""
    sent_at: datetime.datetime | None
    """When it was sent, by the sender's clock."""
    payload: Any = field(repr=False)
    """What it says."""


class SessionManager:
    """The sessions of one identity. Every call loads, computes and commits before it returns; what failed has changed nothing."""

    __slots__ = ("_inner",)
    _inner: _native.SessionManager

    def __init__(self, prekeys: PrekeyManager, *, allow_legacy: bool = False) -> None:
        self._inner = _native.SessionManager(prekeys._inner, allow_legacy)

    async def initiate_session(
        self,
        peer: str,
        bundle: Object,
        signing_key: bytes,
        request: KnockRequest | None = None,
    ) -> InitiatedSession:
        """Opens a session with a peer whose bundle and key came from wherever the application trusts."""
        asked = None if request is None else dumps(request._json())
        begun = await self._inner.initiate_session(peer, dumps(bundle), signing_key, asked)
        return InitiatedSession(begun[0], _object(begun[1]))

    async def accept_session(self, peer: str, x3dh_message: Object) -> str:
        """Opens our end of a session that a peer initiated; the session."""
        return await self._inner.accept_session(peer, dumps(x3dh_message))

    async def activate_session(self, session_id: str, ratchet_key: bytes) -> None:
        """Hands the initiator the responder's ratchet key; only 0.2 needs it."""
        await self._inner.activate_session(session_id, ratchet_key)

    async def ratchet_public_key(self, session_id: str) -> bytes | None:
        """The public half of our current ratchet key."""
        return await self._inner.ratchet_public_key(session_id)

    async def encrypt_message(self, session_id: str, message: Payload) -> Object:
        """Encrypts JSON or bytes. The session is on disk before the envelope is returned."""
        return await self._inner.encrypt_message(session_id, encode(message))

    async def decrypt_message(self, session_id: str, envelope: Object) -> Any:
        """Decrypts a message of the application and returns its JSON. A message returned once is not decrypted again."""
        return json.loads(await self._inner.decrypt_message(session_id, envelope))

    async def open_envelope(self, session_id: str, envelope: Object) -> Incoming:
        """Decrypts a message of whatever type, bytes for one."""
        found = await self._inner.open_envelope(session_id, envelope)
        sender, id, kind, in_reply_to, sent_at, payload = found
        return Incoming(sender, id, kind, in_reply_to, maybe_time(sent_at), decode(payload))

    async def sessions(self) -> list[SessionSummary]:
        """All sessions, oldest first."""
        return [SessionSummary._of(value) for value in json.loads(await self._inner.sessions())]

    async def session_by_peer(self, peer: str) -> SessionSummary | None:
        """The session in which messages to a peer go, if there is one."""
        found = json.loads(await self._inner.session_by_peer(peer))
        return None if found is None else SessionSummary._of(found)

    async def close_session(self, session_id: str) -> None:
        """Ends a session here; its keys are deleted. The peer is not told."""
        await self._inner.close_session(session_id)

    async def maintain(self) -> int:
        """Deletes what has served; to be called every few hours. How many records."""
        return int(json.loads(await self._inner.maintain()))


@dataclass(frozen=True)
class AnsweredKnock:
    """An answer to a KNOCK, for the one who knocked."""

    session_id: str
    """The session that the KNOCK asked for."""
    envelope: Object = field(repr=False)
    """The answer, for :meth:`KnockProtocol.verify_answer`."""


class KnockProtocol:
    """KNOCKs and their answers: who opens a session says what for, and the policy of the other end decides."""

    __slots__ = ("_inner", "_sessions")
    _inner: _native.KnockProtocol

    def __init__(self, sessions: SessionManager, policy: Policy) -> None:
        self._sessions = sessions
        self._inner = _native.KnockProtocol(sessions._inner, policy.to_json())

    async def create_knock(
        self, peer: str, bundle: Object, signing_key: bytes, request: KnockRequest
    ) -> InitiatedSession:
        """Knocks: opens a session that says what it is wanted for."""
        return await self._sessions.initiate_session(peer, bundle, signing_key, request)

    async def judge(
        self,
        peer: str,
        x3dh_message: Object,
        *,
        tier: Tier | str = Tier.ANONYMOUS,
        reputation: float = 0.0,
    ) -> tuple[Knock, Decision]:
        """Believes a KNOCK, changes nothing, and asks the policy about it; with what the registry says of the peer."""
        name = tier.value if isinstance(tier, Tier) else tier
        found = await self._inner.judge(peer, dumps(x3dh_message), name, reputation)
        return Knock._of(json.loads(found[0])), from_json(found[1])

    async def answer(self, peer: str, x3dh_message: Object, decision: Decision) -> AnsweredKnock:
        """Answers a KNOCK. Accepting opens our end of the session; rejecting uses the KNOCK up."""
        found = await self._inner.answer(peer, dumps(x3dh_message), to_json(decision))
        return AnsweredKnock(found[0], _object(found[1]))

    async def verify_answer(self, session_id: str, envelope: Object) -> Accept | Reject:
        """Believes the answer to a KNOCK of ours. A rejected session is closed."""
        decision = from_json(await self._inner.verify_answer(session_id, dumps(envelope)))
        if isinstance(decision, (Accept, Reject)):
            return decision
        raise AssertionError("an answer is a yes or a no")


def _object(text: str) -> Object:
    value: Object = json.loads(text)
    return value
