"""Sending, receiving, asking and answering, over the server in this process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agentmesh import (
    AgentMeshClient,
    DeadlineError,
    ErrorCode,
    Failure,
    InvalidInputError,
    Message,
    RemoteError,
    Stage,
)
from conftest import Make, first


async def _async_handler(message: Message) -> int:
    return int(message.payload["n"]) + 1


def _sync_handler(message: Message) -> int:
    return int(message.payload["n"]) + 1


class _Callable:
    async def __call__(self, message: Message) -> int:
        return int(message.payload["n"]) + 1


class _NoGroup:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *error: object) -> None:
        return None


async def _send_numbers(client: AgentMeshClient, to: str, n: int) -> None:
    for number in range(n):
        await client.send(to, number, wait=Stage.QUEUED)


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


async def test_who_polls_visits_the_relay(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client(relay_transport="polling", connect=False) as bob:
        assert await bob.sync()
        await alice.send(bob.amid, "waits")
        assert await bob.sync()
        message = await first(bob)
        assert message.payload == "waits"
        await bob.send(alice.amid, "comes back", wait=Stage.QUEUED)
        await message.ack()
        assert await bob.sync()
        assert (await first(alice)).payload == "comes back"
