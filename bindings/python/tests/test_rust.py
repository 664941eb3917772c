"""Python with Rust, both ways, over a server in a process of its own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from agentmesh import (
    AgentMeshClient,
    ConflictError,
    ErrorCode,
    Key,
    Message,
    NetworkError,
    Policy,
    SQLiteStorage,
    Stage,
)
from agentmesh.testing import Urls
from conftest import program


class Cli:
    """The ``agentmesh`` command with a home of its own."""

    def __init__(self, home: Path, server: Urls) -> None:
        self.command = [
            program("AGENTMESH_TEST_CLI"), "--home", str(home),
            "--registry", server["registry_url"], "--relay", server["relay_url"], "--json",
        ]  # fmt: skip

    async def run(self, *arguments: str) -> list[dict[str, object]]:
        process = await self.start(*arguments)
        out, error = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, (out, error)
        return [json.loads(line) for line in out.splitlines()]

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*self.command, *arguments, stdout=pipe, stderr=pipe)


def client(home: Path, server: Urls) -> AgentMeshClient:
    """An agent in a home as the command keeps it."""
    return AgentMeshClient(
        SQLiteStorage(home / "agent.db"),
        key=Key.file(home / "store.key"),
        policy=Policy.permissive(),
        registry_url=server["registry_url"],
        relay_url=server["relay_url"],
    )


async def test_the_command_sends_and_python_reads(tmp_path: Path, separate_server: Urls) -> None:
    (tmp_path / "python").mkdir()
    async with client(tmp_path / "python", separate_server) as python:
        rust = Cli(tmp_path / "rust", separate_server)
        sending = asyncio.create_task(rust.run("send", python.amid, '{"from":"rust"}', "--wait", "handled"))
        async with await python.messages().__anext__() as message:
            assert message.payload == {"from": "rust"}
            sender = message.sender
        said = await sending
        assert any(line.get("stage") == "handled" for line in said), said
        # And back, in the session that Rust began.
        listening = asyncio.create_task(rust.run("listen", "--count", "1"))
        await python.send(sender, {"from": "python"}, wait=Stage.HANDLED)
        heard = await listening
        assert any(line.get("payload") == {"from": "python"} for line in heard), heard
        assert [s.initiator for s in await python.sessions()] == [False]


async def test_a_home_that_rust_began_is_continued_in_python_and_back(
    tmp_path: Path, separate_server: Urls
) -> None:
    (tmp_path / "peer").mkdir()
    home = tmp_path / "shared"
    async with client(tmp_path / "peer", separate_server) as peer:
        rust = Cli(home, separate_server)
        messages = peer.messages()

        async def received() -> Message:
            message = await messages.__anext__()
            await message.ack()
            return message

        receiving = asyncio.create_task(received())
        await rust.run("send", peer.amid, "1", "--wait", "handled")
        first = await receiving
        sessions = {s.id for s in await peer.sessions()}
        # The same home, now in Python: same agent, same session.
        async with client(home, separate_server) as python:
            assert python.amid == first.sender
            with pytest.raises(ConflictError) as caught:
                SQLiteStorage(home / "agent.db")
            assert caught.value.code == ErrorCode.STORAGE_LOCKED
            receiving = asyncio.create_task(received())
            await python.send(peer.amid, 2, wait=Stage.HANDLED)
            assert ((await receiving).payload, (await python.sessions())[0].id) == (2, next(iter(sessions)))
        # And again in Rust.
        receiving = asyncio.create_task(received())
        await rust.run("send", peer.amid, "3", "--wait", "handled")
        third = await receiving
        assert (third.payload, third.sender) == (3, first.sender)
        assert {s.id for s in await peer.sessions()} == sessions, "one session all the way"


async def test_a_server_that_is_not_there_is_a_network_error(tmp_path: Path) -> None:
    nowhere: Urls = {"registry_url": "http://127.0.0.1:9/v1", "relay_url": "ws://127.0.0.1:9/v1/connect"}
    agent = AgentMeshClient(
        SQLiteStorage(tmp_path / "agent.db"), key=Key.file(tmp_path / "key"), connect_timeout=0.3, **nowhere
    )
    with pytest.raises(NetworkError) as caught:
        async with agent:
            raise AssertionError("it went online")
    assert caught.value.code == ErrorCode.AGENT_NOT_ONLINE and caught.value.retryable
    # Entering failed, so that the store is free again.
    await SQLiteStorage(tmp_path / "agent.db").close()
