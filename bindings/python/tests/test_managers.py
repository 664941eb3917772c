"""The low-level API: prekeys, sessions and KNOCKs in single steps, with a store in between."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agentmesh import (
    Accept,
    ConflictError,
    ErrorCode,
    Identity,
    InvalidInputError,
    KnockProtocol,
    KnockRequest,
    MemoryStorage,
    NotFoundError,
    Policy,
    PrekeyManager,
    ProtocolError,
    Reject,
    SealedStore,
    SessionManager,
    SQLiteStorage,
    Storage,
)

KEY = os.urandom(32)


class Party:
    """An identity, its prekeys and its sessions, over a store."""

    def __init__(self, identity: Identity, storage: Storage, key: bytes) -> None:
        self.identity = identity
        self.store = SealedStore(storage, key)
        self.prekeys = PrekeyManager(identity, self.store)
        self.sessions = SessionManager(self.prekeys)
        self.knocks = KnockProtocol(self.sessions, Policy.permissive())


async def party(storage: Storage, key: bytes = KEY) -> Party:
    identity = await SealedStore(storage, key).load_or_generate_identity("session-identity")
    return Party(identity, storage, key)


def over_the_wire(value: object) -> dict[str, object]:
    """As JSON, which is how an application passes it on."""
    again: dict[str, object] = json.loads(json.dumps(value))
    return again


async def test_a_session_goes_through_json_with_a_restart_between_every_step(tmp_path: Path) -> None:
    async def restarted(name: str, last: Party | None) -> tuple[Party, Storage]:
        storage = SQLiteStorage(tmp_path / f"{name}.db")
        return await party(storage), storage

    alice, alice_storage = await restarted("alice", None)
    bob, bob_storage = await restarted("bob", None)
    bundle = over_the_wire(await bob.prekeys.load_or_initialize())
    assert await bob.prekeys.remaining() > 0 and not await bob.prekeys.needs_replenishment()
    begun = await alice.sessions.initiate_session(bob.identity.amid, bundle, bob.identity.signing_key)
    amids = alice.identity.amid, bob.identity.amid
    await alice_storage.close()
    await bob_storage.close()
    alice, alice_storage = await restarted("alice", alice)
    bob, bob_storage = await restarted("bob", bob)
    assert (alice.identity.amid, bob.identity.amid) == amids
    first = over_the_wire(await alice.sessions.encrypt_message(begun.session_id, {"text": "hello"}))
    session = await bob.sessions.accept_session(amids[0], over_the_wire(begun.x3dh_message))
    assert session == begun.session_id
    assert await bob.sessions.decrypt_message(session, first) == {"text": "hello"}
    with pytest.raises(Exception) as caught:
        await bob.sessions.decrypt_message(session, first)
    assert getattr(caught.value, "code", "") == ErrorCode.DECRYPT_DUPLICATE
    await bob_storage.close()
    bob, bob_storage = await restarted("bob", bob)
    answer = over_the_wire(await bob.sessions.encrypt_message(session, b"\x00\x01"))
    incoming = await alice.sessions.open_envelope(session, answer)
    assert (incoming.payload, incoming.sender, incoming.kind) == (b"\x00\x01", amids[1], "message")
    found = await alice.sessions.session_by_peer(amids[1])
    assert found is not None and found.id == session and found.confirmed
    assert [s.id for s in await alice.sessions.sessions()] == [session]
    assert await alice.sessions.ratchet_public_key(session) is None or True
    await alice.sessions.close_session(session)
    with pytest.raises(NotFoundError) as gone:
        await alice.sessions.encrypt_message(session, 1)
    assert gone.value.code == ErrorCode.SESSION_NOT_FOUND
    assert await alice.sessions.maintain() >= 0
    await alice_storage.close()
    await bob_storage.close()


async def test_envelopes_are_read_in_every_form_and_refused_unread() -> None:
    alice, bob = await party(MemoryStorage()), await party(MemoryStorage())
    bundle = await bob.prekeys.load_or_initialize()
    begun = await alice.sessions.initiate_session(bob.identity.amid, bundle, bob.identity.signing_key)
    session = await bob.sessions.accept_session(alice.identity.amid, begun.x3dh_message)

    async def envelope(n: int) -> dict[str, Any]:
        made = await alice.sessions.encrypt_message(session, {"n": n})
        assert json.loads(json.dumps(made)) == made
        assert list(made) == ["session_id", "type", "suite", "header", "ciphertext"]
        return made

    def of_javascript(made: dict[str, Any]) -> dict[str, Any]:
        header = made["header"]
        return {
            "sessionId": made["session_id"],
            "type": "encrypted",
            "suite": made["suite"],
            "header": {"dhPublicKey": "x25519:" + header["dh_public_key"], "pn": header["pn"], "n": header["n"]},
            "ciphertext": list(base64.b64decode(made["ciphertext"])),
        }

    class Mine(dict[str, Any]):
        """What frameworks make of JSON."""

    forms: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
        dict,
        of_javascript,
        Mine,
        lambda made: {**made, "more": None},
    ]
    for n, form in enumerate(forms):
        assert await bob.sessions.decrypt_message(session, form(await envelope(n))) == {"n": n}
    good = await envelope(9)
    spoiled: list[dict[str, Any]] = [
        {},
        {**good, "type": "plain"},
        {**good, "suite": True},
        {**good, "suite": 300},
        {**good, "ciphertext": good["ciphertext"] + "="},
        {**good, "ciphertext": None},
        {**good, "header": {**good["header"], "n": -1}},
        {**good, "header": {**good["header"], "dh_public_key": "AQID"}},
        {key: value for key, value in good.items() if key != "header"},
    ]
    for bad in spoiled:
        with pytest.raises(ProtocolError) as caught:
            await bob.sessions.decrypt_message(session, bad)
        assert caught.value.code == ErrorCode.MANAGER_MALFORMED, bad
    with pytest.raises(TypeError):
        await bob.sessions.decrypt_message(session, {**good, "more": object()})
    assert await bob.sessions.decrypt_message(session, good) == {"n": 9}


async def test_knocks_are_judged_answered_and_verified() -> None:
    alice, bob = await party(MemoryStorage()), await party(MemoryStorage())
    bundle = await bob.prekeys.load_or_initialize()
    asked = KnockRequest("weather", "query", {"city": "Graz"}, ttl=60)
    begun = await alice.knocks.create_knock(bob.identity.amid, bundle, bob.identity.signing_key, asked)
    knock, decision = await bob.knocks.judge(alice.identity.amid, begun.x3dh_message)
    assert (knock.capability, knock.params, knock.ttl) == ("weather", {"city": "Graz"}, 60)
    assert isinstance(decision, Accept)
    answered = await bob.knocks.answer(alice.identity.amid, begun.x3dh_message, Accept(ttl=30))
    assert answered.session_id == begun.session_id
    assert await alice.knocks.verify_answer(begun.session_id, answered.envelope) == Accept(30)


async def test_a_rejected_knock_is_used_up() -> None:
    alice, bob = await party(MemoryStorage()), await party(MemoryStorage())
    bundle = await bob.prekeys.load_or_initialize()
    begun = await alice.knocks.create_knock(
        bob.identity.amid, bundle, bob.identity.signing_key, KnockRequest("x")
    )
    no = Reject("not today", retry_after=60)
    answered = await bob.knocks.answer(alice.identity.amid, begun.x3dh_message, no)
    assert await alice.knocks.verify_answer(begun.session_id, answered.envelope) == Reject("not today", 60)
    with pytest.raises(ConflictError) as caught:
        await bob.sessions.accept_session(alice.identity.amid, begun.x3dh_message)
    assert caught.value.code == ErrorCode.SESSION_CLOSED


async def test_identities_are_kept_under_paths_and_never_written_over() -> None:
    store = SealedStore(MemoryStorage(), KEY)
    with pytest.raises(NotFoundError):
        await store.load_identity("agent")
    identity = Identity.generate()
    await store.save_identity(identity, "agent")
    assert await store.load_identity("agent") == identity
    with pytest.raises(ConflictError) as caught:
        await store.save_identity(Identity.generate(), "agent")
    assert caught.value.code == ErrorCode.IDENTITY_EXISTS
    with pytest.raises(InvalidInputError):
        SealedStore(MemoryStorage(), b"short")


async def test_what_is_malformed_changes_nothing() -> None:
    alice = await party(MemoryStorage())
    with pytest.raises(Exception) as caught:
        await alice.sessions.accept_session(Identity.generate().amid, {"no": "message"})
    assert getattr(caught.value, "code", "") == ErrorCode.MANAGER_MALFORMED
    with pytest.raises(NotFoundError):
        await alice.prekeys.bundle()
    await alice.prekeys.load_or_initialize()
    more = await alice.prekeys.replenish_one_time_prekeys(5)
    assert len(more["one_time_prekeys"]) == await alice.prekeys.remaining()
    await alice.prekeys.rotate_signed_prekey()
