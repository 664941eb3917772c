"""Plaintexts, KNOCKs and frames: section 6."""

from .. import bundle, ed25519, frames, handshake
from .. import knock as k
from .. import plaintext as p
from .. import stream as s
from ..codec import b64
from ..errors import Refused, equal
from ..primitives import unseal
from ..ratchet import HEADER_LENGTH, pad, split, unpad


def plaintext(v) -> None:
    fields = v.node("fields")
    made = p.Plaintext(
        id=fields.bytes("id", 16),
        type=fields.int("type"),
        seq=fields.int("seq"),
        in_reply_to=fields.optional(fields.bytes, "in_reply_to"),
        sent_at=fields.int("sent_at"),
        json=fields.optional(fields.text, "json"),
        bytes=fields.optional(fields.bytes, "bytes"),
        part=None,
        receipts=None,
        body=fields.optional(fields.bytes, "body"),
        sig=fields.optional(fields.bytes, "sig"),
        trace=fields.optional(fields.text, "trace"),
        schema=fields.optional(fields.text, "schema"),
    )
    terms = fields.optional(fields.node, "stream")
    if terms:
        made.stream = [terms.int("frames"), terms.int("bytes")]
    part, receipts = fields.optional(fields.node, "part"), fields.optional(fields.nodes, "receipts")
    if part:
        made.part = [part.bytes("group", 16), part.int("index"), part.int("count"), part.bytes("sha256", 32)]
    if receipts:
        made.receipts = [[receipt.bytes("id", 16), receipt.int("stage")] for receipt in receipts]
    raw = v.bytes("plaintext")
    equal("decoded", p.decode(raw), made)
    # Entries that a reader does not know are lost when it writes.
    equal("exact", made.encode() == raw, v.flag("exact"))
    equal("padded", pad(raw), v.bytes("padded"))


def plaintext_refusal(v) -> None:
    p.decode(unpad(v.bytes("padded")) if v.has("padded") else v.bytes("plaintext"))


def stream(v) -> None:
    if v.has("n"):
        made = s.frame_id(v.bytes("sender", 20), v.bytes("reader", 20), v.bytes("request", 16), v.int("n"))
        equal("id", p.check_id(made), v.bytes("id", 16))
        return
    fields = v.node("fields")
    if fields.has("cancel"):
        made = s.Body(None, None, None, None, None, None, fields.text("cancel"))
    else:
        chunks = fields.optional(fields.nodes, "chunks")
        made = s.Body(
            first=fields.int("first"),
            chunks=chunks and [c.text("text") if c.has("text") else c.bytes("bytes") for c in chunks],
            end=fields.optional(fields.int, "end"),
            code=fields.optional(fields.text, "code"),
            message=fields.optional(fields.text, "message"),
            metadata=fields.optional(fields.text, "metadata"),
            cancel=None,
        )
    raw = v.bytes("body")
    equal("decoded", s.decode(raw), made)
    equal("encoded", made.encode(), raw)


def stream_refusal(v) -> None:
    s.decode(v.bytes("body"))


def knock_fields(kind: int, fields):
    if kind == p.KNOCK:
        return k.Knock(
            request=fields.text("request"),
            tier=fields.text("tier"),
            certificate=fields.optional(fields.bytes, "certificate"),
            time=fields.int("time"),
            nonce=fields.bytes("nonce", 16),
            suites=fields.list("suites"),
        )
    nonce, time = fields.bytes("knock_nonce", 16), fields.int("time")
    if kind == p.ACCEPT:
        return k.Accept(nonce, time, fields.optional(fields.int, "ttl"))
    return k.Reject(nonce, time, fields.text("reason"), fields.optional(fields.int, "retry_after"))


def knock(v) -> None:
    seed, kind, ad = v.bytes("signer_seed", 32), v.int("type"), v.bytes("ad", 32)
    body, made = v.bytes("body"), v.bytes("signature", 64)
    now = v.int("now") if kind == p.KNOCK else None
    fields = knock_fields(kind, v.node("fields"))
    equal("body", fields.encode(), body)
    equal("signature", k.sign(seed, kind, ad, body), made)
    equal("decoded", k.verify(ed25519.public_key(seed), kind, ad, body, made, now), fields)
    if kind == p.KNOCK:
        # At its limit: whoever got it speaks all that A speaks.
        k.check_suite(fields, v.int("suite"), fields.suites, v.int("pinned_suite"))
    else:
        equal("nonce", fields.knock_nonce, v.bytes("knock_nonce"))


def knock_refusal(v) -> None:
    kind = v.int("type")
    args = v.bytes("signer", 32), kind, v.bytes("ad", 32), v.bytes("body"), v.bytes("signature", 64)
    parsed = k.verify(*args, v.int("now") if kind == p.KNOCK else None)
    if kind == p.KNOCK:
        k.check_suite(parsed, v.int("suite"), v.list("own_suites"), v.int("pinned_suite"))
    elif parsed.knock_nonce != v.bytes("knock_nonce"):
        raise Refused("knock-nonce")


def frame(v) -> None:
    raw, kind = v.bytes("frame"), v.int("kind")
    payload = v.text("payload")
    equal("payload", b64(raw), payload)
    equal("frame in payload", frames.from_payload(payload), raw)
    parsed = frames.parse(raw)
    equal("encoded", parsed.encode(), raw)
    equal("kind", raw[1], kind)
    if kind <= frames.MESSAGE:
        message_frame(v, kind, parsed)
    else:
        control_frame(v, kind, parsed)


def message_frame(v, kind: int, parsed) -> None:
    equal("sid", parsed.sid, v.bytes("sid"))
    if kind == frames.HANDSHAKE:
        equal("hs", parsed.hs, v.bytes("hs"))
        handshake.parse(parsed.hs)
        equal("computed sid", handshake.session_id(v.bytes("responder_signing", 32), parsed.hs), parsed.sid)
    header, nonce, sealed = split(parsed.message)
    fields = v.node("header")
    equal("suite", header.suite, fields.int("suite"))
    equal("ratchet key", header.key, fields.bytes("ratchet_key"))
    equal("pn", header.pn, fields.int("pn"))
    equal("n", header.n, fields.int("n"))
    equal("nonce", nonce, v.bytes("nonce"))
    aad = v.bytes("ad", 32) + parsed.message[:HEADER_LENGTH]
    padded = unseal(v.bytes("message_key", 32), nonce, aad, sealed)
    equal("plaintext", unpad(padded), v.bytes("plaintext"))


def control_frame(v, kind: int, parsed) -> None:
    seed, to = v.bytes("from_seed", 32), v.bytes("to", 32)
    equal("from", parsed.signing, ed25519.public_key(seed))
    equal("sid", parsed.sid, v.bytes("sid"))
    if kind == frames.PROBE:
        equal("nonce", parsed.nonce, v.bytes("nonce"))
        equal("time", parsed.time, v.int("time"))
    elif kind == frames.PROBE_REPLY:
        equal("nonce", parsed.nonce, v.bytes("nonce"))
        equal("known", parsed.known, v.flag("known"))
        equal("enclosed", parsed.enclosed, v.bytes("enclosed"))
    else:
        equal("reason", parsed.code, v.int("refuse_reason"))
        equal("blob", parsed.blob, v.bytes("blob"))
    equal("signature", parsed.signature, ed25519.sign_labelled(seed, parsed.label, parsed.signed(to)))
    frames.verify(parsed, v.text("from_amid"), to)


def frame_refusal(v) -> None:
    raw = frames.from_payload(v.text("payload")) if v.has("payload") else v.bytes("frame")
    parsed = frames.parse(raw)
    if isinstance(parsed, frames.Message):
        if parsed.hs:
            hs = handshake.parse(parsed.hs)
            bundle_amid = bundle.amid(hs.signing)
            if bundle_amid != v.text("from_amid"):
                raise Refused("amid-mismatch")
            if handshake.session_id(v.bytes("to", 32), parsed.hs) != parsed.sid:
                raise Refused("malformed", "sid")
    else:
        frames.verify(parsed, v.text("from_amid"), v.bytes("to", 32))
