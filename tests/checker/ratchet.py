"""Section 5: the Double Ratchet, and a session's two ends."""

from copy import deepcopy
from dataclasses import dataclass, field

from .codec import Reader, u8, u32
from .errors import Refused, demand
from .primitives import hkdf_sha256, hmac_sha256, is_small_order, seal, unseal, x25519, x25519_public

HEADER_LENGTH, NONCE_LENGTH, TAG_LENGTH, BLOCK = 42, 12, 16, 256
MAX_SKIP, MAX_KEPT, KEPT_FOR, MAX_TAGS = 1000, 2000, 96 * 3600 * 1000, 128
LAST_N = 2**32 - 1


@dataclass
class Header:
    suite: int
    key: bytes
    pn: int
    n: int

    def encode(self) -> bytes:
        return b"\x03" + u8(self.suite) + self.key + u32(self.pn) + u32(self.n)


def parse_header(raw: bytes) -> Header:
    r = Reader(raw)
    demand(r.u8() == 3, "malformed", "header version")
    header = Header(r.u8(), r.bytes(32), r.u32(), r.u32())
    r.finish()
    demand(header.n != LAST_N, "malformed", "n")
    return header


def pad(plaintext: bytes) -> bytes:
    padded = plaintext + b"\x80"
    return padded + bytes(-len(padded) % BLOCK)


def unpad(padded: bytes) -> bytes:
    stripped = padded.rstrip(b"\0")
    demand(stripped.endswith(b"\x80") and pad(stripped[:-1]) == padded, "padding")
    return stripped[:-1]


def kdf_root(root: bytes, dh: bytes):
    out = hkdf_sha256(root, dh, b"agentmesh/0.3 root", 64)
    return out[:32], out[32:]


def message_key(chain: bytes) -> bytes:
    return hmac_sha256(chain, b"\x01")


def next_chain(chain: bytes) -> bytes:
    return hmac_sha256(chain, b"\x02")


@dataclass
class Run:
    """Skipped keys of one gap: same chain, same age."""

    remote: bytes
    since: int
    keys: dict  # n -> key


@dataclass
class Session:
    """One end. `own` is the private ratchet key, None between a peer's turn and ours."""

    suite: int
    sid: bytes
    ad: bytes
    created_at: int
    root: bytes
    own: bytes | None
    sending: bytes | None
    n: int
    pn: int
    remote: bytes | None  # the peer's ratchet key, once it sent one
    receiving: bytes | None
    expected: int
    skipped: list = field(default_factory=list)
    tags: list = field(default_factory=list)

    @staticmethod
    def initiate(suite: int, sid: bytes, ad: bytes, sk: bytes, spk: bytes, own: bytes, now: int) -> "Session":
        root, chain = kdf_root(sk, x25519(own, spk))
        return Session(suite, sid, ad, now, root, own, chain, 0, 0, None, None, 0)

    @staticmethod
    def accept(
        suite: int, sid: bytes, ad: bytes, sk: bytes, spk_private: bytes, remote: bytes, own: bytes, now: int
    ) -> "Session":
        root, receiving = kdf_root(sk, x25519(spk_private, remote))
        root, sending = kdf_root(root, x25519(own, remote))
        return Session(suite, sid, ad, now, root, own, sending, 0, 0, remote, receiving, 0)

    def encrypt(self, plaintext: bytes, nonce: bytes, fresh: bytes | None) -> bytes:
        """header | nonce | ciphertext | tag; `fresh` is the ratchet key to take the turn with, if it is due."""
        demand((self.own is None) == (fresh is not None), "ratchet-key", "a key where none is due, or the reverse")
        if fresh is not None:
            self.root, self.sending = kdf_root(self.root, x25519(fresh, self.remote))
            self.own, self.n = fresh, 0
        demand(self.n < LAST_N, "exhausted")
        header = Header(self.suite, x25519_public(self.own), self.pn, self.n).encode()
        sealed = seal(message_key(self.sending), nonce, self.ad + header, pad(plaintext))
        self.sending, self.n = next_chain(self.sending), self.n + 1
        return header + nonce + sealed

    def decrypt(self, message: bytes, now: int) -> bytes:
        """On a copy; the state changes only if the message opens."""
        header, nonce, sealed = split(message)
        demand(header.suite == self.suite, "wrong-suite")
        candidate = deepcopy(self)
        try:
            key, pending = candidate._key(header, now)
            padded = unseal(key, nonce, self.ad + message[:HEADER_LENGTH], sealed)
        except Refused as refused:
            if sealed[-TAG_LENGTH:][:8] in self.tags:
                raise Refused("duplicate") from None
            raise refused
        plaintext = unpad(padded)
        pending()
        candidate.tags = (candidate.tags + [sealed[-TAG_LENGTH:][:8]])[-MAX_TAGS:]
        self.__dict__ = candidate.__dict__
        return plaintext

    def expire(self, now: int) -> None:
        self.skipped = [run for run in self.skipped if now - run.since <= KEPT_FOR]

    def _key(self, header: Header, now: int):
        """The key of a message, and what is left to do once it authenticated. Works on a candidate."""
        if header.key == self.remote and header.n >= self.expected:
            check_gap(self.expected, header.n)
            return self._walk(header.n, now)
        runs = [run for run in self.skipped if run.remote == header.key]
        for run in runs:
            if header.n in run.keys and now - run.since <= KEPT_FOR:
                return run.keys[header.n], lambda: self._used(run, header.n, now)
        demand(not runs and header.key != self.remote, "undecryptable", "the key is used up")
        return self._turn(header, now)

    def _used(self, run: Run, n: int, now: int) -> None:
        del run.keys[n]
        self.skipped = [run for run in self.skipped if run.keys]
        self.expire(now)

    def _turn(self, header: Header, now: int):
        demand(self.own is not None, "undecryptable", "no turn is due to the peer")
        previous = None
        if self.remote is None:
            demand(header.pn == 0, "undecryptable", "a predecessor of the first chain")
        else:
            check_gap(self.expected, header.pn)
            previous = (self.remote, self.receiving, self.expected)
        check_gap(0, header.n)
        demand(header.key != x25519_public(self.own), "undecryptable", "our own ratchet key")
        demand(not is_small_order(header.key), "undecryptable", "small order")
        self.root, self.receiving = kdf_root(self.root, x25519(self.own, header.key))
        self.pn, self.own, self.sending, self.n = self.n, None, None, 0
        self.remote, self.expected = header.key, 0
        key, rest = self._walk(header.n, now)

        def pending() -> None:
            self.expire(now)
            if previous is not None:
                remote, chain, n = previous
                keys = {}
                while n < header.pn:
                    keys[n], chain, n = message_key(chain), next_chain(chain), n + 1
                self._keep(remote, keys, now)
            rest()

        return key, pending

    def _walk(self, n: int, now: int):
        keys = {}
        while self.expected < n:
            keys[self.expected] = message_key(self.receiving)
            self.receiving, self.expected = next_chain(self.receiving), self.expected + 1
        key = message_key(self.receiving)
        self.receiving, self.expected = next_chain(self.receiving), self.expected + 1
        remote = self.remote

        def pending() -> None:
            self.expire(now)
            self._keep(remote, keys, now)

        return key, pending

    def _keep(self, remote: bytes, keys: dict, now: int) -> None:
        if keys:
            self.skipped.append(Run(remote, now, dict(keys)))
        while sum(len(run.keys) for run in self.skipped) > MAX_KEPT:
            oldest = self.skipped[0]
            del oldest.keys[min(oldest.keys)]
            if not oldest.keys:
                del self.skipped[0]


def split(message: bytes):
    """header, nonce, ciphertext || tag."""
    sealed = message[HEADER_LENGTH + NONCE_LENGTH :]
    length = len(sealed) - TAG_LENGTH
    demand(length > 0 and length % BLOCK == 0, "malformed", "ciphertext length")
    header = parse_header(message[:HEADER_LENGTH])
    return header, message[HEADER_LENGTH : HEADER_LENGTH + NONCE_LENGTH], sealed


def check_gap(expected: int, n: int) -> None:
    demand(n - expected <= MAX_SKIP, "too-many-skipped")
