"""What agents sign for registries and relays, and binary relay frames: sections 3.3 and 8."""

from .. import ed25519
from .. import services as s
from ..errors import equal


def request(v) -> None:
    signed = v.text("method"), v.text("host"), v.text("target")
    time, nonce, body = v.int("time"), v.bytes("nonce", 16), v.bytes("body")
    header = v.text("header")
    equal("header", s.request_header(v.bytes("seed", 32), *signed, time, nonce, body), header)
    s.verify_request(header, *signed, body, v.int("now"))


def request_refusal(v) -> None:
    signed = v.text("method"), v.text("host"), v.text("target"), v.bytes("body")
    s.verify_request(v.text("header"), *signed, v.int("now"))


def connect(v) -> None:
    seed, host, timestamp = v.bytes("seed", 32), v.text("host"), v.text("timestamp")
    auth = v.text("auth")
    equal("auth", s.connect_auth(seed, host, timestamp, v.bytes("nonce", 16)), auth)
    s.verify_connect(ed25519.public_key(seed), host, timestamp, auth)


def connect_refusal(v) -> None:
    s.verify_connect(v.bytes("public", 32), v.text("host"), v.text("timestamp"), v.text("auth"))


def binary(v) -> None:
    fields = (
        v.int("kind"),
        v.text("peer"),
        v.bytes("message_id", 16),
        v.optional(v.int, "mtype"),
        v.optional(v.int, "time"),
        v.bytes("frame"),
    )
    raw = v.bytes("bytes")
    equal("bytes", s.encode_binary(*fields), raw)
    equal("fields", s.decode_binary(raw), fields)
