"""Stored records, field by field: section 9 and state.md."""

from .. import ed25519
from .. import state as st
from ..bundle import amid
from ..errors import equal
from ..primitives import x25519_public
from .sessions import deliver, send


def session(v) -> None:
    record = v.bytes("record")
    session = st.decode_session(record)
    equal("encoded", st.encode_session(session), record)
    fields = v.node("fields")
    equal("suite", session.suite, fields.int("suite"))
    equal("sid", session.sid, fields.bytes("sid"))
    equal("ad", session.ad, fields.bytes("ad"))
    equal("created_at", session.created_at, fields.int("created_at"))
    equal("root", session.root, fields.bytes("root_key"))
    equal("pn", session.pn, fields.int("pn"))
    sending = fields.optional(fields.node, "sending")
    equal("turn", session.own is not None, sending is not None)
    if sending:
        equal("own private", session.own, sending.bytes("ratchet_private"))
        equal("own public", x25519_public(session.own), sending.bytes("ratchet_public"))
        equal("sending chain", session.sending, sending.bytes("chain_key"))
        equal("n", session.n, sending.int("n"))
    receiving = fields.optional(fields.node, "receiving")
    equal("receiving", session.remote is not None, receiving is not None)
    if receiving:
        equal("remote", session.remote, receiving.bytes("ratchet_public"))
        equal("receiving chain", session.receiving, receiving.bytes("chain_key"))
        equal("expected", session.expected, receiving.int("n"))
    runs = fields.nodes("skipped")
    equal("runs", len(session.skipped), len(runs))
    for run, recorded in zip(session.skipped, runs):
        equal("run", run.remote, recorded.bytes("ratchet_public"))
        equal("since", run.since, recorded.int("since"))
        equal("keys", run.keys, {key.int("n"): key.bytes("key", 32) for key in recorded.nodes("keys")})
    equal("tags", [tag.hex() for tag in session.tags], fields.list("recent_tags"))
    for step in v.nodes("then"):
        op = step.text("op")
        if op == "send":
            send(step, session)
        else:
            equal("op", "deliver", op)
            deliver(step, session, step.bytes("message"))
    equal("after", st.encode_session(session), v.bytes("after"))


def session_refusal(v) -> None:
    st.decode_session(v.bytes("record"))


def identity(v) -> None:
    record = v.bytes("record")
    seed, exchange, created_at = st.decode_identity(record)
    fields = v.node("fields")
    equal("seed", seed, fields.bytes("signing_seed"))
    equal("exchange", exchange, fields.bytes("exchange_private"))
    equal("created_at", created_at, fields.int("created_at"))
    equal("public", ed25519.public_key(seed), fields.bytes("signing_public"))
    equal("exchange public", x25519_public(exchange), fields.bytes("exchange_public"))
    equal("amid", amid(ed25519.public_key(seed)), fields.text("amid"))
    equal("encoded", st.encode_identity(seed, exchange, created_at), record)


def prekeys(v) -> None:
    record, f = v.bytes("record"), v.node("fields")
    made = st.PreKeys(
        next_spk_id=f.int("next_spk_id"),
        next_kpk_id=f.int("next_kpk_id"),
        bundle_created_at=f.int("bundle_created_at"),
        bundle_uploaded=f.flag("bundle_uploaded"),
        opks=pool(f.node("opks"), pair),
        kopks=pool(f.node("kopks"), lambda key: key.bytes("seed", 64)),
        triples=[triple(t) for t in f.nodes("triples")],
    )
    equal("decoded", st.decode_prekeys(record), made)
    equal("encoded", made.encode(), record)


def vault(v) -> None:
    key, kind, record_id = v.bytes("store_key", 32), v.int("kind"), v.bytes("id", 16)
    equal("id", st.record_id(key, kind, v.bytes("logical")), record_id)
    version, record, sealed = v.int("version"), v.bytes("record"), v.bytes("sealed")
    random = v.bytes("salt", 16), v.bytes("nonce", 12)
    equal("sealed", st.seal(key, kind, record_id, version, *random, record), sealed)
    equal("opened", st.open_sealed(key, kind, record_id, version, sealed), record)


def vault_refusal(v) -> None:
    at = v.bytes("store_key", 32), v.int("kind"), v.bytes("id", 16), v.int("version")
    st.open_sealed(*at, v.bytes("sealed"))


def backup(v) -> None:
    cost, record = st.open_backup(v.text("text"), v.text("passphrase"))
    equal("cost", cost, (v.int("memory_kib"), v.int("passes"), v.int("lanes")))
    equal("record", record, v.bytes("record"))
    st.decode_identity(record)


def fingerprint(v) -> None:
    a, b = st.fingerprint(v.bytes("a", 32)), st.fingerprint(v.bytes("b", 32))
    equal("a", a, v.text("fingerprint_a"))
    equal("b", b, v.text("fingerprint_b"))
    equal("safety number", " ".join(sorted([a, b])), v.text("safety_number"))


def pair(key) -> bytes:
    private, public = key.bytes("private", 32), key.bytes("public", 32)
    equal("key pair", x25519_public(private), public)
    return private


def pool(p, read) -> st.Pool:
    keys = {key.int("id"): read(key) for key in p.nodes("keys")}
    return st.Pool(p.int("next_id"), p.int("uploaded_through"), p.optional(p.int, "stock"), keys)


def triple(t) -> st.Triple:
    kpk = t.optional(t.node, "kpk")
    return st.Triple(
        spk_id=t.int("id"),
        created_at=t.int("created_at"),
        spk=pair(t.node("spk")),
        exchange=pair(t.node("exchange")),
        kpk=(kpk.int("id"), kpk.bytes("seed", 64)) if kpk else None,
        replaced_at=t.optional(t.int, "replaced_at"),
        drained=t.flag("drained"),
    )
