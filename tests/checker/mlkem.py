"""ML-KEM-768 of FIPS 203, algorithm by algorithm, with k = 3, eta1 = eta2 = 2, du = 10, dv = 4."""

import functools
import hashlib

from .errors import demand

N, Q, K, ETA, DU, DV = 256, 3329, 3, 2, 10, 4
PUBLIC_LENGTH, CIPHERTEXT_LENGTH, SEED_LENGTH = 1184, 1088, 64


def _reverse7(n: int) -> int:
    return int(f"{n:07b}"[::-1], 2)


ZETAS = [pow(17, _reverse7(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * _reverse7(i) + 1, Q) for i in range(128)]


def _g(data: bytes):
    h = hashlib.sha3_512(data).digest()
    return h[:32], h[32:]


def _h(data: bytes) -> bytes:
    return hashlib.sha3_256(data).digest()


def _j(data: bytes) -> bytes:
    return hashlib.shake_256(data).digest(32)


def byte_encode(d: int, f) -> bytes:
    """Algorithm 5."""
    n = 0
    for i, a in enumerate(f):
        n |= a << (i * d)
    return n.to_bytes(32 * d, "little")


def byte_decode(d: int, data: bytes):
    """Algorithm 6, without the reduction for d = 12: the caller checks that instead."""
    n, mask = int.from_bytes(data, "little"), (1 << d) - 1
    return [n >> (i * d) & mask for i in range(N)]


def compress(d: int, f):
    return [((a << d) + Q // 2) // Q % (1 << d) for a in f]


def decompress(d: int, f):
    return [(a * Q + (1 << (d - 1))) >> d for a in f]


def sample_ntt(seed: bytes):
    """Algorithm 7."""
    stream = hashlib.shake_128(seed).digest(1536)
    f, at = [], 0
    while len(f) < N:
        if at + 3 > len(stream):
            stream = hashlib.shake_128(seed).digest(2 * len(stream))
        c0, c1, c2 = stream[at : at + 3]
        at += 3
        for d in (c0 + 256 * (c1 % 16), c1 // 16 + 16 * c2):
            if d < Q and len(f) < N:
                f.append(d)
    return f


def sample_cbd(data: bytes):
    """Algorithm 8 with eta = 2."""
    n, f = int.from_bytes(data, "little"), []
    for i in range(N):
        bits = n >> (4 * i)
        f.append(((bits & 1) + (bits >> 1 & 1) - (bits >> 2 & 1) - (bits >> 3 & 1)) % Q)
    return f


def ntt(f):
    """Algorithm 9."""
    f, i, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, N, 2 * length):
            zeta = ZETAS[i]
            i += 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j + length] = (f[j] - t) % Q
                f[j] = (f[j] + t) % Q
        length //= 2
    return f


def inverse_ntt(f):
    """Algorithm 10."""
    f, i, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, N, 2 * length):
            zeta = ZETAS[i]
            i -= 1
            for j in range(start, start + length):
                t = f[j]
                f[j] = (t + f[j + length]) % Q
                f[j + length] = zeta * (f[j + length] - t) % Q
        length *= 2
    return [a * 3303 % Q for a in f]


def multiply(f, g):
    """Algorithm 11."""
    h = [0] * N
    for i in range(128):
        a0, a1, b0, b1 = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        h[2 * i] = (a0 * b0 + a1 * b1 * GAMMAS[i]) % Q
        h[2 * i + 1] = (a0 * b1 + a1 * b0) % Q
    return h


def plus(f, g):
    return [(a + b) % Q for a, b in zip(f, g)]


def minus(f, g):
    return [(a - b) % Q for a, b in zip(f, g)]


def dot(v, w):
    total = [0] * N
    for f, g in zip(v, w):
        total = plus(total, multiply(f, g))
    return total


def _noise(seed: bytes, count: int, first: int):
    return [
        sample_cbd(hashlib.shake_256(seed + bytes([first + i])).digest(64 * ETA)) for i in range(count)
    ]


def _matrix(rho: bytes):
    return [[sample_ntt(rho + bytes([j, i])) for j in range(K)] for i in range(K)]


@functools.lru_cache(maxsize=256)
def _pke_keygen(d: bytes):
    """Algorithm 13."""
    rho, sigma = _g(d + bytes([K]))
    matrix = _matrix(rho)
    s = [ntt(f) for f in _noise(sigma, K, 0)]
    e = [ntt(f) for f in _noise(sigma, K, K)]
    t = [plus(dot(row, s), noise) for row, noise in zip(matrix, e)]
    return b"".join(byte_encode(12, f) for f in t) + rho, s


def _pke_encrypt(public: bytes, m: bytes, r: bytes) -> bytes:
    """Algorithm 14."""
    t = [byte_decode(12, public[384 * i : 384 * (i + 1)]) for i in range(K)]
    matrix = _matrix(public[384 * K :])
    y = [ntt(f) for f in _noise(r, K, 0)]
    e1, e2 = _noise(r, K, K), _noise(r, 1, 2 * K)[0]
    columns = [[matrix[j][i] for j in range(K)] for i in range(K)]
    u = [plus(inverse_ntt(dot(column, y)), noise) for column, noise in zip(columns, e1)]
    mu = decompress(1, byte_decode(1, m))
    v = plus(plus(inverse_ntt(dot(t, y)), e2), mu)
    return b"".join(byte_encode(DU, compress(DU, f)) for f in u) + byte_encode(DV, compress(DV, v))


def _pke_decrypt(s, ciphertext: bytes) -> bytes:
    """Algorithm 15."""
    cut = 32 * DU
    u = [decompress(DU, byte_decode(DU, ciphertext[cut * i : cut * (i + 1)])) for i in range(K)]
    v = decompress(DV, byte_decode(DV, ciphertext[cut * K :]))
    w = minus(v, inverse_ntt(dot(s, [ntt(f) for f in u])))
    return byte_encode(1, compress(1, w))


def public_key(seed: bytes) -> bytes:
    """The encapsulation key of the 64-byte seed d || z."""
    demand(len(seed) == SEED_LENGTH, "kem-seed")
    return _pke_keygen(seed[:32])[0]


def check_public(public: bytes) -> None:
    """FIPS 203 section 7.2: length and modulus."""
    demand(len(public) == PUBLIC_LENGTH, "kem-key")
    for i in range(K):
        demand(all(a < Q for a in byte_decode(12, public[384 * i : 384 * (i + 1)])), "kem-key")


def encapsulate(public: bytes, m: bytes):
    """Algorithm 17: (shared secret, ciphertext) for given randomness."""
    check_public(public)
    shared, r = _g(m + _h(public))
    return shared, _pke_encrypt(public, m, r)


def decapsulate(seed: bytes, ciphertext: bytes) -> bytes:
    """Algorithm 18."""
    return _decapsulate(seed, ciphertext)[0]


def is_genuine(seed: bytes, ciphertext: bytes) -> bool:
    """Whether the ciphertext is what Encaps gives for some randomness, rather than implicitly rejected."""
    return _decapsulate(seed, ciphertext)[1]


@functools.lru_cache(maxsize=256)
def _decapsulate(seed: bytes, ciphertext: bytes):
    demand(len(ciphertext) == CIPHERTEXT_LENGTH, "kem-ciphertext")
    public, s = _pke_keygen(seed[:32])
    m = _pke_decrypt(s, ciphertext)
    shared, r = _g(m + _h(public))
    if _pke_encrypt(public, m, r) == ciphertext:
        return shared, True
    return _j(seed[32:] + ciphertext), False
