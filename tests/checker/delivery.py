"""Sections 4 and 7 as far as they can be told from bytes: a responder that gets handshakes, and crossing."""

from dataclasses import dataclass, field

from . import frames, handshake, knock, plaintext
from .bundle import amid
from .errors import Refused, demand
from .ratchet import Session, split

# A responder's first ratchet key does not show in anything checked here.
SOME_KEY = bytes([7]) * 32


@dataclass
class Responder:
    """Answers frames of kind 1 in the order of section 4, and nothing else."""

    keys: handshake.Triple
    sessions: dict = field(default_factory=dict)
    tombstones: set = field(default_factory=set)

    def deliver(self, frame: bytes, from_amid: str, now: int) -> bytes:
        """The sid of the session that a handshake made."""
        parsed = frames.parse(frame)
        demand(isinstance(parsed, frames.Message) and bool(parsed.hs), "malformed", "not a handshake")
        hs = handshake.parse(parsed.hs)
        demand(amid(hs.signing) == from_amid, "amid-mismatch")
        sid = handshake.session_id(self.keys.signing, parsed.hs)
        demand(sid == parsed.sid, "malformed", "sid")
        demand(sid not in self.tombstones, "duplicate")
        if sid in self.sessions:
            self.sessions[sid].decrypt(parsed.message, now)
            raise Refused("not-a-knock", "a known session's message that opened")
        secrets = handshake.respond(parsed.hs, self.keys)
        session = self._accept(hs, secrets, parsed.message, now)
        first = plaintext.decode(session.decrypt(parsed.message, now))
        demand(first.type == plaintext.KNOCK, "not-a-knock")
        body = knock.verify(hs.signing, plaintext.KNOCK, secrets.ad, first.body, first.sig, now)
        own = [2, 3] if any(kind == 1 for kind, _ in self.keys.kems) else [2]
        knock.check_suite(body, hs.suite, own, 0)
        # The commit: everything above left no trace.
        self.keys.opks.pop(hs.opk_id, None)
        if hs.kem_kind == 2:
            del self.keys.kems[(2, hs.kem_id)]
        self.sessions[sid] = session
        return sid

    def _accept(self, hs, secrets, message: bytes, now: int) -> Session:
        remote = split(message)[0].key
        ad, sk = secrets.ad, secrets.sk
        return Session.accept(hs.suite, secrets.sid, ad, sk, self.keys.spk, remote, SOME_KEY, now)

    def close(self, sid: bytes) -> None:
        del self.sessions[sid]
        self.tombstones.add(sid)

    def lose(self, sid: bytes) -> None:
        """The session's record is gone, as if an older store had been restored."""
        del self.sessions[sid]

    def delete_triple(self) -> None:
        """96 hours after a newer bundle: the tombstones of this one go as well."""
        self.keys.spk_id = 0
        self.tombstones.clear()


def choose(own: bytes, peer: bytes, in_use: tuple | None, knock_time: int) -> str:
    """Section 7.6: which session is used for sending; `in_use` is (initiator, pending, time of its KNOCK)."""
    if in_use is None:
        return "new"
    initiator, pending, time = in_use
    if initiator == "own":
        return "new" if not pending or peer < own else "current"
    return "current" if knock_time < time else "new"
