"""Who may talk and how much, what an agent holds, and what it tells about itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from agentmesh import (
    CircuitState,
    ErrorCode,
    InvalidInputError,
    Knock,
    KnockRequest,
    Later,
    NotFoundError,
    Policy,
    PolicyError,
    RateLimit,
    RateLimitedError,
    SessionType,
    Stage,
)
from conftest import Make, first


async def test_knocks_are_decided_by_the_handler(agentmesh_client: Make) -> None:
    knocks: list[Knock] = []

    async def decide(knock: Knock) -> bool | None:
        knocks.append(knock)
        return {"yes": True, "no": False, "later": None}[knock.capability]

    policy = Policy.default()
    async with agentmesh_client(policy=policy, on_knock=decide) as bob:
        async with agentmesh_client() as alice:
            asked = KnockRequest("yes", "greet", {"a": 1}, SessionType.PERSISTENT, ttl=60)
            await alice.send(bob.amid, 1, knock=asked)
            assert (await first(bob)).payload == 1
            assert (knocks[0].sender, knocks[0].action, knocks[0].params) == (alice.amid, "greet", {"a": 1})
            assert (knocks[0].session_type, knocks[0].ttl) == ("persistent", 60)
        async with agentmesh_client() as mallory:
            with pytest.raises(PolicyError) as caught:
                await mallory.send(bob.amid, 2, knock=KnockRequest("no"), wait=Stage.HANDLED)
            assert caught.value.code == ErrorCode.SEND_KNOCK_REJECTED
            assert caught.value.details["reason"] == "rejected"
        async with agentmesh_client() as carol:
            await carol.send(bob.amid, 3, knock=KnockRequest("later"))
            while not (pending := await bob.pending_knocks()):
                await asyncio.sleep(0.01)
            assert pending[0].knock.sender == carol.amid
            await bob.accept_knock(pending[0].knock.session)
            messages = bob.messages()
            payloads = {(await messages.__anext__()).payload for _ in range(2)}
            assert payloads == {1, 3}
            with pytest.raises(NotFoundError) as unknown:
                await bob.reject_knock(pending[0].knock.session, "too late")
            assert unknown.value.code == ErrorCode.KNOCK_NOT_PENDING


async def test_a_handler_of_knocks_that_fails_leaves_them_for_later(
    agentmesh_client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    def decide(knock: Knock) -> Later:
        raise KeyError(knock.capability)

    async with agentmesh_client(policy=Policy.default(), on_knock=decide) as bob, agentmesh_client() as alice:
        await alice.send(bob.amid, "hi")
        while not (pending := await bob.pending_knocks()):
            await asyncio.sleep(0.01)
        await bob.accept_knock(pending[0].knock.session, ttl=30)
        assert (await first(bob)).payload == "hi"
    assert any("left for later" in record.getMessage() for record in caplog.records)


async def test_sessions_circuit_breakers_and_events(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        events = bob.events()
        await alice.send(bob.amid, "hi", wait=Stage.DELIVERED)
        await (await first(bob)).ack()
        while (event := await events.__anext__()).type != "session_established":
            pass
        assert event.details["peer"] == alice.amid
        session = (await bob.sessions())[0]
        assert (session.peer, session.initiator, session.id) == (alice.amid, False, event.details["session"])
        await alice.block(bob.amid)
        assert set((await alice.circuit_state()).blocked) == {bob.amid}
        with pytest.raises(PolicyError):
            await alice.send(bob.amid, "never")
        await alice.unblock(bob.amid)
        await alice.pause_new()
        state = await alice.circuit_state()
        assert state.state is CircuitState.PAUSED and state.since is not None
        await alice.resume_new()
        await alice.emergency_stop()
        with pytest.raises(PolicyError) as caught:
            await alice.send(bob.amid, "stopped")
        assert caught.value.code == ErrorCode.AGENT_STOPPED
        await alice.resume()
        await alice.connect()
        await alice.send(bob.amid, "works again")
        await bob.kill_session(alice.amid)


async def test_status_is_told_once_and_kept_nowhere(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        events = alice.events()
        requesting = asyncio.create_task(alice.request(bob.amid, "work"))
        message = await first(bob)
        await message.status({"percent": 50})
        while (event := await events.__anext__()).type != "status":
            pass
        assert event.payload == {"percent": 50} and event.details["in_reply_to"] == message.id
        await message.respond("done")
        assert (await requesting).payload == "done"


async def test_registry_search_lookup_and_negotiation(agentmesh_client: Make) -> None:
    async with agentmesh_client(capabilities=["weather/forecast"], display_name="Bob") as bob, agentmesh_client() as alice:
        listing = await alice.lookup(bob.amid)
        assert (listing.amid, listing.signing_key, listing.display_name) == (bob.amid, bob.signing_key, "Bob")
        assert listing.last_seen is None or listing.last_seen.tzinfo is not None
        page = await alice.search("weather/forecast")
        assert [agent.amid for agent in page.agents] == [bob.amid] and page.total == 1
        agreement = await alice.negotiate(bob.amid, ["weather/*", "travel"])
        assert [(m.wanted, m.offered) for m in agreement.agreed] == [("weather/*", "weather/forecast")]
        await bob.set_capabilities(["echo"])
        assert (await alice.search("echo")).total == 1


async def test_limits_on_sending(agentmesh_client: Make) -> None:
    async with agentmesh_client(rate_limit=RateLimit(per_minute=1, burst=2)) as alice, agentmesh_client() as bob:
        for n in range(2):
            await alice.send(bob.amid, n, wait=Stage.QUEUED)
        with pytest.raises(RateLimitedError) as caught:
            await alice.send(bob.amid, 3, wait=Stage.QUEUED)
        assert caught.value.retry_after is not None and caught.value.retry_after > 1
        status = await alice.rate_status()
        assert status.overall is not None and (status.overall.available, status.overall.burst) == (0, 2)
        with pytest.raises(RateLimitedError):
            await alice.wait_for_capacity(bob.amid, timeout=0.01)


async def test_policies_can_be_replaced_while_running(agentmesh_client: Make) -> None:
    async with agentmesh_client() as bob, agentmesh_client() as alice:
        await bob.set_policy(Policy.organization())
        assert (await bob.policy())["min_tier"] == "organization"
        with pytest.raises(PolicyError):
            await alice.send(bob.amid, "hi", wait=Stage.HANDLED)


async def test_outbox_inbox_and_cancelling_a_message(agentmesh_client: Make) -> None:
    bob = agentmesh_client()
    async with bob:
        amid = bob.amid
    async with agentmesh_client() as alice:
        sent = await alice.send(amid, "hi", wait=Stage.STORED)
        outbox = await alice.outbox()
        assert [(item.id, item.to, item.stage) for item in outbox] == [(sent.id, amid, Stage.STORED)]
        assert outbox[0].expires_at > outbox[0].queued_at
        await alice.cancel(sent.id)
        assert await alice.outbox() == []
        assert await alice.inbox() == []


async def test_a_backup_goes_on_in_another_store(agentmesh_client: Make) -> None:
    from agentmesh import Backup

    async with agentmesh_client() as alice:
        async with agentmesh_client() as bob:
            await alice.send(bob.amid, "to the old store")
            await (await first(bob)).ack()
            text = await bob.back_up("passphrase")
            amid = bob.amid
        backup = Backup(text, "passphrase")
        async with agentmesh_client(backup=backup) as restored:
            assert restored.amid == amid == backup.amid
            await alice.send(amid, "to the new store", wait=Stage.DELIVERED)
            assert (await first(restored)).payload == "to the new store"
        with pytest.raises(InvalidInputError) as caught:
            await agentmesh_client(backup=backup).open()
        assert caught.value.code == ErrorCode.BINDING_ARGUMENT


async def test_the_audit_log_is_written_queried_and_verified(agentmesh_client: Make, tmp_path: Path) -> None:
    async with agentmesh_client(audit_log=tmp_path, audit_encrypted=True) as alice, agentmesh_client() as bob:
        log = alice.audit_log
        assert log is not None and bob.audit_log is None
        await alice.send(bob.amid, "hi")
        log.log("DEPLOYED", "version 2", metadata={"by": "ci"}, peer=bob.amid)
        entries = await log.query(types=["DEPLOYED"])
        assert [(e.type, e.message, e.metadata, e.peer) for e in entries] == [("DEPLOYED", "version 2", {"by": "ci"}, bob.amid)]
        anchor = await log.anchor()
        report = await log.verify(anchor)
        assert report.encrypted and report.events >= 3
        with pytest.raises(InvalidInputError):
            await log.verify("no anchor")
    for file in tmp_path.iterdir():
        assert b"DEPLOYED" not in file.read_bytes()
