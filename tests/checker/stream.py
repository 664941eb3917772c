"""Section 6.3: what a message of a stream carries, and the ids of its frames."""

import hashlib
from dataclasses import dataclass

from . import cbor
from .errors import Refused, demand
from .plaintext import check_json

MAX_FRAME, MAX_CHUNK, MAX_CHUNKS, MAX_METADATA = 32 * 1024, 24 * 1024, 1024, 4096
MAX_CODE, MAX_TEXT, MAX_ENTRIES, MAX_NUMBER = 64, 1024, 64, 2**53
FINISHED, FAILED, FAILED_RETRYABLE = 0, 1, 2


@dataclass
class Body:
    first: int | None
    chunks: list | None
    end: int | None
    code: str | None
    message: str | None
    metadata: str | None
    cancel: str | None

    def encode(self) -> bytes:
        values = (self.first, self.chunks, self.end, self.code, self.message, self.metadata, self.cancel)
        return cbor.encode({key: value for key, value in enumerate(values, 1) if value is not None})


def decode(raw: bytes) -> Body:
    demand(len(raw) <= MAX_FRAME, "cbor-too-long")
    entries = cbor.decode_map(raw, MAX_ENTRIES)
    field = lambda key, kind: cbor.field(entries, key, kind, optional=True)  # noqa: E731
    body = Body(
        field(1, int), field(2, list), field(3, int), field(4, str), field(5, str), field(6, str), field(7, str)
    )
    for text, limit in ((body.code, MAX_CODE), (body.message, MAX_TEXT), (body.metadata, MAX_METADATA), (body.cancel, MAX_TEXT)):
        demand(text is None or len(text.encode()) <= limit, "cbor-too-long")
    if body.chunks is not None:
        demand(len(body.chunks) <= MAX_CHUNKS, "cbor-too-long")
        demand(len(body.chunks) > 0, "stream-body")
        for chunk in body.chunks:
            demand(type(chunk) in (str, bytes), "cbor-type")
            size = len(chunk.encode() if type(chunk) is str else chunk)
            demand(size <= MAX_CHUNK, "cbor-too-long")
    if body.first is None:
        demand(body == Body(None, None, None, None, None, None, body.cancel), "cbor-missing")
        demand(body.cancel is not None, "cbor-missing")
        return body
    demand(body.cancel is None, "stream-body")
    failed = body.end in (FAILED, FAILED_RETRYABLE)
    demand(body.end in (None, FINISHED) or failed, "stream-body")
    demand((body.code is not None) == failed and (body.message is not None) == failed, "stream-body")
    demand(body.first + len(body.chunks or ()) <= MAX_NUMBER, "stream-body")
    if body.metadata is not None:
        try:
            check_json(body.metadata)
        except Refused:
            raise Refused("stream-body") from None
    return body


def frame_id(sender: bytes, reader: bytes, request: bytes, n: int) -> bytes:
    digest = hashlib.sha256(b"agentmesh/0.3 stream frame" + sender + reader + request + n.to_bytes(8, "big")).digest()
    made = bytearray(request[:6] + digest[6:16])
    made[6] = made[6] & 0x0F | 0x70
    made[8] = made[8] & 0x3F | 0x80
    return bytes(made)
