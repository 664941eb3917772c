"""Identities, signatures, bundles: sections 2 and 3."""

from .. import bundle as b
from .. import ed25519, mlkem
from ..codec import b58_decode, check_amid
from ..errors import equal
from ..primitives import sha256, x25519_public


def identity(v) -> None:
    public = ed25519.public_key(v.bytes("seed", 32))
    equal("public", public, v.bytes("public"))
    text = v.text("amid")
    check_amid(text)
    equal("amid", b.amid(public), text)
    equal("amid bytes", b58_decode(text), sha256(public)[:20])


def signature(v) -> None:
    seed, label, message = v.bytes("seed", 32), v.text("label"), v.bytes("message")
    public, made = v.bytes("public"), v.bytes("signature")
    equal("public", ed25519.public_key(seed), public)
    equal("signature", ed25519.sign_labelled(seed, label, message), made)
    ed25519.verify_labelled(public, label, message, made)


def signature_refusal(v) -> None:
    args = v.bytes("public", 32), v.text("label"), v.bytes("message"), v.bytes("signature", 64)
    ed25519.verify_labelled(*args)


def bundle(v) -> None:
    owner = v.node("owner")
    seed, exchange = owner.bytes("signing_seed", 32), owner.bytes("exchange_private", 32)
    spk, kpk = v.node("spk"), v.optional(v.node, "kpk")
    signing = ed25519.public_key(seed)
    made = b.Bundle(
        signing=signing,
        amid=b.amid(signing),
        exchange=x25519_public(exchange),
        spk_id=spk.int("id"),
        spk=x25519_public(spk.bytes("private", 32)),
        kpk_id=kpk.int("id") if kpk else 0,
        kpk=kpk.bytes("public", mlkem.PUBLIC_LENGTH) if kpk else b"",
        suites=bytes(v.list("suites")),
        created_at=v.int("created_at"),
    )
    equal("body", made.body(), v.bytes("body"))
    blob = v.bytes("blob")
    equal("blob", b.sign_bundle(seed, made), blob)
    equal("signature", blob[-64:], v.bytes("signature", 64))
    equal("parsed", b.verify(blob, *known(v), v.int("now")), made)
    for field, label, message in (("opk", "opk", b.opk_message), ("kopk", "kem", b.kopk_message)):
        key = v.optional(v.node, field)
        if key:
            key_id, public, made = key.int("id"), key.bytes("public"), key.bytes("signature", 64)
            equal(f"{field} signature", ed25519.sign_labelled(seed, label, message(key_id, public)), made)
            ONE_TIME[field](signing, key_id, public, made)


ONE_TIME = {"opk": b.check_opk, "kopk": b.check_kopk}


def known(v) -> tuple:
    """What is known of the peer before its bundle comes."""
    return v.text("expected_amid"), v.int("newest_seen"), v.int("pinned_suite")


def bundle_refusal(v) -> None:
    if v.has("one_time"):
        # Such a key is ignored, and the bundle is used without it.
        check = ONE_TIME[v.text("one_time")]
        check(v.bytes("signing", 32), v.int("id"), v.bytes("public"), v.bytes("signature", 64))
    else:
        b.verify(v.bytes("blob"), *known(v), v.int("now"))
