"""Agents over the server in this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from agentmesh import (
    AgentMeshClient,
    CircuitState,
    ClosedError,
    ConflictError,
    DeadlineError,
    ErrorCode,
    Failure,
    IncomingStream,
    InvalidInputError,
    Key,
    Knock,
    KnockRequest,
    Later,
    MemoryStorage,
    Message,
    NotFoundError,
    Policy,
    PolicyError,
    RateLimit,
    RateLimitedError,
    RemoteError,
    SessionType,
    SQLiteStorage,
    Stage,
)
from agentmesh.testing import Server
from conftest import Make


async def first(client: AgentMeshClient) -> Message:
    async for message in client.messages():
        return message
    raise AssertionError("no message")


@pytest.mark.parametrize("payload", [{"hello": "wörld"}, [1, 2.5, None, True], "text", 7, b"\x00\xff", None])
async def test_payloads_arrive_as_they_were_sent(agentmesh_client: Make, payload: Any) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        sending = asyncio.create_task(alice.send(bob.amid, payload, wait=Stage.HANDLED))
        message = await first(bob)
        assert message.payload == payload
        assert (message.sender, message.kind, message.attempt) == (alice.amid, "message", 0)
        await message.ack()
        sent = await sending
        assert (sent.id, sent.to, sent.stage) == (message.id, bob.amid, Stage.HANDLED)
        assert message.is_done
        with pytest.raises(InvalidInputError) as caught:
            await message.ack()
        assert caught.value.code == ErrorCode.BINDING_USED


async def test_a_large_payload_arrives(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        payload = bytes(range(256)) * 2000
        sending = asyncio.create_task(alice.send(bob.amid, payload, wait=Stage.HANDLED, timeout=60))
        async with await first(bob) as message:
            assert message.payload == payload
        assert (await sending).stage is Stage.HANDLED


async def test_what_is_not_acknowledged_comes_again(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        sent = await alice.send(bob.amid, "again")
        with pytest.raises(ZeroDivisionError):
            async with await first(bob) as message:
                _ = 1 / 0
        assert message.is_done
        again = await first(bob)
        assert (again.id, again.attempt) == (sent.id, 1)
        await again.ack()
        assert await alice.stage(sent.id) in (None, Stage.DELIVERED, Stage.HANDLED, Stage.STORED)


async def test_requests_are_answered_by_handlers_of_every_kind(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        serving = None
        for handler in (_async_handler, _sync_handler, _Callable()):
            bob.on_request(handler)
            serving = asyncio.create_task(bob.serve())
            answer = await alice.request(bob.amid, {"n": 20})
            assert answer.payload == 21 and answer.kind == "response"
            serving.cancel()
            await asyncio.wait([serving])


async def _async_handler(message: Message) -> int:
    return int(message.payload["n"]) + 1


def _sync_handler(message: Message) -> int:
    return int(message.payload["n"]) + 1


class _Callable:
    async def __call__(self, message: Message) -> int:
        return int(message.payload["n"]) + 1


async def test_a_failure_is_told_to_the_peer_and_other_exceptions_are_not(
    agentmesh_client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        attempts: list[int] = []

        @bob.on_request
        async def answer(message: Message) -> str:
            if message.payload == "fail":
                raise Failure("MODEL_OVERLOADED", "later", retryable=True, details={"in": 3})
            attempts.append(message.attempt)
            if message.attempt == 0:
                raise KeyError("a bug")
            return "second try"

        serving = asyncio.create_task(bob.serve())
        with pytest.raises(RemoteError) as caught:
            await alice.request(bob.amid, "fail")
        error = caught.value
        assert (error.code, error.remote_code) == (ErrorCode.REQUEST_ERROR_RESPONSE, "MODEL_OVERLOADED")
        assert (error.remote_message, error.remote_retryable, error.remote_details) == ("later", True, {"in": 3})
        assert (await alice.request(bob.amid, "crash")).payload == "second try"
        assert attempts == [0, 1]
        assert any("comes again" in record.getMessage() for record in caplog.records)
        serving.cancel()
        await asyncio.wait([serving])


async def test_a_request_without_an_answer_meets_its_deadline(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        with pytest.raises(DeadlineError) as caught:
            await alice.request(bob.amid, "anybody?", timeout=0.2)
        assert caught.value.code == ErrorCode.REQUEST_NO_RESPONSE and caught.value.retryable
        with pytest.raises(DeadlineError) as stage:
            await alice.send(bob.amid, "handled?", wait=Stage.HANDLED, timeout=0.2)
        assert stage.value.code == ErrorCode.STAGE_NOT_REACHED
        assert stage.value.details["wanted"] == Stage.HANDLED


async def test_cancelling_a_send_gives_up_waiting_and_not_the_message(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        id = alice.new_id()
        sending = asyncio.create_task(alice.send(bob.amid, "keep", id=id, wait=Stage.HANDLED))
        message = await first(bob)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert message.id == id
        await message.ack()
        # Consistent: the next one goes through the same session.
        async with asyncio.TaskGroup() if hasattr(asyncio, "TaskGroup") else _NoGroup():
            sending = asyncio.create_task(alice.send(bob.amid, "next", wait=Stage.HANDLED))
            async with await first(bob) as message:
                assert message.payload == "next"
            await sending


class _NoGroup:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *error: object) -> None:
        return None


async def test_cancelled_reads_lose_nothing(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        # Only a session that is accepted keeps the order of more messages than may wait for that.
        await alice.send(bob.amid, "first", wait=Stage.DELIVERED)
        messages = bob.messages()
        await (await messages.__anext__()).ack()
        seen: list[int] = []
        sending = asyncio.create_task(_send_numbers(alice, bob.amid, 40))
        turn = 0
        while len(seen) < 40:
            turn += 1
            reading = asyncio.ensure_future(messages.__anext__())
            # Cancelled before, while and after the result is there.
            for _ in range(turn % 7):
                await asyncio.sleep(0)
            if turn % 3:
                reading.cancel()
            try:
                message = await reading
            except asyncio.CancelledError:
                await asyncio.sleep(0.001)
                continue
            assert message.attempt == 0, "none came twice"
            seen.append(message.payload)
            await message.ack()
        await sending
        assert seen == list(range(40))


async def _send_numbers(client: AgentMeshClient, to: str, n: int) -> None:
    for number in range(n):
        await client.send(to, number, wait=Stage.QUEUED)


async def test_streams_come_in_order_and_end(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:

        @bob.on_request
        async def tokens(message: Message) -> AsyncIterator[str]:
            for n in range(message.payload):
                yield f"{n} "
            if message.payload == 3:
                raise Failure("NO_FOUR", retryable=True)

        serving = asyncio.create_task(bob.serve())
        async with await alice.stream(bob.amid, 50) as stream:
            numbers = [(chunk.number, chunk.text) async for chunk in stream]
        assert numbers == [(n, f"{n} ") for n in range(50)]
        # Whoever did not ask for a stream gets the whole.
        assert (await alice.request(bob.amid, 2)).payload == "0 1 "
        failing = await alice.stream(bob.amid, 3)
        with pytest.raises(Exception) as caught:
            await failing.read()
        assert getattr(caught.value, "code", "") == ErrorCode.STREAM_FAILED
        serving.cancel()
        await asyncio.wait([serving])


async def test_streams_can_be_left_and_resumed_and_carry_metadata(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        stream = await alice.stream(bob.amid, "go", window_frames=4)
        request = await first(bob)
        assert request.wants_stream
        async with request.stream() as answer:
            assert answer.position == 0
            await answer.set_metadata({"model": "echo"})
            for n in range(3):
                assert await answer.send(f"{n}") == n
            assert [(await stream.__anext__()).data for _ in range(3)] == ["0", "1", "2"]
            assert stream.metadata == {"model": "echo"}
            id = await stream.detach()
            resumed = await alice.resume_stream(bob.amid, id, 3)
            await answer.send(b"\x01")
            assert (await resumed.__anext__()).data == b"\x01"
            assert [s.id for s in await alice.open_streams()] == [id]
        with pytest.raises(StopAsyncIteration):
            await resumed.__anext__()


async def test_a_reader_that_leaves_stops_the_sender(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        stream = await alice.stream(bob.amid, "go")
        request = await first(bob)
        async with request.stream() as answer:
            await answer.send("x")
            await stream.__anext__()
            await stream.cancel("enough")
            with pytest.raises(Exception) as caught:
                while True:
                    await answer.send("y")
            assert getattr(caught.value, "code", "") == ErrorCode.STREAM_CANCELLED
            assert answer.is_stopped


async def test_a_model_stops_when_its_reader_leaves(agentmesh_client: Make, caplog: pytest.LogCaptureFixture) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        thinking, stopped = asyncio.Event(), asyncio.Event()

        @bob.on_request
        async def tokens(message: Message) -> AsyncIterator[str]:
            try:
                yield "one"
                thinking.set()
                # The next token takes for ever.
                await asyncio.Event().wait()
            finally:
                stopped.set()

        serving = asyncio.create_task(bob.serve())

        async def leave(stream: IncomingStream) -> None:
            async with stream:
                async for _ in stream:
                    break

        async def aclose(stream: IncomingStream) -> None:
            async with contextlib.aclosing(stream) as chunks:
                await chunks.__anext__()

        async def forget(stream: IncomingStream) -> None:
            await stream.__anext__()

        for way in (leave, aclose, forget):
            reading = asyncio.create_task(way(await alice.stream(bob.amid, "go")))
            await thinking.wait()
            await reading
            del reading
            await stopped.wait()
            thinking.clear()
            stopped.clear()
        # Whoever leaves makes no noise, and the handler serves on.
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
        async with await alice.stream(bob.amid, "go") as stream:
            assert (await stream.__anext__()).text == "one"
        await bob.close()
        await serving


async def test_a_stream_says_why_it_is_over_and_cancels_what_it_sends(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        stream = await alice.stream(bob.amid, "go")
        request = await first(bob)
        cleaned: list[str] = []

        async def endless() -> AsyncIterator[str]:
            try:
                yield "x"
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cleaned.append("cancelled")
                raise

        with pytest.raises(ClosedError) as caught:
            async with request.stream() as answer:
                telling = asyncio.ensure_future(answer.stopped())
                sending = asyncio.ensure_future(answer.send_all(endless()))
                assert (await stream.__anext__()).text == "x"
                await stream.cancel("enough")
                why = await telling
                assert isinstance(why, ClosedError) and why.code == ErrorCode.STREAM_CANCELLED
                assert answer.is_stopped
                await sending
        assert caught.value.code == ErrorCode.STREAM_CANCELLED and cleaned == ["cancelled"]
        # Finished by its sender, it is over without an error; waiting can be given up.
        stream = await alice.stream(bob.amid, "again")
        async with (await first(bob)).stream() as answer:
            telling = asyncio.ensure_future(answer.stopped())
            await asyncio.sleep(0)
            telling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await telling
            await answer.send_all(_three())
            telling = asyncio.ensure_future(answer.stopped())
        assert await telling is None
        assert await stream.read() == "123"


async def _three() -> AsyncIterator[str]:
    for text in "123":
        yield text


async def test_an_answer_that_is_refused_leaves_the_message_open(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        asking = asyncio.ensure_future(alice.request(bob.amid, "how much?"))
        request = await first(bob)
        deep: Any = 1
        for _ in range(200):
            deep = [deep]
        for payload, code in ((b"x" * (64 << 20 | 1), "PAYLOAD_TOO_LARGE"), (deep, "PAYLOAD_INVALID_JSON")):
            with pytest.raises(InvalidInputError) as caught:
                await request.respond(payload)
            assert caught.value.code == code
            assert not request.is_done
        with pytest.raises(InvalidInputError) as caught:
            async with request.stream():
                pass
        assert caught.value.code == ErrorCode.STREAM_NOT_ASKED
        await request.respond("this much")
        assert request.is_done and (await asking).payload == "this much"
        with pytest.raises(InvalidInputError) as caught:
            await request.respond("twice")
        assert caught.value.code == ErrorCode.BINDING_USED


async def test_a_response_that_is_too_large_is_an_error_for_the_peer_who_waits(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        calls: list[int] = []

        @bob.on_request
        async def answer(message: Message) -> bytes:
            calls.append(message.attempt)
            return b"x" * (64 << 20 | 1)

        serving = asyncio.create_task(bob.serve())
        with pytest.raises(RemoteError) as caught:
            await alice.request(bob.amid, "all of it")
        assert (caught.value.remote_code, calls) == ("RESPONSE_INVALID", [0])
        await bob.close()
        await serving


async def test_what_fails_again_and_again_is_given_up_if_that_is_wanted(
    agentmesh_client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        given_up: list[tuple[str, Any, str]] = []

        @bob.on_message
        @bob.on_request
        async def handle(message: Message) -> None:
            raise KeyError("a bug")

        @bob.on_dead_letter
        def keep(message: Message, error: Exception) -> None:
            if message.attempt < 2:
                raise OSError("the disk is full")
            given_up.append((message.kind, message.payload, type(error).__name__))

        with pytest.raises(ValueError, match="max_attempts"):
            await bob.serve(max_attempts=0)
        serving = asyncio.create_task(bob.serve(max_attempts=2))
        await alice.send(bob.amid, "note", wait=Stage.HANDLED)
        with pytest.raises(RemoteError) as caught:
            await alice.request(bob.amid, "question")
        assert caught.value.remote_code == "HANDLER_FAILED"
        assert given_up == [("message", "note", "KeyError"), ("request", "question", "KeyError")]
        # The answer is on its way before the request is done.
        while await bob.inbox():
            await asyncio.sleep(0.01)
        assert "is given up" in caplog.text and "the disk is full" in caplog.text
        assert "question" not in caplog.text, "no content in the log"
        await bob.close()
        await serving


async def test_one_call_at_a_time_uses_a_stream(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        stream = await alice.stream(bob.amid, "go", manual_ack=True)
        reading = asyncio.ensure_future(stream.__anext__())
        request = await first(bob)
        with pytest.raises(ConflictError) as caught:
            stream.ack(0)
        assert caught.value.code == ErrorCode.BINDING_BUSY and caught.value.retryable
        async with request.stream() as answer:
            await answer.send("x")
            assert (await reading).number == 0
            stream.ack(1)
        await stream.cancel()
        with pytest.raises(InvalidInputError) as used:
            stream.ack(1)
        assert used.value.code == ErrorCode.BINDING_USED
        await stream.cancel("again is fine")


async def test_a_message_that_wants_no_stream_is_left_as_it_is(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        await alice.send(bob.amid, "plain")
        message = await first(bob)
        with pytest.raises(InvalidInputError) as caught:
            async with message.stream():
                pass
        assert caught.value.code == ErrorCode.STREAM_NOT_ASKED
        await message.ack()


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


async def test_what_was_sent_survives_a_restart_of_either_side(tmp_path: Path) -> None:
    async with Server(data_dir=tmp_path / "server") as server:

        def agent(name: str) -> AgentMeshClient:
            storage = SQLiteStorage(tmp_path / f"{name}.db")
            key = Key.file(tmp_path / f"{name}.key")
            return AgentMeshClient(storage, key=key, policy=Policy.permissive(), **server.urls)

        async with agent("bob") as bob:
            amid = bob.amid
        async with agent("alice") as alice:
            sent = await alice.send(amid, "while you were away")
            assert sent.stage >= Stage.STORED
        async with agent("bob") as bob:
            message = await first(bob)
            assert (message.payload, bob.amid) == ("while you were away", amid)
            # Not acknowledged: it comes again after a restart.
        async with agent("bob") as bob:
            again = await first(bob)
            assert again.id == message.id
            await again.ack()


async def test_faults_of_the_server_lose_nothing() -> None:
    async with Server(drop=0.2, duplicate=0.2, reorder=0.2, seed=7) as server:
        alice, bob = (
            AgentMeshClient(MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **server.urls)
            for _ in range(2)
        )
        async with alice, bob:
            seen: set[int] = set()
            sending = asyncio.create_task(_send_numbers(alice, bob.amid, 10))
            async for message in bob.messages():
                async with message:
                    assert message.payload not in seen
                    seen.add(message.payload)
                if len(seen) == 10:
                    break
            await sending


async def test_a_server_that_cannot_start_says_why(tmp_path: Path, agentmesh_server: Server) -> None:
    taken = int(agentmesh_server.url.rpartition(":")[2])
    with pytest.raises(InvalidInputError) as caught:
        Server(port=taken).start()
    assert caught.value.code == ErrorCode.BINDING_SERVER
    with pytest.raises(RuntimeError, match="not running"):
        _ = Server().urls


async def test_closing_twice_and_using_after_closing(agentmesh_client: Make) -> None:
    client = agentmesh_client()
    async with client:
        messages, events = client.messages(), client.events()
        waiting = asyncio.ensure_future(messages.__anext__())
        await asyncio.sleep(0.01)
        await client.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        await client.close()
    await client.close()
    with pytest.raises(ClosedError) as caught:
        await client.send(client.amid, "x")
    assert caught.value.code == ErrorCode.AGENT_CLOSED
    with pytest.raises(ClosedError):
        await client.messages().__anext__()
    assert "closed" in repr(client)
    types = [event.type async for event in events]
    assert types[-1] == "closed"


async def test_serving_ends_when_the_client_is_closed_and_lets_handlers_finish(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        @bob.on_message
        async def handle(message: Message) -> None:
            begun.set()
            await may_end.wait()
            ended.set()

        serving = asyncio.create_task(bob.serve())
        sent = await alice.send(bob.amid, "slow")
        await begun.wait()
        serving.cancel()
        await asyncio.sleep(0.01)
        assert not serving.done()
        may_end.set()
        await asyncio.wait([serving])
        assert ended.is_set()
        while await alice.stage(sent.id) is not None:
            await asyncio.sleep(0.01)
