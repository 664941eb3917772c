"""Handshakes, transcripts, replay and crossing: sections 4, 5 and 7."""

from .. import delivery, ed25519, mlkem
from .. import handshake as h
from .. import state as st
from ..codec import lp
from ..errors import Mismatch, Refused, equal
from ..primitives import sha256, x25519_public
from ..ratchet import HEADER_LENGTH, NONCE_LENGTH, Session, split


DAY = 24 * 3600 * 1000


def triple(v) -> h.Triple:
    spk = v.node("spk")
    return h.Triple(
        signing=ed25519.public_key(v.bytes("signing_seed", 32)),
        exchange=v.bytes("exchange_private", 32),
        spk_id=spk.int("id"),
        spk=spk.bytes("private", 32),
        opks={opk.int("id"): opk.bytes("private", 32) for opk in v.nodes("opks")},
        kems={(kem.int("kind"), kem.int("id")): kem.bytes("seed", 64) for kem in v.nodes("kems")},
    )


def handshake(v) -> None:
    initiator = v.node("initiator")
    exchange, ephemeral = initiator.bytes("exchange_private", 32), initiator.bytes("ephemeral_private", 32)
    own, raw = triple(v.node("responder")), v.bytes("hs")
    hs, secrets = h.parse(raw), h.respond(raw, own)
    equal("suite", hs.suite, v.int("suite"))
    equal("encoded", hs.encode(), raw)
    equal("IKs_A", hs.signing, ed25519.public_key(initiator.bytes("signing_seed", 32)))
    equal("IKx_A", hs.exchange, x25519_public(exchange))
    equal("EK_A", hs.ephemeral, x25519_public(ephemeral))
    if len(own.opks) > 1 or len(own.kems) > 1 or set(own.opks) != ({hs.opk_id} - {0}):
        raise Mismatch("the responder's keys are not those that HS names")
    if set(own.kems) != ({(hs.kem_kind, hs.kem_id)} - {(0, 0)}):
        raise Mismatch("the responder's ML-KEM keys are not those that HS names")
    opk = x25519_public(own.opks[hs.opk_id]) if hs.opk_id else None
    dh = h.initiate(exchange, ephemeral, x25519_public(own.exchange), x25519_public(own.spk), opk)
    equal("both sides", dh, secrets.dh)
    for i in range(4):
        equal(f"dh{i + 1}", dh[i] if i < len(dh) else None, v.optional(v.bytes, f"dh{i + 1}"))
    equal("ss", secrets.ss or None, v.optional(v.bytes, "ss"))
    rejected = None
    if hs.suite == 3:
        seed, ciphertext = own.kems[(hs.kem_kind, hs.kem_id)], hs.ciphertext
        equal("ciphertext genuine", mlkem.is_genuine(seed, ciphertext), True)
        rejected = mlkem.decapsulate(seed, ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]))
    equal("implicit rejection", rejected, v.optional(v.bytes, "ss_if_last_bit_flipped"))
    equal("ad", secrets.ad, v.bytes("ad"))
    equal("sid", secrets.sid, v.bytes("sid"))
    equal("sid of 32 bytes", sha256(lp(b"agentmesh/0.3 sid") + own.signing + raw)[:16], secrets.sid)
    equal("sk", secrets.sk, v.bytes("sk"))


def handshake_refusal(v) -> None:
    h.respond(v.bytes("hs"), triple(v.node("responder")))


def transcript(v) -> None:
    suite, sid, ad, sk = v.int("suite"), v.bytes("sid", 16), v.bytes("ad", 32), v.bytes("sk", 32)
    spk, created = v.bytes("spk_private", 32), v.node("created_at")
    first = [v.bytes("first_ratchet_private_a", 32), v.bytes("first_ratchet_private_b", 32)]
    at = {"a": created.int("a"), "b": created.int("b")}
    sessions = {"a": Session.initiate(suite, sid, ad, sk, x25519_public(spk), first[0], at["a"]), "b": None}
    sent, records, now = {}, {"a": [], "b": []}, at["a"]
    for step in v.nodes("steps"):
        op, who = step.text("op"), step.text("who")
        if step.has("at"):
            if not now <= step.int("at") <= now + 4 * DAY:
                raise Mismatch(f"{step.path}: time runs backwards, or jumps")
            now = step.int("at")
        if op == "send":
            sent[step.int("id")] = send(step, sessions[who])
        elif op in ("deliver", "inject"):
            message = step.bytes("message") if op == "inject" else sent[step.int("id")]
            if sessions[who] is None:
                remote = split(message)[0].key
                sessions[who] = Session.accept(suite, sid, ad, sk, spk, remote, first[1], at[who])
            deliver(step, sessions[who], message)
        elif op == "record":
            records[who].append(step.bytes("record"))
            equal(f"{step.path} record", st.encode_session(sessions[who]), records[who][-1])
        elif op == "restore":
            if step.bytes("record") not in records[who]:
                raise Mismatch(f"{step.path}: not a state that {who} was in")
            sessions[who] = st.decode_session(step.bytes("record"))
        else:
            raise Mismatch(f"{step.path}: unknown op {op}")
    if sessions["b"] is None or len(sent) < 2:
        raise Mismatch("no transcript of two parties")


def send(step, session) -> bytes:
    """Encrypts again, and gets the same bytes."""
    message, plaintext = step.bytes("message"), step.bytes("plaintext")
    nonce = message[HEADER_LENGTH : HEADER_LENGTH + NONCE_LENGTH]
    fresh = step.optional(step.bytes, "ratchet_private", 32)
    equal(f"{step.path} message", session.encrypt(plaintext, nonce, fresh), message)
    return message


def deliver(step, session, message: bytes) -> None:
    before = st.encode_session(session)
    result = step.text("result")
    try:
        plaintext = session.decrypt(message, step.int("at"))
    except Refused as refused:
        equal(f"{step.path} result", refused.reason, result)
        equal(f"{step.path} state", st.encode_session(session), before)
        return
    equal(f"{step.path} result", "opened", result)
    equal(f"{step.path} plaintext", plaintext, step.bytes("plaintext"))


def replay(v) -> None:
    responder = delivery.Responder(triple(v.node("responder")))
    for event in v.nodes("events"):
        op = event.text("op")
        if op == "deliver":
            result = event.text("result")
            try:
                sid = responder.deliver(event.bytes("frame"), event.text("from_amid"), event.int("at"))
            except Refused as refused:
                equal(f"{event.path} result", refused.reason, result)
                continue
            equal(f"{event.path} result", "established", result)
            equal(f"{event.path} sid", sid, event.bytes("sid"))
        elif op == "close":
            responder.close(event.bytes("sid"))
        elif op == "lose-session":
            responder.lose(event.bytes("sid"))
        elif op == "delete-triple":
            responder.delete_triple()
        else:
            raise Mismatch(f"{event.path}: unknown op {op}")


def crossing(v) -> None:
    in_use = v.optional(v.node, "in_use")
    own = peer = b""
    current, time = None, 0
    if in_use and in_use.text("initiator") == "own":
        pending = in_use.flag("pending")
        current = ("own", pending, 0)
        if pending:
            own, peer = crossed(v)
    elif in_use:
        equal("initiator", in_use.text("initiator"), "peer")
        current, time = ("peer", False, in_use.int("knock_time")), v.int("knock_time")
    equal("use", delivery.choose(own, peer, current, time), v.text("use"))


def crossed(v) -> tuple:
    """The signing keys of two handshakes under way at once; the sids are checked on the way."""
    own, peer = v.bytes("own_signing", 32), v.bytes("peer_signing", 32)
    for name, initiator, responder in (("own", own, peer), ("peer", peer, own)):
        raw = v.bytes(f"{name}_hs")
        equal(f"IKs in {name} HS", h.parse(raw).signing, initiator)
        equal(f"{name} sid", h.session_id(responder, raw), v.bytes(f"{name}_sid"))
    used = own if delivery.choose(own, peer, ("own", True, 0), 0) == "current" else peer
    equal("sid in use", v.bytes("own_sid" if used == own else "peer_sid"), v.bytes("used_sid"))
    return own, peer
