"""Section 2: CBOR in core deterministic encoding (RFC 8949 section 4.2.1), and nothing else.

int, bytes, str, list, dict, bool and None are the whole world: tags, floating point and other simple values are refused.
"""

from .errors import Refused, demand

MAX_DEPTH = 16
SIMPLE = {20: False, 21: True, 22: None}


def encode(item) -> bytes:
    if item is None or isinstance(item, bool):
        return bytes([0xE0 | next(n for n, value in SIMPLE.items() if value is item)])
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
    """The one item that `data` holds; what is inside it may nest `MAX_DEPTH` deep."""
    item, at = _item(data, 0, MAX_DEPTH + 1)
    demand(at == len(data), "cbor-trailing-bytes")
    return item


def decode_map(data: bytes, max_entries: int) -> dict:
    """A map with unsigned integer keys."""
    item = decode(data)
    demand(isinstance(item, dict), "cbor-type", "not a map")
    demand(all(type(key) is int and key >= 0 for key in item), "cbor-type", "a key that is no unsigned integer")
    demand(len(item) <= max_entries, "cbor-too-long")
    return item


def _take(data: bytes, at: int, n: int):
    demand(at + n <= len(data), "cbor-truncated")
    return data[at : at + n], at + n


def _item(data: bytes, at: int, depth: int):
    (first,), at = _take(data, at, 1)
    major, info = first >> 5, first & 31
    demand(major != 6 and not (major == 7 and 24 <= info < 28), "cbor-unsupported")
    demand(info != 31, "cbor-indefinite")
    demand(info < 28, "cbor-reserved")
    if major == 7:
        demand(info in SIMPLE, "cbor-unsupported")
        return SIMPLE[info], at
    n = info
    if info >= 24:
        raw, at = _take(data, at, 1 << (info - 24))
        n = int.from_bytes(raw, "big")
        demand(n >= (24 if info == 24 else 1 << (4 << (info - 24))), "cbor-not-shortest")
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
    demand(depth > 0, "cbor-depth")
    return _list(data, at, n, depth - 1) if major == 4 else _map(data, at, n, depth - 1)


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
        # Lists, maps and false, which is 0 to Python, cannot be told apart as keys of a dict. Only maps inside unknown
        # entries have such keys, and nothing reads those.
        entries[key if type(key) in (int, str, bytes) else (raw,)] = value
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
