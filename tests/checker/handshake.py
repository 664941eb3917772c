"""Section 4: HS, AD, sid and SK, from either side."""

from dataclasses import dataclass

from . import mlkem
from .codec import Reader, is_prekey_id, lp, u8, u32
from .errors import demand
from .primitives import hkdf_sha256, sha256, x25519, x25519_public

SUITES = {2: b"x25519", 3: b"x25519-mlkem768"}
LENGTHS = {2: 110, 3: 110 + mlkem.CIPHERTEXT_LENGTH}


@dataclass
class Hs:
    suite: int
    signing: bytes
    exchange: bytes
    ephemeral: bytes
    spk_id: int
    opk_id: int
    kem_kind: int
    kem_id: int
    ciphertext: bytes

    def encode(self) -> bytes:
        return (
            u8(self.suite)
            + self.signing
            + self.exchange
            + self.ephemeral
            + u32(self.spk_id)
            + u32(self.opk_id)
            + u8(self.kem_kind)
            + u32(self.kem_id)
            + self.ciphertext
        )


def parse(raw: bytes) -> Hs:
    demand(len(raw) > 0 and raw[0] in SUITES, "suite", "not a native suite")
    demand(len(raw) == LENGTHS[raw[0]], "malformed", "length")
    r = Reader(raw)
    hs = Hs(r.u8(), r.bytes(32), r.bytes(32), r.bytes(32), r.u32(), r.u32(), r.u8(), r.u32(), r.rest())
    demand(is_prekey_id(hs.spk_id), "malformed", "SPK id")
    demand(hs.opk_id == 0 or is_prekey_id(hs.opk_id), "malformed", "OPK id")
    if hs.suite == 2:
        demand(hs.kem_kind == 0 and hs.kem_id == 0, "malformed", "a KEM in suite 2")
    else:
        demand(hs.kem_kind in (1, 2) and is_prekey_id(hs.kem_id), "malformed", "KEM")
    return hs


@dataclass
class Triple:
    """What an SPK id names, and the one-time keys that a handshake may name; private parts."""

    signing: bytes
    exchange: bytes
    spk_id: int
    spk: bytes
    opks: dict
    kems: dict  # (kind, id) -> seed


@dataclass
class Secrets:
    ad: bytes
    sid: bytes
    dh: list
    ss: bytes
    sk: bytes


def session_id(responder_signing: bytes, hs: bytes) -> bytes:
    return sha256(lp(b"agentmesh/0.3 sid") + responder_signing + hs)[:16]


def associated_data(hs: bytes, signing: bytes, exchange: bytes, spk: bytes, opk: bytes, kem: bytes) -> bytes:
    return sha256(lp(b"agentmesh/0.3 ad") + hs + signing + exchange + spk + lp(opk) + lp(kem))


def shared_secret(suite: int, ad: bytes, dh: list, ss: bytes) -> bytes:
    ikm = b"\xff" * 32 + b"".join(dh) + ss
    return hkdf_sha256(bytes(32), ikm, b"agentmesh/0.3 " + SUITES[suite] + b"\0" + ad, 32)


def respond(raw: bytes, own: Triple) -> Secrets:
    """The responder's computation."""
    hs = parse(raw)
    demand(hs.spk_id == own.spk_id, "prekey-gone", "SPK")
    demand(hs.opk_id == 0 or hs.opk_id in own.opks, "prekey-gone", "OPK")
    kem = (hs.kem_kind, hs.kem_id)
    demand(hs.suite == 2 or kem in own.kems, "prekey-gone", "KEM")
    opk = own.opks[hs.opk_id] if hs.opk_id else None
    dh = [x25519(own.spk, hs.exchange), x25519(own.exchange, hs.ephemeral), x25519(own.spk, hs.ephemeral)]
    if opk:
        dh.append(x25519(opk, hs.ephemeral))
    ss, kem_public = b"", b""
    if hs.suite == 3:
        ss = mlkem.decapsulate(own.kems[kem], hs.ciphertext)
        kem_public = mlkem.public_key(own.kems[kem])
    ad = associated_data(
        raw,
        own.signing,
        x25519_public(own.exchange),
        x25519_public(own.spk),
        x25519_public(opk) if opk else b"",
        kem_public,
    )
    return Secrets(ad, session_id(own.signing, raw), dh, ss, shared_secret(hs.suite, ad, dh, ss))


def initiate(
    exchange_private: bytes, ephemeral_private: bytes, peer_exchange: bytes, spk: bytes, opk: bytes | None
) -> list:
    """DH1 to DH3 or DH4 as the initiator computes them."""
    dh = [
        x25519(exchange_private, spk),
        x25519(ephemeral_private, peer_exchange),
        x25519(ephemeral_private, spk),
    ]
    return dh + [x25519(ephemeral_private, opk)] if opk else dh
