"""User data: skills, conversations, settings, sandboxes and the channel to an agent, with hooks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

import pytest
from agentmesh import ClosedError, ConflictError, ErrorCode, InvalidInputError, NetworkError, NotFoundError
from agentmesh.testing import Server
from agentmesh.user_data import (
    AgentOptions,
    ChannelClosed,
    ChannelConnected,
    ChannelDisconnected,
    ChannelEvent,
    ChannelMessage,
    ChannelResumed,
    Delta,
    HookAction,
    HookAnswer,
    HookAnswered,
    HookPolicy,
    HookRequest,
    NewSession,
    TurnEnd,
    TurnPart,
    UserDataClient,
)
from conftest import program
from line import Line

E = TypeVar("E")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(user_data=True) as server:
        yield server


@pytest.fixture
def client(server: Server) -> UserDataClient:
    return UserDataClient(server.url, api_key="any-key-will-do")


async def until(events: AsyncIterator[ChannelEvent], kind: type[E]) -> E:
    """The next event of a kind."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__} came")


async def test_skills_conversations_and_settings_are_kept(client: UserDataClient) -> None:
    assert (await client.put_skill("alice", "débug.md", "# Wörld")).startswith("users/alice/skills/")
    assert await client.list_skills("alice") == ["débug.md"]
    skill = await client.skill("alice", "débug.md")
    assert (skill.name, skill.content, skill.size) == ("débug.md", "# Wörld", 8)
    await client.delete_skill("alice", "débug.md")
    assert await client.list_skills("alice") == []
    with pytest.raises(NotFoundError) as caught:
        await client.skill("alice", "débug.md")
    assert caught.value.code == ErrorCode.USER_DATA_NOT_FOUND

    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}]
    await client.save_conversation("alice", "c1", messages, metadata={"startedAt": "now"})
    await client.save_conversation("alice", {"conversationId": "c2", "more": {"a": [1.5, None]}})
    saved = await client.conversation("alice", "c1")
    assert saved.messages == messages and saved.body["metadata"] == {"startedAt": "now"}
    assert (await client.conversation("alice", "c2")).body["more"] == {"a": [1.5, None]}
    assert [entry.id for entry in await client.list_conversations("alice")] == ["c1", "c2"]
    await client.delete_conversation("alice", "c1")
    assert len(await client.list_conversations("alice")) == 1

    await client.put_settings("alice", {"theme": "dark"})
    assert (await client.settings("alice")).values == {"theme": "dark"}
    await client.delete_settings("alice")
    with pytest.raises(NotFoundError):
        await client.settings("alice")
    assert (await client.health()).status in ("healthy", "ok")


async def test_what_no_server_takes_is_not_sent(client: UserDataClient) -> None:
    for call in (client.put_skill("alice", "../x", "y"), client.skill("", "x"), client.setup("a/b")):
        with pytest.raises(InvalidInputError) as caught:
            await call
        assert caught.value.code == ErrorCode.USER_DATA_INVALID_NAME
    with pytest.raises(InvalidInputError) as empty:
        await client.put_skill("alice", "x", "")
    assert empty.value.code == ErrorCode.USER_DATA_INVALID
    with pytest.raises(InvalidInputError) as nameless:
        await client.save_conversation("alice", {"messages": []})
    assert nameless.value.code == ErrorCode.BINDING_ARGUMENT
    with pytest.raises(TypeError):
        await client.save_conversation("alice", {"conversationId": "c"}, [])
    with pytest.raises(InvalidInputError) as insecure:
        UserDataClient("http://example.com", api_key="k")
    assert insecure.value.code == ErrorCode.USER_DATA_CONFIG
    away = UserDataClient("http://127.0.0.1:1", retry_pauses=[])
    with pytest.raises(NetworkError) as unreachable:
        await away.health()
    assert unreachable.value.code == ErrorCode.USER_DATA_UNREACHABLE
    assert "any-key" not in repr(client)


async def test_it_is_the_same_data_as_the_command_lines(server: Server, client: UserDataClient) -> None:
    await client.put_skill("alice", "from-python.md", "# Python")
    command = [program("AGENTMESH_TEST_CLI"), "--json", "skills", "list", "--url", server.url, "--user", "alice"]
    environment = {"AGENTMESH_API_KEY": "any-key-will-do"}
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, env=environment
    )
    assert json.loads(done.stdout)["skill"] == "from-python.md", done.stderr


async def test_a_conversation_with_an_agent_is_read_as_it_comes_and_saved(client: UserDataClient) -> None:
    async with client.channel("session-1", user="alice", skills={"debugging.md": "# Debugging"}) as channel:
        events = channel.events()
        await until(events, ChannelConnected)
        assert channel.is_connected
        setup = channel.setup
        assert setup is not None and setup.user_id == "alice" and len(setup.skills_loaded) == 1
        assert setup.session_token is None or setup.session_token not in repr(setup)

        parts = [part async for part in await channel.send("hello wörld", AgentOptions(max_turns=5))]
        assert isinstance(parts[-1], TurnEnd) and parts[-1].text == "hello wörld"
        assert any(isinstance(part, Delta) for part in parts)
        said = [part for part in parts if isinstance(part, ChannelMessage) and part.role == "assistant"]
        assert said[-1].text == "hello wörld" and "wörld" not in repr(parts)

        assert (await channel.ask("again")).text == "again"
        assert [message.text for message in await channel.history()][-2:] == ["again", "again"]
        assert isinstance(await channel.diagnostics(), dict)
        await channel.save("alice", "conv-1")
        assert len((await client.conversation("alice", "conv-1")).messages) == 4
        await channel.clear()
        assert await channel.history() == []
    assert isinstance((await until(events, ChannelClosed)).error, ClosedError)
    with pytest.raises(ClosedError):
        await channel.send("late")
    await client.destroy_sandbox("session-1")


async def test_an_empty_prompt_is_the_turns_error_and_one_turn_runs_at_a_time(client: UserDataClient) -> None:
    async with client.channel("session-2") as channel:
        with pytest.raises(InvalidInputError) as caught:
            await channel.ask("")
        assert caught.value.code == ErrorCode.USER_DATA_INVALID

        deciding: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def wait(request: HookRequest) -> bool:
        return await deciding

    async with client.channel("session-3", hooks=HookPolicy.ask(wait)) as channel:
        turn = await channel.send("/tool Bash {}")
        with pytest.raises(ConflictError) as running:
            await channel.ask("two")
        assert running.value.code == ErrorCode.USER_DATA_TURN_RUNNING
        await channel.interrupt("enough")
        with pytest.raises(ConflictError) as interrupted:
            await turn.end()
        assert interrupted.value.code == ErrorCode.USER_DATA_INTERRUPTED
        deciding.cancel()


async def test_hooks_are_answered_by_a_policy_and_by_handlers_sync_and_async(client: UserDataClient) -> None:
    asked: list[str | None] = []

    async def approve(request: HookRequest) -> HookAnswer | None:
        asked.append(request.tool_name)
        assert request.event != "PreToolUse" or request.is_tool_use
        return HookAnswer.approve() if request.tool_name == "Read" else None

    def deny(request: HookRequest) -> bool:
        return False

    def fail(request: HookRequest) -> bool:
        raise RuntimeError("as a bug would")

    for number, (hooks, tool, action) in enumerate(
        [
            (HookPolicy(), "Read", HookAction.DENY),
            (HookPolicy.allow_tools(["Read"]), "Read", HookAction.CONTINUE),
            (HookPolicy.allow_tools(["Read"]), "Bash", HookAction.DENY),
            (HookPolicy.allow_all_tools(), "Bash", HookAction.CONTINUE),
            (HookPolicy.ask(approve), "Read", HookAction.APPROVE),
            (HookPolicy.ask(approve), "Bash", HookAction.DENY),
            (HookPolicy.allow_all_tools(ask=deny), "Read", HookAction.DENY),
            (HookPolicy.allow_tools(["Read"], ask=fail), "Read", HookAction.CONTINUE),
        ]
    ):
        async with client.channel(f"hooks-{number}", hooks=hooks) as channel:
            events = channel.events()
            await channel.ask(f"/tool {tool} {{}}")
            answered = await until(events, HookAnswered)
            while not answered.request.is_tool_use:
                answered = await until(events, HookAnswered)
            assert (answered.request.tool_name, answered.answer.action) == (tool, action), number
            assert not answered.too_late
    assert "Read" in asked and "Bash" in asked


async def test_a_channel_comes_back_after_a_lost_connection(server: Server) -> None:
    async with Line(server.url) as line:
        users = UserDataClient(line.url, api_key="any-key-will-do")
        async with users.channel("session-5", user="alice") as channel:
            events = channel.events()
            await until(events, ChannelConnected)
            assert (await channel.ask("before")).text == "before"
            line.cut()
            await until(events, ChannelDisconnected)
            line.mend()
            async for event in events:
                if isinstance(event, (ChannelResumed, NewSession)):
                    break
            assert (await channel.ask("after")).text == "after"
            said = [message.text for message in await channel.history()]
            assert said == (["before"] * 2 if isinstance(event, ChannelResumed) else []) + ["after"] * 2


async def test_requests_outlive_a_moment_without_a_server(server: Server) -> None:
    async with Line(server.url) as line:
        users = UserDataClient(line.url, api_key="any-key-will-do", retry_pauses=[0.05] * 100)
        await users.put_skill("alice", "a.md", "# A")
        line.cut()
        listing = asyncio.ensure_future(users.list_skills("alice"))
        await asyncio.sleep(0.1)
        line.mend()
        assert await listing == ["a.md"]


async def test_a_cancelled_read_of_a_turn_loses_nothing(client: UserDataClient) -> None:
    async with client.channel("session-4") as channel:
        turn = await channel.send("all of it")
        read: list[TurnPart] = []
        for _ in range(20):
            reading = asyncio.ensure_future(turn.__anext__())
            await asyncio.sleep(0)
            reading.cancel()
            # What was there at once is read, not cancelled.
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                read.append(await reading)
        read += [part async for part in turn]
        end = read[-1]
        assert isinstance(end, TurnEnd) and end.text == "all of it"
        assert [part for part in read if isinstance(part, ChannelMessage)], "the answer before its end"
        with pytest.raises(RuntimeError):
            await turn.end()
