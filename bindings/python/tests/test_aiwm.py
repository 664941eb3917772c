"""AIWM: client and supervisor against the reference server's controller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from agentmesh import AuthenticationError, ErrorCode, InvalidInputError, NotFoundError
from agentmesh.aiwm import (
    AgentDeleted,
    AgentStatus,
    AiwmClient,
    AiwmEvent,
    AiwmState,
    AiwmSupervisor,
    Controller,
    StateChanged,
)
from agentmesh.testing import Server
from conftest import administer

E = TypeVar("E")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(aiwm=True) as server:
        yield server


@pytest.fixture
def controller(server: Server) -> Controller:
    """An agent that the controller knows."""
    settings = {"claudeModel": "m", "discord": {"token": "bot-token", "channelIds": ["1", "2"]}}
    body = {"name": "support", "description": "d", "status": "active", "settings": settings}
    id = administer(server, "POST", "/agents", body)["_id"]
    secret = administer(server, "POST", f"/agents/{id}/credentials/regenerate", {})["secret"]
    return Controller(server.url, id, secret)


async def until(events: AsyncIterator[AiwmEvent], kind: type[E]) -> E:
    """The next event of a kind."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__} came")


async def test_the_client_connects_beats_and_goes(server: Server, controller: Controller) -> None:
    client = AiwmClient(controller)
    connection = await client.connect()
    assert connection.settings["claudeModel"] == "m" and connection.lifetime > 0
    assert connection.agent.get("name", "support") == "support"
    await client.heartbeat(connection, AgentStatus.BUSY, {"cpu": 0.5})
    shown = await asyncio.to_thread(administer, server, "GET", f"/agents/{controller.agent_id}")
    assert shown["lastReport"]["status"] == "busy"
    await client.disconnect(connection)
    assert controller.secret not in repr(controller) + repr(client) + repr(connection)


async def test_refusals_are_told(server: Server, controller: Controller) -> None:
    wrong = Controller(server.url, controller.agent_id, "not-the-secret")
    with pytest.raises(AuthenticationError) as caught:
        await AiwmClient(wrong).connect()
    assert caught.value.code == ErrorCode.AIWM_AUTH_REJECTED
    with pytest.raises(NotFoundError) as unknown:
        await AiwmClient(Controller(server.url, "0" * 24, "x")).connect()
    assert unknown.value.code == ErrorCode.AIWM_AGENT_NOT_FOUND
    with pytest.raises(InvalidInputError) as insecure:
        AiwmClient(Controller("http://example.com", "0" * 24, "x"))
    assert insecure.value.code == ErrorCode.AIWM_CONFIG
    with pytest.raises(AuthenticationError):
        await AiwmSupervisor(wrong, fail_fast=True, retries=[]).start()


async def test_the_supervisor_configures_beats_and_hears_of_the_end(
    server: Server, controller: Controller
) -> None:
    supervisor = AiwmSupervisor(controller, heartbeat=0.05, metrics={"queue": 3})
    async with supervisor:
        assert supervisor.state == AiwmState.ONLINE
        config = supervisor.config
        assert (config.model, config.discord.places, config.discord.token) == ("m", ["1", "2"], "bot-token")
        assert "bot-token" not in repr(config) and config.variables["CLAUDE_MODEL"] == "m"
        supervisor.status = AgentStatus.BUSY
        assert supervisor.status is AgentStatus.BUSY
        before = supervisor.counters["aiwm_heartbeat_success_total"]
        while supervisor.counters["aiwm_heartbeat_success_total"] < before + 2:
            await asyncio.sleep(0.01)
        shown = await asyncio.to_thread(administer, server, "GET", f"/agents/{controller.agent_id}")
        assert shown["lastReport"]["status"] == "busy"
        assert shown["lastReport"]["metrics"] == {"queue": 3}
        supervisor.metrics = None
        assert supervisor.health.status == "ok" and supervisor.respond("/health").status == 200
        assert "aiwm_heartbeat_success_total" in supervisor.respond("/metrics").body
        assert supervisor.respond("/elsewhere").status == 404

        events = supervisor.events()
        await asyncio.to_thread(administer, server, "DELETE", f"/agents/{controller.agent_id}")
        await until(events, AgentDeleted)
        states: list[AiwmState] = []
        while AiwmState.GONE not in (*states, supervisor.state):
            event = await events.__anext__()
            assert isinstance(event, StateChanged)
            states.append(event.state)
    assert supervisor.state.value == "stopped"
    await supervisor.shutdown()


async def test_the_env_file_of_the_controller_starts_an_agent(
    server: Server, controller: Controller, tmp_path: Path
) -> None:
    path = f"/agents/{controller.agent_id}/credentials/regenerate"
    made = await asyncio.to_thread(administer, server, "POST", path, {})
    (tmp_path / ".env").write_text(made["envConfig"], encoding="utf-8")
    async with AiwmSupervisor(env_file=tmp_path / ".env") as supervisor:
        assert (supervisor.state, supervisor.config.model) == (AiwmState.ONLINE, "m")


async def test_without_a_controller_everything_is_local(tmp_path: Path) -> None:
    (tmp_path / "instruction.md").write_text("Be kind.", encoding="utf-8")
    async with AiwmSupervisor(instruction_file=tmp_path / "instruction.md") as supervisor:
        assert supervisor.state is AiwmState.DISABLED
        config = supervisor.config
        assert (config.instruction, config.instruction_source) == ("Be kind.", "file")
        assert config.tools is None and "Be kind." not in repr(config)
    away = AiwmSupervisor(Controller("http://127.0.0.1:1", "0" * 24, "x"), retries=[])
    async with away:
        assert away.state is AiwmState.DEGRADED and away.health.status == "degraded"
    with pytest.raises(RuntimeError, match="not started"):
        _ = AiwmSupervisor().state
