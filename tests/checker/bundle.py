"""Section 3: the signed bundle and the signed one-time prekeys."""

from dataclasses import dataclass

from . import ed25519, mlkem
from .codec import Reader, b58, check_amid, is_prekey_id, lp, u32, u64
from .errors import demand
from .primitives import is_small_order, sha256

DAY = 24 * 3600 * 1000
MAX_AGE, MAX_AHEAD = 30 * DAY, 5 * 60 * 1000
MAX_TIME = 253402300799999


def amid(signing_public: bytes) -> str:
    return b58(sha256(signing_public)[:20])


@dataclass
class Bundle:
    signing: bytes
    amid: str
    exchange: bytes
    spk_id: int
    spk: bytes
    kpk_id: int
    kpk: bytes
    suites: bytes
    created_at: int

    def body(self) -> bytes:
        return (
            self.signing
            + lp(self.amid.encode("ascii"))
            + self.exchange
            + u32(self.spk_id)
            + self.spk
            + u32(self.kpk_id)
            + lp(self.kpk)
            + lp(self.suites)
            + u64(self.created_at)
        )


def sign_bundle(seed: bytes, bundle: Bundle) -> bytes:
    return bundle.body() + ed25519.sign_labelled(seed, "bundle", bundle.body())


def parse(blob: bytes) -> Bundle:
    reader = Reader(blob)
    bundle = Bundle(
        signing=reader.bytes(32),
        amid=reader.lp(28).decode("latin-1"),
        exchange=reader.bytes(32),
        spk_id=reader.u32(),
        spk=reader.bytes(32),
        kpk_id=reader.u32(),
        kpk=reader.lp(mlkem.PUBLIC_LENGTH),
        suites=reader.lp(16),
        created_at=reader.u64(),
    )
    reader.bytes(64)
    reader.finish()
    demand(is_prekey_id(bundle.spk_id), "malformed", "SPK id")
    demand(len(bundle.kpk) in (0, mlkem.PUBLIC_LENGTH), "malformed", "KPK length")
    demand(bundle.created_at <= MAX_TIME, "malformed", "created_at")
    demand(is_prekey_id(bundle.kpk_id) if bundle.kpk else bundle.kpk_id == 0, "malformed", "KPK id")
    return bundle


def verify(blob: bytes, expected_amid: str, newest_seen: int, pinned: int, now: int) -> Bundle:
    """The checks of section 3.1, in their order; `pinned` is the suite of the peer's pin, or 0."""
    bundle = parse(blob)
    check_amid(expected_amid)
    demand(bundle.amid == expected_amid == amid(bundle.signing), "amid-mismatch")
    ed25519.verify_labelled(bundle.signing, "bundle", blob[:-64], blob[-64:])
    demand(now - bundle.created_at <= MAX_AGE, "too-old")
    demand(bundle.created_at - now <= MAX_AHEAD, "from-the-future")
    demand(bundle.created_at >= newest_seen, "stale")
    suites = list(bundle.suites)
    demand(bool(suites) and suites == sorted(set(suites)) and 0 not in suites, "suite-set")
    demand((3 in suites) == bool(bundle.kpk), "suite-set")
    # Suites of later versions do not make up for one that is missing.
    demand(max(set(suites) & {1, 2, 3}, default=0) >= pinned, "suite-downgrade")
    demand(not is_small_order(bundle.exchange), "small-order-key", "IKx")
    demand(not is_small_order(bundle.spk), "small-order-key", "SPK")
    if bundle.kpk:
        mlkem.check_public(bundle.kpk)
    return bundle


def opk_message(key_id: int, key: bytes) -> bytes:
    return u32(key_id) + key


def kopk_message(key_id: int, key: bytes) -> bytes:
    return u32(key_id) + lp(key)


def check_opk(signing: bytes, key_id: int, key: bytes, signature: bytes) -> None:
    demand(is_prekey_id(key_id) and len(key) == 32, "malformed")
    ed25519.verify_labelled(signing, "opk", opk_message(key_id, key), signature)
    demand(not is_small_order(key), "small-order-key")


def check_kopk(signing: bytes, key_id: int, key: bytes, signature: bytes) -> None:
    demand(is_prekey_id(key_id), "malformed")
    ed25519.verify_labelled(signing, "kem", kopk_message(key_id, key), signature)
    mlkem.check_public(key)
