"""Section 6.2: KNOCK, ACCEPT and REJECT."""

import json
from dataclasses import dataclass

from . import cbor, ed25519
from .codec import lp
from .errors import demand
from .plaintext import ACCEPT, KNOCK, REJECT, check_json, check_time

MAX_AGE, MAX_AHEAD = 96 * 3600 * 1000, 5 * 60 * 1000
MAX_ENTRIES, MAX_SUITES = 16, 16
MAX_REQUEST, MAX_TIER, MAX_CERTIFICATE, MAX_REASON, MAX_CAPABILITY = 16 * 1024, 32, 8 * 1024, 512, 256
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


def verify(signing: bytes, kind: int, ad: bytes, body: bytes, signature: bytes, now: int | None):
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
        reason = bounded(field(3, str), MAX_REASON)
        return Reject(field(1, bytes, 16), check_time(field(2, int)), reason, field(4, int, optional=True))
    knock = Knock(
        request=bounded(field(1, str), MAX_REQUEST),
        tier=bounded(field(2, str), MAX_TIER),
        certificate=bounded(field(3, bytes, optional=True), MAX_CERTIFICATE),
        time=check_time(field(4, int)),
        nonce=field(5, bytes, 16),
        suites=field(6, list),
    )
    check_request(knock.request)
    demand(all(type(suite) is int and 1 <= suite <= 255 for suite in knock.suites), "suite-set")
    demand(0 < len(knock.suites) <= MAX_SUITES and knock.suites == sorted(set(knock.suites)), "suite-set")
    return knock


def bounded(value, limit: int):
    length = len(value.encode() if isinstance(value, str) else value or b"")
    demand(length <= limit, "cbor-too-long")
    return value


def check_request(text: str) -> None:
    """0.2's request object, as far as anything depends on it."""
    check_json(text)
    request = members(json.loads(text, object_pairs_hook=Pairs), REQUEST)
    demand(request.get("type") in ("one-shot", "streaming", "persistent"), "knock-request")
    ttl, intent = request.get("ttl"), members(request.get("intent"), INTENT)
    demand(type(ttl) is int and ttl >= 0, "knock-request")
    for key in ("capability", "action"):
        demand(isinstance(intent.get(key), str), "knock-request")
        bounded(intent[key], MAX_CAPABILITY)


REQUEST = ("type", "ttl", "expectedMessages", "intent", "priority")
INTENT = ("capability", "action", "params")


class Pairs(list):
    """A JSON object, with members that come twice."""


def members(pairs, known) -> dict:
    demand(isinstance(pairs, Pairs), "knock-request", "not an object")
    for key in known:
        demand(sum(name == key for name, _ in pairs) <= 1, "knock-request", f"{key} twice")
    return dict(pairs)


def check_suite(knock: Knock, suite: int, own_suites: list, pinned: int) -> None:
    """Whether a handshake in `suite` may come with this KNOCK."""
    demand(suite in knock.suites, "suite-set")
    strongest = max({2, 3} & set(knock.suites) & set(own_suites), default=0)
    demand(suite >= max(strongest, pinned), "suite-downgrade")
