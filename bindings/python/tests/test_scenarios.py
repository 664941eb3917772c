"""Plays ``bindings/scenarios/*.json``, as the other languages do."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from agentmesh import (
    AgentMeshClient,
    AgentMeshError,
    AuthenticationError,
    Backup,
    Key,
    Message,
    Messages,
    Policy,
    RemoteError,
    SQLiteStorage,
    Stage,
)
from agentmesh.testing import Server
from conftest import program

SCENARIOS = sorted((Path(program("AGENTMESH_TEST_SOURCE")) / "bindings" / "scenarios").glob("*.json"))
POLICIES = {"permissive": Policy.permissive, "organization": Policy.organization}


def payload(value: dict[str, Any]) -> Any:
    if "bytes" in value:
        return base64.b64decode(value["bytes"])
    return value.get("json")


class Play:
    def __init__(self, agents: dict[str, Any], server: Server, home: Path) -> None:
        self.agents, self.server, self.home = agents, server, home
        self.clients: dict[str, AgentMeshClient] = {}
        self.messages: dict[str, Messages] = {}
        self.amids: dict[str, str] = {}

    async def open(self, name: str) -> None:
        client = AgentMeshClient(
            SQLiteStorage(self.home / f"{name}.db"),
            key=Key.file(self.home / f"{name}.key"),
            policy=POLICIES[self.agents[name].get("policy", "permissive")](),
            **self.server.urls,
        )
        await client.open()
        await client.connect()
        self.clients[name], self.amids[name] = client, client.amid
        self.messages.pop(name, None)

    async def next(self, name: str) -> Message:
        messages = self.messages.setdefault(name, self.clients[name].messages())
        return await asyncio.wait_for(messages.__anext__(), 60)

    async def step(self, step: dict[str, Any]) -> None:
        client = self.clients[step["at"]]
        peer = self.amids.get(step.get("to") or step.get("peer") or "", "")
        does = step["do"]
        if does in ("receive", "request", "stream", "restart", "sessions", "backup"):
            await getattr(self, does)(client, peer, step)
        elif does == "send":
            wait = Stage[step.get("wait", "stored").upper()]
            timeout = step.get("timeout_ms", 30_000) / 1000
            await client.send(peer, payload(step["payload"]), wait=wait, timeout=timeout)
        elif does in ("block", "unblock", "kill_session"):
            await getattr(client, does)(peer)
        elif does in ("close", "connect", "resume"):
            await getattr(client, does)()
        else:
            await {"pause": client.pause_new, "stop": client.emergency_stop}[does]()

    async def restart(self, client: AgentMeshClient, _: str, step: dict[str, Any]) -> None:
        await client.close()
        await self.open(step["at"])

    async def receive(self, _: AgentMeshClient, __: str, step: dict[str, Any]) -> None:
        message = await self.next(step["at"])
        assert message.sender == self.amids[step["from"]]
        assert message.payload == payload(step["payload"])
        assert message.attempt == step.get("attempt", message.attempt)
        if step["then"] == "ack":
            await message.ack()
        elif step["then"] == "release":
            message.release()

    async def request(self, client: AgentMeshClient, peer: str, step: dict[str, Any]) -> None:
        asking = asyncio.ensure_future(client.request(peer, payload(step["payload"]), timeout=60))
        message, answer = await self.next(step["to"]), step["answer"]
        assert message.payload == payload(step["payload"])
        if "fail" in answer:
            await message.fail(answer["fail"], retryable=answer["retryable"])
        else:
            await message.respond(payload(answer["payload"]))
        try:
            response = await asking
        except RemoteError as error:
            assert (error.remote_code, error.remote_retryable) == (answer["fail"], answer["retryable"])
            raise
        assert response.payload == payload(answer["payload"])

    async def stream(self, client: AgentMeshClient, peer: str, step: dict[str, Any]) -> None:
        stream = await client.stream(peer, payload(step["payload"]))

        async def answer() -> None:
            async with (await self.next(step["to"])).stream() as outgoing:
                for chunk in step["chunks"]:
                    await outgoing.send(chunk)
                if "fail" in step:
                    await outgoing.fail(step["fail"])

        answering = asyncio.ensure_future(answer())
        read = []
        try:
            async for chunk in stream:
                read.append(chunk.text)
        finally:
            await answering
            assert read == step["chunks"]

    async def sessions(self, client: AgentMeshClient, _: str, step: dict[str, Any]) -> None:
        found = [session.peer for session in await client.sessions()]
        assert found == [self.amids[name] for name in step["peers"]]

    async def backup(self, client: AgentMeshClient, _: str, step: dict[str, Any]) -> None:
        text = await client.back_up("correct horse")
        assert Backup(text, "correct horse").amid == client.amid
        with pytest.raises(AuthenticationError):
            Backup(text, "wrong")


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 4 and os.environ["AGENTMESH_TEST_SOURCE"]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_scenario(path: Path, tmp_path: Path, agentmesh_server: Server) -> None:
    scenario = json.loads(path.read_text(encoding="utf-8"))
    play = Play(scenario["agents"], agentmesh_server, tmp_path)
    for name in scenario["agents"]:
        await play.open(name)
    for step in scenario["steps"]:
        code = None
        try:
            await play.step(step)
        except AgentMeshError as error:
            code = error.code
        assert code == step.get("error"), step
    for client in play.clients.values():
        await client.close()
