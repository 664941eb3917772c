"""Section 9 and `docs/protocol/state.md`: stored records, byte by byte."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from .codec import Reader, b64_decode, is_prekey_id, lp, u8, u32, u64
from .errors import Refused, demand
from .handshake import SUITES
from .primitives import hkdf_sha256, hmac_sha256, seal as aead_seal, sha256, unseal, x25519_public
from .ratchet import MAX_KEPT, MAX_TAGS, Run, Session

SESSION_VERSION = IDENTITY_VERSION = PREKEYS_VERSION = 1


def encode_session(session: Session) -> bytes:
    out = u8(SESSION_VERSION) + u8(session.suite) + session.sid + session.ad + u64(session.created_at)
    out += session.root
    if session.own is None:
        out += u8(0)
    else:
        out += u8(1) + session.own + x25519_public(session.own) + session.sending + u32(session.n)
    out += u32(session.pn)
    if session.remote is None:
        out += u8(0)
    else:
        out += u8(1) + session.remote + session.receiving + u32(session.expected)
    out += u32(len(session.skipped))
    for run in session.skipped:
        out += run.remote + u64(run.since) + u32(len(run.keys))
        out += b"".join(u32(n) + key for n, key in sorted(run.keys.items()))
    return out + u32(len(session.tags)) + b"".join(session.tags)


def decode_session(record: bytes) -> Session:
    r = Reader(record)
    demand(r.u8() == SESSION_VERSION, "unknown-version")
    suite, sid, ad, created_at = r.u8(), r.bytes(16), r.bytes(32), r.u64()
    demand(suite in SUITES, "malformed", "suite")
    root, own, sending, n = r.bytes(32), None, None, 0
    if r.flag():
        own, public, sending, n = r.bytes(32), r.bytes(32), r.bytes(32), r.u32()
        demand(x25519_public(own) == public, "malformed", "ratchet key pair")
    pn = r.u32()
    remote, receiving, expected = None, None, 0
    if r.flag():
        remote, receiving, expected = r.bytes(32), r.bytes(32), r.u32()
    demand(own is not None or remote is not None, "malformed", "nobody's turn")
    session = Session(suite, sid, ad, created_at, root, own, sending, n, pn, remote, receiving, expected)
    total = 0
    for _ in range(r.count(MAX_KEPT)):
        run, last = Run(r.bytes(32), r.u64(), {}), -1
        count = r.count(MAX_KEPT - total)
        demand(count > 0, "malformed", "an empty run")
        for _ in range(count):
            n = r.u32()
            demand(n > last, "malformed", "numbers do not ascend")
            run.keys[n] = r.bytes(32)
            last = n
        total += count
        session.skipped.append(run)
    session.tags = [r.bytes(8) for _ in range(r.count(MAX_TAGS))]
    r.finish()
    return session


def encode_identity(seed: bytes, exchange: bytes, created_at: int) -> bytes:
    return u8(IDENTITY_VERSION) + seed + exchange + u64(created_at)


def decode_identity(record: bytes) -> tuple:
    r = Reader(record)
    demand(r.u8() == IDENTITY_VERSION, "unknown-version")
    fields = r.bytes(32), r.bytes(32), r.u64()
    r.finish()
    return fields


def encode_pair(private: bytes) -> bytes:
    return private + x25519_public(private)


def decode_pair(r: Reader) -> bytes:
    private = r.bytes(32)
    demand(r.bytes(32) == x25519_public(private), "malformed", "key pair")
    return private


def encode_option(value, encode) -> bytes:
    return u8(0) if value is None else u8(1) + encode(value)


@dataclass
class Pool:
    next_id: int
    uploaded_through: int
    stock: int | None
    keys: dict  # id -> private key

    def encode(self, encode_key) -> bytes:
        out = u32(self.next_id) + u32(self.uploaded_through) + encode_option(self.stock, u32)
        out += u32(len(self.keys))
        return out + b"".join(u32(key_id) + encode_key(key) for key_id, key in sorted(self.keys.items()))


def decode_pool(r: Reader, decode_key) -> Pool:
    pool, last = Pool(r.u32(), r.u32(), r.u32() if r.flag() else None, {}), 0
    for _ in range(r.count(1000)):
        key_id = r.u32()
        demand(last < key_id < pool.next_id, "malformed", "ids do not ascend")
        pool.keys[key_id] = decode_key(r)
        last = key_id
    return pool


@dataclass
class Triple:
    spk_id: int
    created_at: int
    spk: bytes
    exchange: bytes
    kpk: tuple | None  # (id, seed)
    replaced_at: int | None
    drained: bool

    def encode(self) -> bytes:
        out = u32(self.spk_id) + u64(self.created_at) + encode_pair(self.spk) + encode_pair(self.exchange)
        out += encode_option(self.kpk, lambda kpk: u32(kpk[0]) + kpk[1])
        return out + encode_option(self.replaced_at, u64) + u8(self.drained)


def decode_triple(r: Reader) -> Triple:
    spk_id, created_at = r.u32(), r.u64()
    demand(is_prekey_id(spk_id), "malformed", "SPK id")
    spk, exchange = decode_pair(r), decode_pair(r)
    kpk = (r.u32(), r.bytes(64)) if r.flag() else None
    return Triple(spk_id, created_at, spk, exchange, kpk, r.u64() if r.flag() else None, r.flag())


@dataclass
class PreKeys:
    next_spk_id: int
    next_kpk_id: int
    bundle_created_at: int
    bundle_uploaded: bool
    opks: Pool
    kopks: Pool
    triples: list  # oldest first, the current one last

    def encode(self) -> bytes:
        out = u8(PREKEYS_VERSION) + u32(self.next_spk_id) + u32(self.next_kpk_id)
        out += u64(self.bundle_created_at) + u8(self.bundle_uploaded)
        out += self.opks.encode(encode_pair) + self.kopks.encode(bytes)
        return out + u32(len(self.triples)) + b"".join(triple.encode() for triple in self.triples)


def decode_prekeys(record: bytes) -> PreKeys:
    r = Reader(record)
    demand(r.u8() == PREKEYS_VERSION, "unknown-version")
    head = r.u32(), r.u32(), r.u64(), r.flag()
    opks, kopks = decode_pool(r, decode_pair), decode_pool(r, lambda r: r.bytes(64))
    triples = [decode_triple(r) for _ in range(r.count(1024))]
    demand(bool(triples), "malformed", "no signed prekey")
    r.finish()
    return PreKeys(*head, opks, kopks, triples)


def store_key(key: bytes, purpose: bytes) -> bytes:
    return hkdf_sha256(b"agentmesh/0.3 store", key, purpose, 32)


def record_id(key: bytes, kind: int, logical: bytes) -> bytes:
    return hmac_sha256(store_key(key, b"record id"), u8(kind) + logical)[:16]


def record_key(key: bytes, kind: int, record: bytes, version: int, salt: bytes) -> tuple:
    """The key of one write, and what it is bound to."""
    binding = u8(kind) + record + u64(version)
    return hmac_sha256(store_key(key, b"record seal"), binding + salt), b"agentmesh/0.3 record" + binding


def seal(key: bytes, kind: int, record: bytes, version: int, salt: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    write_key, aad = record_key(key, kind, record, version, salt)
    return u8(1) + salt + nonce + aead_seal(write_key, nonce, aad, plaintext)


def open_sealed(key: bytes, kind: int, record: bytes, version: int, sealed: bytes) -> bytes:
    r = Reader(sealed, "unreadable")
    demand(r.u8() == 1, "unknown-version")
    salt, nonce = r.bytes(16), r.bytes(12)
    write_key, aad = record_key(key, kind, record, version, salt)
    try:
        return unseal(write_key, nonce, aad, r.rest())
    except Refused:
        raise Refused("unreadable") from None


BACKUP = "agentmesh-backup-v1:"


def open_backup(text: str, passphrase: str) -> tuple:
    """The cost (KiB, passes, lanes) and the record inside."""
    text = "".join(text.split())
    demand(text.startswith(BACKUP), "malformed")
    payload = b64_decode(text[len(BACKUP) :])
    r = Reader(payload)
    memory, passes, lanes = r.u32(), r.u32(), r.u32()
    demand(8192 <= memory <= 262144 and 1 <= passes <= 10 and 1 <= lanes <= 4, "cost")
    salt, nonce = r.bytes(16), r.bytes(12)
    argon2 = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    key = argon2.derive(passphrase.encode())
    return (memory, passes, lanes), unseal(key, nonce, BACKUP.encode() + payload[:28], r.rest())


def fingerprint(signing: bytes) -> str:
    h = sha256(lp(b"agentmesh/0.3 fingerprint") + signing)
    return " ".join(f"{int.from_bytes(h[5 * i : 5 * i + 5], 'big') % 100000:05}" for i in range(6))
