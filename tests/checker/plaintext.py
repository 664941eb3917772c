"""Section 6.1: what a message says once it is decrypted."""

import json
from dataclasses import dataclass

from . import cbor
from .errors import Refused, demand

MAX_TIME = 253402300799999
MAX_JSON_DEPTH, MAX_PARTS, MAX_RECEIPTS, MAX_TRACE, MAX_ENTRIES = 64, 2048, 256, 256, 64
MAX_SCHEMA, MAX_WINDOW_FRAMES, MIN_WINDOW_BYTES, MAX_WINDOW_BYTES = 128, 64, 32 * 1024, 2 * 1024 * 1024
KNOCK, ACCEPT, REJECT = 16, 17, 18
KNOWN_TYPES = {*range(1, 11), KNOCK, ACCEPT, REJECT}


@dataclass
class Plaintext:
    id: bytes
    type: int
    seq: int
    in_reply_to: bytes | None
    sent_at: int
    json: str | None
    bytes: bytes | None
    part: list | None
    receipts: list | None
    body: bytes | None
    sig: bytes | None
    trace: str | None
    stream: list | None = None
    schema: str | None = None

    def encode(self) -> bytes:
        values = (
            self.id,
            self.type,
            self.seq,
            self.in_reply_to,
            self.sent_at,
            self.json,
            self.bytes,
            self.part,
            self.receipts,
            self.body,
            self.sig,
            self.trace,
            self.stream,
            self.schema,
        )
        return cbor.encode({key: value for key, value in enumerate(values, 1) if value is not None})


def check_id(raw: bytes) -> bytes:
    demand(len(raw) == 16 and raw[6] >> 4 == 7 and raw[8] >> 6 == 2, "uuid")
    return raw


def check_time(ms: int) -> int:
    demand(ms <= MAX_TIME, "time")
    return ms


def check_json(text: str) -> None:
    """RFC 8259, where Python by itself also takes NaN and infinities."""

    def no_constant(name: str):
        raise ValueError(name)

    try:
        value = json.loads(text, parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise Refused("json") from None
    demand(_depth(value) <= MAX_JSON_DEPTH, "json", "nested too deeply")


def _depth(value) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    elif not isinstance(value, list):
        return 0
    return 1 + max(map(_depth, value), default=0)


def decode(raw: bytes) -> Plaintext:
    entries = cbor.decode_map(raw, MAX_ENTRIES)
    field = lambda *args, **kwargs: cbor.field(entries, *args, **kwargs)  # noqa: E731
    message = Plaintext(
        id=check_id(field(1, bytes, 16)),
        type=field(2, int),
        seq=field(3, int),
        in_reply_to=field(4, bytes, 16, optional=True),
        sent_at=check_time(field(5, int)),
        json=field(6, str, optional=True),
        bytes=field(7, bytes, optional=True),
        part=field(8, list, 4, optional=True),
        receipts=field(9, list, optional=True),
        body=field(10, bytes, optional=True),
        sig=field(11, bytes, 64, optional=True),
        trace=field(12, str, optional=True),
        stream=field(13, list, 2, optional=True),
        schema=field(14, str, optional=True),
    )
    if message.in_reply_to is not None:
        check_id(message.in_reply_to)
    demand(message.json is None or message.bytes is None, "two-payloads")
    if message.part is not None:
        _check_part(message.part)
    elif message.json is not None:
        check_json(message.json)
    if message.receipts is not None:
        _check_receipts(message.receipts)
    demand((message.body is None) == (message.sig is None), "unsigned")
    if message.type in KNOWN_TYPES:
        demand((message.body is not None) == (message.type >= KNOCK), "unsigned")
    demand(message.trace is None or len(message.trace.encode()) <= MAX_TRACE, "cbor-too-long")
    if message.stream is not None:
        _check_terms(message.stream)
    if message.schema is not None:
        demand(len(message.schema.encode()) <= MAX_SCHEMA, "cbor-too-long")
        demand(message.schema != "", "schema")
    return message


def _check_terms(terms: list) -> None:
    demand(all(type(x) is int for x in terms), "cbor-type")
    frames, size = terms
    demand(1 <= frames <= MAX_WINDOW_FRAMES, "stream-terms")
    demand(MIN_WINDOW_BYTES <= size <= MAX_WINDOW_BYTES, "stream-terms")


def _check_part(part: list) -> None:
    group, index, count, whole = part
    demand([type(x) for x in part] == [bytes, int, int, bytes], "cbor-type")
    demand(len(group) == 16 and len(whole) == 32, "cbor-type")
    demand(0 <= index < count <= MAX_PARTS, "part")


def _check_receipts(receipts: list) -> None:
    demand(1 <= len(receipts) <= MAX_RECEIPTS, "receipts")
    for receipt in receipts:
        demand(type(receipt) is list and len(receipt) == 2, "cbor-type")
        demand(type(receipt[0]) is bytes and type(receipt[1]) is int and receipt[1] >= 0, "cbor-type")
        check_id(receipt[0])
