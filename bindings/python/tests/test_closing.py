"""Ends: of clients, of servers, and what goes on after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from agentmesh import (
    AgentMeshClient,
    ClosedError,
    ErrorCode,
    InvalidInputError,
    Key,
    MemoryStorage,
    Message,
    Policy,
    SQLiteStorage,
    Stage,
)
from agentmesh.testing import Server
from conftest import Make, first


async def _send_numbers(client: AgentMeshClient, to: str, n: int) -> None:
    for number in range(n):
        await client.send(to, number, wait=Stage.QUEUED)


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
