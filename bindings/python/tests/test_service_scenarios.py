"""Plays ``bindings/scenarios/services/*.json``, as the other languages do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from agentmesh import AgentMeshError, Failure, Identity
from agentmesh.agent_ws import AgentWebSocketClient, AgentWebSocketService, Answer, Delta, Notification, Question
from agentmesh.signaling import Roster, Signal, SignalingClient
from agentmesh.testing import Server
from agentmesh.user_data import HookAnswered, HookPolicy, UserDataChannel, UserDataClient
from conftest import program

SCENARIOS = sorted((Path(program("AGENTMESH_TEST_SOURCE")) / "bindings" / "scenarios" / "services").glob("*.json"))

T = TypeVar("T")
Step = dict[str, Any]


async def until(events: AsyncIterator[object], kind: type[T], wanted: Callable[[T], bool] = lambda _: True) -> T:
    """The next event of a kind that is looked for."""

    async def search() -> T:
        async for event in events:
            if isinstance(event, kind) and wanted(event):
                return event
        raise AssertionError(f"no {kind.__name__} came")

    return await asyncio.wait_for(search(), 60)


async def answer(question: Question) -> AsyncIterator[str]:
    """The agent of ``serve``: it says the conversation, and ``fail`` it does not take."""
    if question.text == "fail":
        raise Failure("BUSY", "come back later")
    for said in question.messages:
        yield f"{said.role}:{said.content}/"


class Play:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.rooms: dict[str, tuple[SignalingClient, AsyncIterator[object]]] = {}
        self.ids: dict[str, str] = {}
        self.signers: dict[str, str] = {}
        self.services: dict[str, AgentWebSocketService] = {}
        self.urls = {"server": server.agent_websocket_url}
        self.askers: dict[str, tuple[AgentWebSocketClient, AsyncIterator[object]]] = {}
        self.data = UserDataClient(server.url, api_key="any-key-will-do")
        self.channels: dict[str, tuple[UserDataChannel, AsyncIterator[object]]] = {}

    async def step(self, step: Step) -> None:
        await getattr(self, step["do"])(step)

    # Signaling.

    async def join(self, step: Step) -> None:
        identity = Identity.generate() if step.get("signs") else None
        client = await SignalingClient(self.server.url, step["room"], sign_with=identity).join()
        assert client.id is not None
        self.rooms[step["at"]], self.ids[step["at"]] = (client, client.events()), client.id
        if identity is not None:
            self.signers[step["at"]] = identity.amid

    async def room(self, step: Step) -> None:
        client, _ = self.rooms[step["at"]]
        assert (client.room, client.peers) == (step["name"], [self.ids[name] for name in step["peers"]])

    async def roster(self, step: Step) -> None:
        roster = await until(self.rooms[step["at"]][1], Roster, lambda it: bool(it.joined or it.left))
        assert roster.joined == [self.ids[name] for name in step["joined"]]
        assert roster.left == [self.ids[name] for name in step["left"]]

    async def signal(self, step: Step) -> None:
        to: str = step["to"]
        await self.rooms[step["at"]][0].send(self.ids.get(to, to), step["value"])

    async def signalled(self, step: Step) -> None:
        signal = await until(self.rooms[step["at"]][1], Signal)
        assert (signal.sender, signal.problem) == (self.ids[step["from"]], None)
        assert signal.value == step.get("value", signal.value)
        assert signal.signed_by == self.signers.get(step.get("signed_by", ""))

    async def leave(self, step: Step) -> None:
        await self.rooms[step["at"]][0].leave()

    # Agent WebSockets.

    async def serve(self, step: Step) -> None:
        service = AgentWebSocketService(answer, system_prompt=step["system_prompt"], tokens=step["tokens"])
        self.services[step["at"]] = await service.start()
        self.urls[step["at"]] = service.url

    async def dial(self, step: Step) -> None:
        client = await AgentWebSocketClient(self.urls[step["to"]], bearer=step.get("token")).connect()
        self.askers[step["at"]] = (client, client.events())

    async def ask(self, step: Step) -> None:
        client, _ = self.askers[step["at"]]
        if "pieces" in step:
            parts = [part async for part in await client.query_stream(step["text"])]
            assert [part.content for part in parts if isinstance(part, Delta)] == step["pieces"]
            assert isinstance(parts[-1], Answer)
            content = parts[-1].content
        else:
            try:
                content = (await client.query(step["text"])).content
            except AgentMeshError as error:
                assert step.get("says", "") in json.dumps(error.details)
                raise
        assert step["contains"] in content if "contains" in step else content == step["answer"]

    async def notify(self, step: Step) -> None:
        client, events = self.askers[step["to"]]
        assert client.session is not None and client.session.session_id is not None
        self.services[step["at"]].notify(client.session.session_id, step["text"])
        await until(events, Notification, lambda it: it.message.content == step["text"])

    async def hang_up(self, step: Step) -> None:
        await self.askers[step["at"]][0].close()

    async def stop(self, step: Step) -> None:
        await self.services[step["at"]].close()

    # User data.

    async def put_skill(self, step: Step) -> None:
        await self.data.put_skill(step["user"], step["name"], step["content"])

    async def skills(self, step: Step) -> None:
        assert await self.data.list_skills(step["user"]) == step["names"]

    async def skill(self, step: Step) -> None:
        skill = await self.data.skill(step["user"], step["name"])
        assert (skill.name, skill.content) == (step["name"], step["content"])

    async def delete_skill(self, step: Step) -> None:
        await self.data.delete_skill(step["user"], step["name"])

    async def save_conversation(self, step: Step) -> None:
        await self.data.save_conversation(step["user"], step["body"])

    async def conversation(self, step: Step) -> None:
        found = await self.data.conversation(step["user"], step["id"])
        assert (found.messages, found.body["more"]) == (step["messages"], step["more"])

    async def conversations(self, step: Step) -> None:
        assert [entry.id for entry in await self.data.list_conversations(step["user"])] == step["ids"]

    async def delete_conversation(self, step: Step) -> None:
        await self.data.delete_conversation(step["user"], step["id"])

    async def put_settings(self, step: Step) -> None:
        await self.data.put_settings(step["user"], step["values"])

    async def settings(self, step: Step) -> None:
        assert (await self.data.settings(step["user"])).values == step["values"]

    async def delete_settings(self, step: Step) -> None:
        await self.data.delete_settings(step["user"])

    async def open_channel(self, step: Step) -> None:
        hooks = HookPolicy.allow_tools(step["tools"])
        channel = await self.data.channel(step["at"], user=step["user"], hooks=hooks).connect()
        self.channels[step["at"]] = (channel, channel.events())

    async def say(self, step: Step) -> None:
        assert (await self.channels[step["at"]][0].ask(step["prompt"])).text == step["answer"]

    async def tool(self, step: Step) -> None:
        channel, events = self.channels[step["at"]]
        await channel.ask(f"/tool {step['tool']} {{}}")
        answered = await until(events, HookAnswered, lambda it: it.request.is_tool_use)
        assert (answered.request.tool_name, answered.answer.action.value) == (step["tool"], step["action"])

    async def history(self, step: Step) -> None:
        assert [said.text for said in await self.channels[step["at"]][0].history()] == step["texts"]

    async def save_channel(self, step: Step) -> None:
        await self.channels[step["at"]][0].save(step["user"], step["id"])

    async def clear(self, step: Step) -> None:
        await self.channels[step["at"]][0].clear()

    async def close_channel(self, step: Step) -> None:
        await self.channels[step["at"]][0].close()

    async def close(self) -> None:
        for room, _ in self.rooms.values():
            await room.shutdown()
        for asker, _ in self.askers.values():
            await asker.close()


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 3


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_scenario(path: Path) -> None:
    async with Server(user_data=True) as server:
        play = Play(server)
        for step in json.loads(path.read_text(encoding="utf-8"))["steps"]:
            code = None
            try:
                await play.step(step)
            except AgentMeshError as error:
                code = error.code
            assert code == step.get("error"), step
        await play.close()
