"""Section 6.2: KNOCK, ACCEPT and REJECT."""

from dataclasses import dataclass

from . import cbor, ed25519
from .codec import lp
from .errors import demand
from .plaintext import ACCEPT, KNOCK, REJECT, check_json, check_time

MAX_AGE, MAX_AHEAD = 96 * 3600 * 1000, 5 * 60 * 1000
MAX_ENTRIES = 16
LABELS = {KNOCK: "knock", ACCEPT: "accept", REJECT: "reject"}


@dataclass
class Knock:
    request: str
    tier: str
    certificate: bytes | None
    time: int
    nonce: bytes
    suites: list

    def encode(self) -> bytes:
        return _encode(self.request, self.tier, self.certificate, self.time, self.nonce, self.suites)


@dataclass
class Accept:
    knock_nonce: bytes
    time: int
    ttl: int | None

    def encode(self) -> bytes:
        return _encode(self.knock_nonce, self.time, self.ttl)


@dataclass
class Reject:
    knock_nonce: bytes
    time: int
    reason: str
    retry_after: int | None

    def encode(self) -> bytes:
        return _encode(self.knock_nonce, self.time, self.reason, self.retry_after)


def _encode(*values) -> bytes:
    return cbor.encode({key: value for key, value in enumerate(values, 1) if value is not None})


def sign(seed: bytes, kind: int, ad: bytes, body: bytes) -> bytes:
    return ed25519.sign_labelled(seed, LABELS[kind], ad + lp(body))


def verify(signing: bytes, kind: int, ad: bytes, body: bytes, signature: bytes, now: int):
    """The body, if its signature and its time are good."""
    ed25519.verify_labelled(signing, LABELS[kind], ad + lp(body), signature)
    parsed = decode(kind, body)
    if kind == KNOCK:
        demand(now - parsed.time <= MAX_AGE, "knock-expired")
        demand(parsed.time - now <= MAX_AHEAD, "knock-from-the-future")
    return parsed


def decode(kind: int, body: bytes):
    entries = cbor.decode_map(body, MAX_ENTRIES)
    field = lambda *args, **kwargs: cbor.field(entries, *args, **kwargs)  # noqa: E731
    if kind == ACCEPT:
        return Accept(field(1, bytes, 16), check_time(field(2, int)), field(3, int, optional=True))
    if kind == REJECT:
        return Reject(field(1, bytes, 16), check_time(field(2, int)), field(3, str), field(4, int, optional=True))
    knock = Knock(
        request=field(1, str),
        tier=field(2, str),
        certificate=field(3, bytes, optional=True),
        time=check_time(field(4, int)),
        nonce=field(5, bytes, 16),
        suites=field(6, list),
    )
    check_json(knock.request)
    demand(all(type(suite) is int and 0 <= suite <= 255 for suite in knock.suites), "cbor-type")
    demand(knock.suites and knock.suites == sorted(set(knock.suites)), "suite-set")
    return knock
