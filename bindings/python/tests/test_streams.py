"""Streams: answers that come in pieces."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
from agentmesh import (
    ClosedError,
    ConflictError,
    ErrorCode,
    Failure,
    IncomingStream,
    InvalidInputError,
    Message,
)
from conftest import Make, first


async def _three() -> AsyncIterator[str]:
    for text in "123":
        yield text


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
