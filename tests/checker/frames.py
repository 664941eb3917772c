"""Section 6: the five kinds of frames, and telling payloads apart."""

from dataclasses import dataclass

from . import ed25519
from .bundle import amid
from .codec import Reader, b64_decode, lp, u8, u64
from .errors import Refused, demand
from .handshake import LENGTHS
from .primitives import sha256
from .ratchet import split

MAX_FRAME = 48 * 1024
HANDSHAKE, MESSAGE, PROBE, PROBE_REPLY, REFUSE = 1, 2, 3, 4, 5
PREFIX = {kind: bytes([3, kind]) for kind in range(1, 6)}


@dataclass
class Message:
    """Kinds 1 and 2; `hs` is empty in kind 2."""

    hs: bytes
    sid: bytes
    message: bytes  # header, nonce, ciphertext, tag

    def encode(self) -> bytes:
        return PREFIX[HANDSHAKE if self.hs else MESSAGE] + self.hs + self.sid + self.message


@dataclass
class Probe:
    sid: bytes
    nonce: bytes
    time: int
    signing: bytes
    signature: bytes

    label = "probe"

    def encode(self) -> bytes:
        return PREFIX[PROBE] + self.sid + self.nonce + u64(self.time) + self.signing + self.signature

    def signed(self, to: bytes) -> bytes:
        return self.signing + to + self.sid + self.nonce + u64(self.time)


@dataclass
class ProbeReply:
    sid: bytes
    nonce: bytes
    known: bool
    signing: bytes
    enclosed: bytes
    signature: bytes

    label = "probe-reply"

    def encode(self) -> bytes:
        head = PREFIX[PROBE_REPLY] + self.sid + self.nonce + u8(self.known)
        return head + self.signing + lp(self.enclosed) + self.signature

    def signed(self, to: bytes) -> bytes:
        return self.signing + to + self.sid + self.nonce + u8(self.known) + sha256(self.enclosed)


@dataclass
class Refuse:
    sid: bytes
    code: int
    signing: bytes
    blob: bytes
    signature: bytes

    label = "refuse"

    def encode(self) -> bytes:
        return PREFIX[REFUSE] + self.sid + u8(self.code) + self.signing + lp(self.blob) + self.signature

    def signed(self, to: bytes) -> bytes:
        return self.signing + to + self.sid + u8(self.code) + sha256(self.blob)


def from_payload(payload: str) -> bytes:
    """The frame in an `encrypted_payload`."""
    demand(not payload.startswith("{"), "legacy")
    frame = b64_decode(payload)
    demand(len(frame) <= MAX_FRAME, "too-long")
    demand(frame[:1] == b"\x03", "malformed", "version")
    return frame


def parse(frame: bytes):
    demand(len(frame) <= MAX_FRAME, "too-long")
    r = Reader(frame)
    demand(r.u8() == 3, "malformed", "version")
    kind = r.u8()
    if kind in (HANDSHAKE, MESSAGE):
        return _parse_message(r, kind)
    if kind == PROBE:
        parsed = Probe(r.bytes(16), r.bytes(16), r.u64(), r.bytes(32), r.bytes(64))
    elif kind == PROBE_REPLY:
        parsed = ProbeReply(r.bytes(16), r.bytes(16), r.flag(), r.bytes(32), r.lp(MAX_FRAME), r.bytes(64))
        demand(parsed.known == bool(parsed.enclosed), "malformed", "known without proof, or the reverse")
        if parsed.enclosed:
            enclosed = parse(parsed.enclosed)
            demand(isinstance(enclosed, Message) and not enclosed.hs, "malformed", "enclosed is no message")
            demand(enclosed.sid == parsed.sid, "malformed", "enclosed is of another session")
    elif kind == REFUSE:
        parsed = Refuse(r.bytes(16), r.u8(), r.bytes(32), r.lp(MAX_FRAME), r.bytes(64))
    else:
        raise Refused("unknown-kind")
    r.finish()
    return parsed


def _parse_message(r: Reader, kind: int) -> Message:
    hs = b""
    if kind == HANDSHAKE:
        suite = r.u8()
        demand(suite in LENGTHS, "suite", "not a native suite")
        hs = u8(suite) + r.bytes(LENGTHS[suite] - 1)
    parsed = Message(hs, r.bytes(16), r.rest())
    header, _, _ = split(parsed.message)
    if kind == HANDSHAKE:
        demand(header.pn == 0 and header.n == 0, "malformed", "not the first message")
        demand(header.suite == hs[0], "wrong-suite")
    return parsed


def verify(control, from_amid: str, to: bytes) -> None:
    """Who signed a frame of kind 3, 4 or 5, and to whom."""
    demand(amid(control.signing) == from_amid, "amid-mismatch")
    ed25519.verify_labelled(control.signing, control.label, control.signed(to), control.signature)
