"""What the documents of the signaling server and of the AIWM controller describe, step by step, as agents in Python do it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from agentmesh import ErrorCode, NotFoundError
from agentmesh.aiwm import AgentStatus, AiwmEvent, AiwmState, AiwmSupervisor, Controller, StateChanged
from agentmesh.signaling import (
    Disconnected,
    Joined,
    Resumed,
    Roster,
    Signal,
    SignalingClient,
    SignalingEvent,
)
from agentmesh.testing import Server
from conftest import administer
from line import Line

E = TypeVar("E")
OFFER = {"type": "offer", "sdp": "v=0\r\no=- 279532 2 IN IP4 127.0.0.1\r\n"}


async def until(events: AsyncIterator[Any], kind: type[E]) -> E:
    """The next event of a kind."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__} came")


async def said(events: AsyncIterator[SignalingEvent], n: int) -> list[Any]:
    """What the next signals say."""
    return [(await until(events, Signal)).value for _ in range(n)]


async def test_signaling_from_the_first_connection_to_the_leave(agentmesh_server: Server) -> None:
    async with Line(agentmesh_server.url) as line, SignalingClient(line.url, "Agent-Coordination ") as agent:
        events = agent.events()
        # Joined: an id, a token that nobody sees, ICE servers.
        joined = await until(events, Joined)
        credentials = agent.credentials
        assert credentials is not None and credentials.id == joined.id == agent.id
        assert credentials.token not in repr(agent) + repr(joined) + repr(credentials)
        assert (agent.room, agent.ice_servers) == ("AGENT-COORDINATION", [])
        async with SignalingClient(agentmesh_server.url, "agent-coordination") as other:
            theirs = other.events()
            assert other.id is not None
            # Roster: who else is there.
            assert (await until(theirs, Roster)).joined == [joined.id]
            while other.id not in agent.peers:
                await until(events, Roster)
            # Signals: what agents say to each other, and what WebRTC needs.
            await agent.send(other.id, {"type": "agent-ping", "message": "Hello from python agent!"})
            await agent.send(other.id, {"sdp": OFFER, "connectionMode": "lan"})
            candidate = {"candidate": {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0"}}
            await agent.send(other.id, candidate)
            ping, offer, ice = await said(theirs, 3)
            assert ping["message"] == "Hello from python agent!"
            assert (offer["sdp"], offer["connectionMode"], ice) == (OFFER, "lan", candidate)
            # More than the server takes at once: the client waits for its turn, and all of them come.
            await asyncio.gather(*(agent.send(other.id, {"n": n}) for n in range(60)))
            assert sorted(value["n"] for value in await said(theirs, 60)) == list(range(60))
            # Who is not there is told.
            with pytest.raises(NotFoundError) as gone:
                await agent.send("8e19e99a-7a54-4361-b58e-324d142ab115", {"n": 1})
            assert gone.value.code == ErrorCode.SIGNALING_PEER_GONE
            # Reconnection: the same client, which gets what was said meanwhile.
            line.cut()
            await until(events, Disconnected)
            assert not agent.is_online
            await other.send(joined.id, {"said": "meanwhile"})
            line.mend()
            assert (await until(events, Resumed)).id == joined.id
            assert await said(events, 1) == [{"said": "meanwhile"}]
            await agent.send(other.id, {"type": "agent-ping", "message": "back"})
            assert (await said(theirs, 1))[0]["message"] == "back"
            leaving = other.id
        # Leave: the others hear of it at once.
        while (roster := await until(events, Roster)).left != [leaving]:
            assert roster.left == []
        assert agent.peers == []


def configured(server: Server) -> tuple[str, dict[str, Any]]:
    """What an administrator does: instruction, tool, agent with settings, credentials."""

    def make(path: str, **body: Any) -> str:
        return str(administer(server, "POST", path, {"description": "d", "status": "active", **body})["_id"])

    instruction = make("/instructions", name="i", systemPrompt="You are helpful.", guidelines=["Be polite", "Be accurate"])
    schema = {"inputSchema": {"type": "object"}, "outputSchema": {"type": "object"}}
    tool = make("/tools", name="read-file", type="builtin", category="productivity", schema=schema)
    settings = {
        "claudeModel": "claude-3-5-haiku-latest",
        "resume": True,
        "telegram": {"token": "telegram-token", "groupIds": ["-100"], "botUsername": "my_bot"},
    }
    agent = make("/agents", name="Customer Support", instructionId=instruction, allowedToolIds=[tool], settings=settings)
    return agent, administer(server, "POST", f"/agents/{agent}/credentials/regenerate", {})


async def becomes(supervisor: AiwmSupervisor, events: AsyncIterator[AiwmEvent], state: AiwmState) -> None:
    while supervisor.state is not state:
        await until(events, StateChanged)


async def test_aiwm_from_the_administrator_to_the_graceful_shutdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Server(aiwm=True) as server, Line(server.url) as line:
        id, credentials = await asyncio.to_thread(configured, server)
        path = f"/agents/{id}"
        # The environment that the developer gets, with something of the developer's own.
        environment = credentials["envConfig"].replace(server.url, line.url)
        assert line.url in environment
        (tmp_path / ".env").write_text(environment + "\nCLAUDE_MODEL=of-the-file\nCLAUDE_MAX_TURNS=7\n", encoding="utf-8")
        (tmp_path / "local.md").write_text("Local words.", encoding="utf-8")
        monkeypatch.setenv("CLAUDE_MAX_TURNS", "9")
        supervisor = AiwmSupervisor(
            env_file=tmp_path / ".env",
            instruction_file=tmp_path / "local.md",
            heartbeat=0.05,
            probe=0.1,
            metrics={"cpu": 45, "activeConnections": 3},
        )
        async with supervisor:
            # Connect, and what the agent begins with: the controller, then the environment, then defaults.
            assert supervisor.state is AiwmState.ONLINE
            config = supervisor.config
            assert config.instruction == "You are helpful.\n\n## Guidelines\n1. Be polite\n2. Be accurate"
            assert [tool["name"] for tool in config.tools or []] == ["read-file"]
            assert (config.model, config.max_turns, config.resume) == ("claude-3-5-haiku-latest", 9, True)
            assert (config.telegram.token, config.telegram.places, config.telegram.bot) == (
                "telegram-token", ["-100"], "my_bot",
            )  # fmt: skip
            assert config.permission_mode == "default" and "telegram-token" not in repr(config)
            # Heartbeats.
            supervisor.status = AgentStatus.BUSY
            report: dict[str, Any] = {}
            while report.get("status") != "busy":
                shown = await asyncio.to_thread(administer, server, "GET", path)
                report = shown.get("lastReport") or {}
            assert report["metrics"] == {"cpu": 45, "activeConnections": 3}
            # The controller cannot be reached: the agent goes on, and heartbeats fail without harm.
            line.cut()
            while supervisor.counters["aiwm_heartbeat_failure_total"] == 0:
                await asyncio.sleep(0.01)
            assert supervisor.config.model == "claude-3-5-haiku-latest"
            line.mend()
            beats = supervisor.counters["aiwm_heartbeat_success_total"]
            while supervisor.counters["aiwm_heartbeat_success_total"] == beats:
                await asyncio.sleep(0.01)
            # A new secret ends the token, and the old secret opens nothing any more.
            events = supervisor.events()
            await asyncio.to_thread(administer, server, "POST", f"{path}/credentials/regenerate", {})
            await becomes(supervisor, events, AiwmState.DEGRADED)
            assert supervisor.health.status == "degraded"
            names = {
                f"aiwm_{name}_total"
                for name in (
                    "connection_success", "connection_failure", "heartbeat_success", "heartbeat_failure",
                    "token_refresh", "config_update",
                )
            }  # fmt: skip
            assert names <= supervisor.counters.keys()
            assert supervisor.counters["aiwm_connection_failure_total"] > 0
            metrics = supervisor.respond("/metrics")
            assert all(name in metrics.body for name in names)
            assert credentials["secret"] not in metrics.body + supervisor.respond("/health").body + repr(supervisor)
        assert supervisor.state.value == "stopped"


async def test_aiwm_falls_back_to_what_is_local_and_finds_the_controller_later(tmp_path: Path) -> None:
    async with Server(aiwm=True) as server, Line(server.url) as line:
        id, credentials = await asyncio.to_thread(configured, server)
        line.cut()
        (tmp_path / "local.md").write_text("Local words.", encoding="utf-8")
        supervisor = AiwmSupervisor(
            Controller(line.url, id, credentials["secret"]),
            instruction_file=tmp_path / "local.md",
            retries=[0.01, 0.02, 0.04],
            probe=0.05,
        )
        async with supervisor:
            assert supervisor.state is AiwmState.DEGRADED
            assert (supervisor.config.instruction, supervisor.config.instruction_source) == ("Local words.", "file")
            assert supervisor.counters["aiwm_connection_failure_total"] >= 4
            events = supervisor.events()
            line.mend()
            await becomes(supervisor, events, AiwmState.ONLINE)
            assert supervisor.config.instruction_source == "controller"
        shown = await asyncio.to_thread(administer, server, "GET", f"/agents/{id}")
        assert shown["connectionCount"] >= 1
