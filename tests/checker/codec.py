"""Section 2: integers, length prefixes, strict base64, base58, AMIDs."""

import base64
import binascii

from .errors import demand

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
MAX_PREKEY_ID = 2**31 - 1


def u8(n: int) -> bytes:
    return n.to_bytes(1, "big")


def u32(n: int) -> bytes:
    return n.to_bytes(4, "big")


def u64(n: int) -> bytes:
    return n.to_bytes(8, "big")


def lp(x: bytes) -> bytes:
    return u32(len(x)) + x


class Reader:
    """Takes fields off a byte string; an input that ends early or late is malformed."""

    def __init__(self, data: bytes, reason: str = "malformed") -> None:
        self.data = data
        self.at = 0
        self.reason = reason

    def bytes(self, n: int) -> bytes:
        demand(self.at + n <= len(self.data), self.reason, "ends too early")
        self.at += n
        return self.data[self.at - n : self.at]

    def int(self, width: int) -> int:
        return int.from_bytes(self.bytes(width), "big")

    def u8(self) -> int:
        return self.int(1)

    def u32(self) -> int:
        return self.int(4)

    def u64(self) -> int:
        return self.int(8)

    def flag(self) -> bool:
        n = self.u8()
        demand(n <= 1, self.reason, "a flag that is neither 0 nor 1")
        return n == 1

    def lp(self, limit: int) -> bytes:
        n = self.u32()
        demand(n <= limit, self.reason, f"length {n} is over {limit}")
        return self.bytes(n)

    def count(self, limit: int) -> int:
        n = self.u32()
        demand(n <= limit, self.reason, f"count {n} is over {limit}")
        return n

    def rest(self) -> bytes:
        return self.bytes(len(self.data) - self.at)

    def finish(self) -> None:
        demand(self.at == len(self.data), self.reason, "bytes left over")


def b64(x: bytes) -> str:
    return base64.b64encode(x).decode("ascii")


def b64_decode(text: str) -> bytes:
    """Refuses whatever `b64` would not have written."""
    try:
        x = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        x = None
    demand(x is not None and b64(x) == text, "base64")
    return x


def b58(x: bytes) -> str:
    zeros = len(x) - len(x.lstrip(b"\0"))
    n, digits = int.from_bytes(x, "big"), ""
    while n:
        n, digit = divmod(n, 58)
        digits = ALPHABET[digit] + digits
    return "1" * zeros + digits


def b58_decode(text: str) -> bytes:
    n = 0
    for character in text:
        demand(character in ALPHABET, "amid", "not base58")
        n = n * 58 + ALPHABET.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + n.to_bytes((n.bit_length() + 7) // 8, "big")


def check_amid(text: str) -> None:
    """20 bytes, in the only way to write them."""
    raw = b58_decode(text)
    demand(len(raw) == 20 and b58(raw) == text, "amid")


def is_prekey_id(n: int) -> bool:
    return 1 <= n <= MAX_PREKEY_ID
