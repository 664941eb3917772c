"""Section 2: CBOR in core deterministic encoding (RFC 8949 section 4.2.1), and nothing else.

Integers, byte and text strings, lists and maps become Python's; tags, floats and simple values, which only unknown
entries may hold, are checked and become `Other`.
"""

import math
import struct
from dataclasses import dataclass

from .errors import Refused, demand

MAX_DEPTH = 16


@dataclass(frozen=True)
class Other:
    """An item that nothing here reads, as its encoding."""

    raw: bytes


def encode(item) -> bytes:
    if isinstance(item, Other):
        return item.raw
    if isinstance(item, int):
        return _head(0, item) if item >= 0 else _head(1, -1 - item)
    if isinstance(item, bytes):
        return _head(2, len(item)) + item
    if isinstance(item, str):
        return _head(3, len(item.encode())) + item.encode()
    if isinstance(item, list):
        return _head(4, len(item)) + b"".join(map(encode, item))
    if isinstance(item, dict):
        entries = sorted((encode(key), encode(value)) for key, value in item.items())
        return _head(5, len(item)) + b"".join(key + value for key, value in entries)
    raise TypeError(type(item))


def _head(major: int, n: int) -> bytes:
    if n < 24:
        return bytes([major << 5 | n])
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << (8 * width):
            return bytes([major << 5 | info]) + n.to_bytes(width, "big")
    raise OverflowError(n)


def decode(data: bytes):
    """The one item that `data` holds. Containers directly inside it may nest `MAX_DEPTH` deep."""
    item, at = _item(data, 0, MAX_DEPTH + 1)
    demand(at == len(data), "cbor-trailing-bytes")
    return item


def decode_map(data: bytes, max_entries: int) -> dict:
    """A map; keys other than unsigned integers become `Other`, so that nothing finds them."""
    item = decode(data)
    demand(isinstance(item, dict), "cbor-type", "not a map")
    demand(len(item) <= max_entries, "cbor-too-long")
    return item


def _take(data: bytes, at: int, n: int):
    demand(at + n <= len(data), "cbor-truncated")
    return data[at : at + n], at + n


def _item(data: bytes, at: int, depth: int):
    demand(depth > 0, "cbor-depth")
    start = at
    (first,), at = _take(data, at, 1)
    major, info = first >> 5, first & 31
    demand(info != 31, "cbor-indefinite")
    demand(info < 28, "cbor-reserved")
    n = info
    if info >= 24:
        raw, at = _take(data, at, 1 << (info - 24))
        n = int.from_bytes(raw, "big")
    if major == 7:
        _check_simple(info, n)
        return Other(data[start:at]), at
    demand(info < 24 or n >= (24 if info == 24 else 1 << (4 << (info - 24))), "cbor-not-shortest")
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major == 2:
        return _take(data, at, n)
    if major == 3:
        raw, at = _take(data, at, n)
        try:
            return raw.decode("utf-8"), at
        except UnicodeDecodeError:
            raise Refused("cbor-utf8") from None
    if major == 6:
        _, at = _item(data, at, depth - 1)
        return Other(data[start:at]), at
    return _list(data, at, n, depth - 1) if major == 4 else _map(data, at, n, depth - 1)


def _check_simple(info: int, n: int) -> None:
    """Simple values over 31 take two bytes; floats the fewest that keep their value."""
    if info == 24:
        demand(n >= 32, "cbor-reserved")
    if info < 25:
        return
    forms = {25: ">e", 26: ">f", 27: ">d"}
    value = struct.unpack(forms[info], n.to_bytes(1 << (info - 24), "big"))[0]
    if math.isnan(value):
        demand((info, n) == (25, 0x7E00), "cbor-not-shortest")
    for shorter in range(25, info):
        try:
            fits = struct.unpack(forms[shorter], struct.pack(forms[shorter], value))[0] == value
        except OverflowError:
            fits = False
        demand(not fits, "cbor-not-shortest")


def _list(data: bytes, at: int, count: int, depth: int):
    items = []
    for _ in range(count):
        item, at = _item(data, at, depth)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, count: int, depth: int):
    entries, last = {}, None
    for _ in range(count):
        start = at
        key, at = _item(data, at, depth)
        raw = data[start:at]
        demand(raw != last, "cbor-duplicate-key")
        demand(last is None or raw > last, "cbor-unsorted")
        last = raw
        value, at = _item(data, at, depth)
        entries[key if type(key) is int and key >= 0 else Other(raw)] = value
    return entries, at


def field(entries: dict, key: int, kind: type, length: int | None = None, optional: bool = False):
    """A known entry, type and length checked."""
    if key not in entries:
        demand(optional, "cbor-missing", f"key {key}")
        return None
    value = entries[key]
    demand(type(value) is kind, "cbor-type", f"key {key}")
    demand(kind is not int or value >= 0, "cbor-type", f"key {key}")
    demand(length is None or len(value) == length, "cbor-type", f"length of key {key}")
    return value
