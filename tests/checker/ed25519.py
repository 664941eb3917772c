"""Section 2: Ed25519, deterministic signing and strict, cofactorless verification, written out from RFC 8032.

Libraries differ in what they accept, so none is used here.
"""

import functools
import hashlib

from .codec import lp
from .errors import demand

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

# Points are extended coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
NEUTRAL = (0, 1, 1, 0)


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(n, p):
    q = NEUTRAL
    while n:
        if n & 1:
            q = add(q, p)
        p = add(p, p)
        n >>= 1
    return q


def negate(p):
    return (-p[0] % P, p[1], p[2], -p[3] % P)


def is_neutral(p):
    return p[0] % P == 0 and (p[1] - p[2]) % P == 0


def encode(p):
    z = pow(p[2], -1, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(raw: bytes, reason: str):
    """A point in its only encoding, and not of small order."""
    n = int.from_bytes(raw, "little")
    sign, y = n >> 255, n & (2**255 - 1)
    demand(y < P, f"{reason}-not-canonical")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * SQRT_M1 % P
    demand(v * x * x % P == u, f"{reason}-no-point")
    demand(x != 0 or sign == 0, f"{reason}-not-canonical")
    if x & 1 != sign:
        x = P - x
    point = (x, y, 1, x * y % P)
    demand(not is_neutral(multiply(8, point)), f"{reason}-small-order")
    return point


BASE_Y = 4 * pow(5, -1, P) % P
BASE = decode(BASE_Y.to_bytes(32, "little"), "base")


def _expand(seed: bytes):
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little") & (2**254 - 8) | 2**254
    return a, h[32:]


@functools.lru_cache(maxsize=4096)
def public_key(seed: bytes) -> bytes:
    return encode(multiply(_expand(seed)[0], BASE))


@functools.lru_cache(maxsize=4096)
def sign(seed: bytes, message: bytes) -> bytes:
    a, prefix = _expand(seed)
    public = encode(multiply(a, BASE))
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    encoded = encode(multiply(r, BASE))
    k = int.from_bytes(hashlib.sha512(encoded + public + message).digest(), "little") % L
    return encoded + ((r + k * a) % L).to_bytes(32, "little")


def check_key(public: bytes) -> None:
    decode(public, "signing-key")


@functools.lru_cache(maxsize=4096)
def verify(public: bytes, message: bytes, signature: bytes) -> None:
    demand(len(signature) == 64, "signature", "not 64 bytes")
    encoded, s = signature[:32], int.from_bytes(signature[32:], "little")
    point = decode(public, "signing-key")
    demand(s < L, "signature-s-not-reduced")
    decode(encoded, "signature-r")
    k = int.from_bytes(hashlib.sha512(encoded + public + message).digest(), "little") % L
    demand(encode(add(multiply(s, BASE), negate(multiply(k, point)))) == encoded, "signature")


LABELS = {
    "bundle", "opk", "kem", "knock", "accept", "reject", "probe", "probe-reply", "refuse", "connect", "request",
}  # fmt: skip


def labelled(label: str, message: bytes) -> bytes:
    """What S(label, message) signs."""
    demand(label in LABELS, "label")
    return lp(b"agentmesh/0.3 " + label.encode("ascii")) + message


def sign_labelled(seed: bytes, label: str, message: bytes) -> bytes:
    return sign(seed, labelled(label, message))


def verify_labelled(public: bytes, label: str, message: bytes, signature: bytes) -> None:
    verify(public, labelled(label, message), signature)
