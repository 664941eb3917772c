"""Sections 3.3 and 8: what an agent signs for registries and relays, and binary relay frames."""

from . import ed25519
from .bundle import amid
from .codec import Reader, b64, b64_decode, check_amid, lp, u8, u64
from .errors import demand
from .primitives import sha256

MAX_AGE, MAX_AHEAD = 5 * 60 * 1000, 60 * 1000
SEND, RECEIVE, ACK = 1, 2, 3


def request_message(method: str, host: str, target: str, time: int, nonce: bytes, body: bytes) -> bytes:
    parts = [lp(method.encode()), lp(host.lower().encode()), lp(target.encode())]
    return b"".join(parts) + u64(time) + nonce + sha256(body)


def request_header(seed: bytes, method: str, host: str, target: str, time: int, nonce: bytes, body: bytes) -> str:
    signing = ed25519.public_key(seed)
    message = request_message(method, host, target, time, nonce, body)
    signature = ed25519.sign_labelled(seed, "request", message)
    return f"v1 {amid(signing)} {b64(signing)} {time} {b64(nonce)} {b64(signature)}"


def verify_request(header: str, method: str, host: str, target: str, body: bytes, now: int) -> None:
    fields = header.split(" ")
    demand(len(fields) == 6 and fields[0] == "v1" and fields[3].isascii() and fields[3].isdigit(), "malformed")
    check_amid(fields[1])
    signing, nonce, signature = (b64_decode(fields[i]) for i in (2, 4, 5))
    demand([len(signing), len(nonce), len(signature)] == [32, 16, 64], "malformed")
    demand(amid(signing) == fields[1], "amid-mismatch")
    time = int(fields[3])
    demand(now - time <= MAX_AGE and time - now <= MAX_AHEAD, "out-of-window")
    ed25519.verify_labelled(
        signing, "request", request_message(method, host, target, time, nonce, body), signature
    )


def connect_message(host: str, timestamp: str, nonce: bytes) -> bytes:
    return lp(host.lower().encode()) + lp(timestamp.encode()) + nonce


def connect_auth(seed: bytes, host: str, timestamp: str, nonce: bytes) -> str:
    return b64(nonce + ed25519.sign_labelled(seed, "connect", connect_message(host, timestamp, nonce)))


def verify_connect(signing: bytes, host: str, timestamp: str, auth: str) -> None:
    raw = b64_decode(auth)
    demand(len(raw) == 80, "malformed")
    ed25519.verify_labelled(signing, "connect", connect_message(host, timestamp, raw[:16]), raw[16:])


def encode_binary(kind: int, peer: str, message_id: bytes, mtype: int | None, time: int | None, frame: bytes) -> bytes:
    out = u8(kind) + u8(len(peer.encode())) + peer.encode() + message_id
    if kind == ACK:
        return out
    return out + u8(mtype) + (u64(time) if kind == RECEIVE else b"") + frame


def decode_binary(data: bytes) -> tuple:
    r = Reader(data)
    kind = r.u8()
    demand(kind in (SEND, RECEIVE, ACK), "unknown-kind")
    peer, message_id = r.bytes(r.u8()).decode("ascii"), r.bytes(16)
    if kind == ACK:
        r.finish()
        return kind, peer, message_id, None, None, b""
    mtype = r.u8()
    time = r.u64() if kind == RECEIVE else None
    return kind, peer, message_id, mtype, time, r.rest()
