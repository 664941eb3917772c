"""Agent WebSockets: both sides in Python, and with the reference server and the command line."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

import pytest
from agentmesh import (
    AuthenticationError,
    ClosedError,
    ConflictError,
    DeadlineError,
    ErrorCode,
    Failure,
    InvalidInputError,
    NetworkError,
    NotFoundError,
)
from agentmesh.agent_ws import (
    AgentWebSocketClient,
    AgentWebSocketEvent,
    AgentWebSocketService,
    Answer,
    Closed,
    Connected,
    Delta,
    Disconnected,
    NewSession,
    Notification,
    Question,
)
from agentmesh.testing import Server
from conftest import program
from line import Line

E = TypeVar("E")


async def until(events: AsyncIterator[AgentWebSocketEvent], kind: type[E]) -> E:
    """The next event of a kind."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__} came")


async def count(question: Question) -> str:
    return str(len(question.text.split()))


async def test_the_echo_of_the_reference_server_answers(agentmesh_server: Server) -> None:
    async with AgentWebSocketClient(agentmesh_server.agent_websocket_url) as client:
        session = client.session
        assert session is not None and session.correlates
        answer = await client.query("wörld")
        assert "wörld" in answer.content and "wörld" not in repr(answer)
        assert answer.kind == "response" and answer.timestamp.tzinfo is not None
        events = client.events()
        assert (await until(events, Connected)).session.session_id == session.session_id
    assert isinstance((await until(events, Closed)).error, ClosedError)
    with pytest.raises(ClosedError) as caught:
        await client.query("late")
    assert caught.value.code == ErrorCode.AGENT_WS_CLOSED


async def test_an_agent_in_python_answers_with_the_conversation() -> None:
    async def answer(question: Question) -> str:
        return "/".join(f"{said.role}:{said.content}" for said in question.messages)

    async with (
        AgentWebSocketService(answer, system_prompt="Be brief.", agent_name="brief") as service,
        AgentWebSocketClient(service.url) as client,
    ):
        assert client.session is not None and client.session.session_id is not None
        assert (await client.query("one")).content == "system:Be brief./user:one"
        two = (await client.query("two")).content
        assert two.endswith("/assistant:system:Be brief./user:one/user:two")
        stats = service.stats
        assert (stats.sessions, stats.answers, stats.errors) == (1, 2, 0)
        events = client.events()
        assert client.session.session_id in (await until(events, Notification)).message.content, "the welcome"
        service.notify(client.session.session_id, "hear, hear")
        assert (await until(events, Notification)).message.content == "hear, hear"
        with pytest.raises(NotFoundError) as caught:
            service.notify("no-such-session", "x")
        assert caught.value.code == ErrorCode.BINDING_NO_SESSION


async def test_what_is_yielded_is_shown_as_it_comes() -> None:
    shown = asyncio.Event()

    async def stream(question: Question) -> AsyncIterator[str]:
        yield "one "
        if question.wants_deltas:
            await asyncio.wait_for(shown.wait(), 30)
        yield "two"

    def pieces(question: Question) -> Iterator[str]:
        assert threading.current_thread() is not threading.main_thread()
        yield from ("a", "b")

    async with AgentWebSocketService(stream) as service, AgentWebSocketClient(service.url) as client:
        seen = []
        async for part in await client.query_stream("go"):
            seen.append(part)
            shown.set()
        assert [part.content for part in seen[:-1] if isinstance(part, Delta)] == ["one ", "two"]
        assert isinstance(seen[-1], Answer) and seen[-1].content == "one two"
        assert (await client.query("whole")).content == "one two"
        assert (await (await client.query_stream("end")).answer()).content == "one two"
    async with AgentWebSocketService(pieces) as service, AgentWebSocketClient(service.url) as client:
        assert (await client.query("sync")).content == "ab"


async def test_failures_are_told_and_bugs_are_not_shown() -> None:
    async def fail(question: Question) -> str:
        if question.text == "busy":
            raise Failure("BUSY", "come back later")
        if question.text == "number":
            return 5  # type: ignore[return-value]
        raise RuntimeError("secret detail")

    async with AgentWebSocketService(fail) as service, AgentWebSocketClient(service.url) as client:
        for text, words in (("busy", "come back later"), ("bug", "failed"), ("number", "failed")):
            with pytest.raises(NetworkError) as caught:
                await client.query(text)
            assert caught.value.code == ErrorCode.AGENT_WS_AGENT
            assert words in caught.value.details["message"]
            assert "secret" not in str(caught.value)


async def test_a_handler_is_cancelled_when_nobody_waits_any_more() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(question: Question) -> str:
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        return ""

    async def cancels(client: AgentWebSocketClient) -> None:
        await client.command("cancel")

    async def leaves(client: AgentWebSocketClient) -> None:
        await client.close()

    for ending in (cancels, leaves):
        async with AgentWebSocketService(slow) as service, AgentWebSocketClient(service.url) as client:
            asking = asyncio.ensure_future(client.query("forever"))
            await asyncio.wait_for(began.wait(), 30)
            await ending(client)
            await asyncio.wait_for(ended.wait(), 30)
            with pytest.raises((NetworkError, ClosedError)):
                await asking
        began.clear()
        ended.clear()
    async with AgentWebSocketService(slow, answer_timeout=0.2) as service:
        async with AgentWebSocketClient(service.url) as client:
            with pytest.raises(NetworkError):
                await client.query("too long")
            await asyncio.wait_for(ended.wait(), 30)


async def test_closing_the_service_ends_handlers_and_sessions() -> None:
    began = asyncio.Event()

    async def slow(question: Question) -> str:
        began.set()
        await asyncio.sleep(3600)
        return ""

    service = await AgentWebSocketService(slow).start()
    async with AgentWebSocketClient(service.url) as client:
        asking = asyncio.ensure_future(client.query("x"))
        await asyncio.wait_for(began.wait(), 30)
        await service.close()
        with pytest.raises(NetworkError):
            await asking
        await until(client.events(), Disconnected)
        await service.close()
    with pytest.raises(NetworkError) as caught:
        await AgentWebSocketClient(service.url).connect()
    assert caught.value.code == ErrorCode.AGENT_WS_CONNECT


async def test_tokens_paths_and_ports_are_kept() -> None:
    async with AgentWebSocketService(count, tokens=["open sesame"], path="/agent") as service:
        assert service.url.endswith("/agent")
        with pytest.raises(AuthenticationError) as caught:
            await AgentWebSocketClient(service.url).connect()
        assert caught.value.code == ErrorCode.AGENT_WS_REFUSED
        async with AgentWebSocketClient(service.url, bearer="open sesame") as client:
            assert (await client.query("a b c")).content == "3"
        with pytest.raises(AuthenticationError):
            await AgentWebSocketClient(service.url + "/elsewhere", bearer="open sesame").connect()
        port = int(service.url.split(":")[2].split("/")[0])
        with pytest.raises(InvalidInputError) as taken:
            await AgentWebSocketService(count, port=port).start()
        assert taken.value.code == ErrorCode.BINDING_SERVER
    with pytest.raises(InvalidInputError) as bad:
        await AgentWebSocketService(count, path="agent").start()
    assert bad.value.code == ErrorCode.BINDING_ARGUMENT
    with pytest.raises(RuntimeError, match="not running"):
        _ = AgentWebSocketService(count).url


async def test_what_cannot_be_asked_is_refused_at_once() -> None:
    async with AgentWebSocketService(count, rate=(100, 0)) as service:
        async with AgentWebSocketClient(service.url) as client:
            for text, code in ((" ", "AGENT_WS_EMPTY"), ("x" * 70_000, "AGENT_WS_TOO_LONG")):
                with pytest.raises(InvalidInputError) as caught:
                    await client.query(text)
                assert caught.value.code == code
            answers = await asyncio.gather(*(client.query("x " * n) for n in range(1, 17)))
            assert [answer.content for answer in answers] == [str(n) for n in range(1, 17)]
            await client.human_feedback("good", {"stars": 5})
    with pytest.raises(InvalidInputError):
        await AgentWebSocketClient("http://127.0.0.1").connect()


async def test_a_deadline_is_an_error_of_its_own() -> None:
    async def slow(question: Question) -> str:
        await asyncio.sleep(3600)
        return ""

    async with AgentWebSocketService(slow) as service, AgentWebSocketClient(service.url) as client:
        with pytest.raises(DeadlineError) as caught:
            await client.query("x", timeout=0.1)
        assert caught.value.code == ErrorCode.AGENT_WS_TIMEOUT


async def test_a_lost_connection_is_told_and_comes_back_as_a_new_session() -> None:
    began = asyncio.Event()

    async def slow(question: Question) -> str:
        if question.text == "slow":
            began.set()
            await asyncio.Event().wait()
        return question.text

    async with AgentWebSocketService(slow) as service, Line(service.url) as line:
        async with AgentWebSocketClient(line.url, reconnect_pause=0.05) as client:
            events = client.events()
            begun = await until(events, Connected)
            asking = asyncio.ensure_future(client.query("slow"))
            await began.wait()
            line.cut()
            # Nobody knows whether the agent worked on it.
            with pytest.raises(NetworkError) as caught:
                await asking
            assert caught.value.code == ErrorCode.AGENT_WS_CONNECTION_LOST
            lost = await until(events, Disconnected)
            assert lost.retry_in >= 0 and lost.error.kind == "network"
            line.mend()
            again = await until(events, NewSession)
            assert again.session.session_id != begun.session.session_id
            assert (await client.query("quick")).content == "quick"


async def test_the_command_line_talks_to_an_agent_in_python() -> None:
    async with AgentWebSocketService(count) as service:
        process = await asyncio.create_subprocess_exec(
            program("AGENTMESH_TEST_CLI"), "chat", service.url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await asyncio.wait_for(process.communicate(b"how many words are these\n"), 60)
        assert (process.returncode, out.strip()) == (0, b"5")


async def test_a_service_that_is_dropped_stops() -> None:
    service = await AgentWebSocketService(count).start()
    url = service.url
    del service
    with pytest.raises((NetworkError, ConflictError)):
        for _ in range(200):
            async with AgentWebSocketClient(url):
                await asyncio.sleep(0.01)
