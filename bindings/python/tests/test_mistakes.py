"""What people get wrong, and what they are told."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agentmesh import (
    AgentMeshClient,
    ClosedError,
    ConflictError,
    ErrorCode,
    Failure,
    Identity,
    InvalidInputError,
    Key,
    KnockRequest,
    MemoryStorage,
    Message,
    ProtocolError,
    RateLimit,
    RemoteError,
    SQLiteStorage,
    Stage,
    Storage,
    StorageError,
    refresh_log_level,
)
from agentmesh.agent_ws import AgentWebSocketClient, AgentWebSocketService, Question
from agentmesh.testing import Server
from agentmesh.user_data import HookPolicy, UserDataClient
from conftest import Make


async def _echo(question: Question) -> str:
    return question.text


async def test_one_text_is_not_taken_for_the_list_of_its_letters(agentmesh_client: Make) -> None:
    with pytest.raises(TypeError, match="tokens: a list of str, not one str"):
        AgentWebSocketService(_echo, tokens="secret")
    with pytest.raises(TypeError, match="one of them is None"):
        AgentWebSocketService(_echo, tokens=[None])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="origins"):
        AgentWebSocketService(_echo, origins="https://app.example")
    with pytest.raises(TypeError, match="tools"):
        HookPolicy.allow_tools("Read")
    with pytest.raises(TypeError, match="tools"):
        HookPolicy(tools="Read")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="capabilities"):
        agentmesh_client(capabilities="weather")
    async with agentmesh_client() as client:
        with pytest.raises(TypeError, match="capabilities"):
            await client.set_capabilities("weather")
        with pytest.raises(TypeError, match="wanted"):
            await client.negotiate(client.amid, "weather")


def test_arguments_of_the_wrong_type_are_refused_where_they_are_given() -> None:
    def client(**given: Any) -> AgentMeshClient:
        return AgentMeshClient(given.pop("storage", MemoryStorage()), key=Key.random(), **given)

    wrong: list[dict[str, Any]] = [{"storage": MemoryStorage}, {"storage": None}, {"policy": "permissive"}, {"on_knock": 1}]
    for given in wrong:
        with pytest.raises(TypeError, match=r"a storage is|a policy is|is a function"):
            client(**given)
    made, nothing = client(), None
    for register in (made.on_message, made.on_request, made.on_event, made.on_knock):
        with pytest.raises(TypeError, match="is a function, not None"):
            register(nothing)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="is a function"):
        AgentWebSocketService(nothing)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="code of a failure"):
        Failure(404)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="MemoryStorage"):
        SQLiteStorage(":memory:")
    with pytest.raises(ValueError, match="drop"):
        Server(drop=5)
    users = UserDataClient("http://127.0.0.1:9", api_key="key")
    with pytest.raises(TypeError, match="skills are a dictionary"):
        users.channel("session", skills=["debugging.md"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="HookPolicy"):
        users.channel("session", hooks=["Read"])  # type: ignore[arg-type]


async def test_what_users_data_are_made_of_is_checked() -> None:
    async with Server(user_data=True) as server:
        users = UserDataClient(server.url, api_key="key")
        with pytest.raises(TypeError, match="settings are a dictionary, not str"):
            await users.put_settings("alice", "preferences", {"theme": "dark"})  # type: ignore[arg-type]
        async with users.channel("session", user="alice") as channel:
            with pytest.raises(TypeError, match="AgentOptions, not dict"):
                await channel.ask("hello", {"model": "m"})  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="AgentOptions, not dict"):
                await channel.start({"model": "m"})  # type: ignore[arg-type]
            assert "hello" in (await channel.ask("hello")).text


async def test_a_call_says_which_argument_is_wrong(agentmesh_client: Make) -> None:
    @dataclasses.dataclass
    class Weather:
        degrees: int = 1

    async with agentmesh_client() as alice, agentmesh_client() as bob:
        with pytest.raises(TypeError, match=r"Stage\.HANDLED, not str"):
            await alice.send(bob.amid, 1, wait="handled")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="Stage"):
            await alice.send(bob.amid, 1, wait=7)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="span of time.* not None"):
            await alice.send(bob.amid, 1, timeout=None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="span of time.* not str"):
            await alice.request(bob.amid, 1, timeout="5")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"a payload is .*Weather.*asdict"):
            await alice.send(bob.amid, Weather())  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"a payload is .*datetime"):
            await alice.send(bob.amid, {"at": datetime.datetime.now()})
        assert (await alice.send(bob.amid, 1, timeout=datetime.timedelta(seconds=30))).stage >= Stage.STORED


async def test_an_error_names_what_is_wrong_in_words_of_the_caller(agentmesh_client: Make) -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]

    async def open_with(**settings: Any) -> None:
        await agentmesh_client(storage=MemoryStorage(), **settings).open()

    async with agentmesh_client() as alice:
        other = Identity.generate().amid
        wrong: list[tuple[Callable[[], Awaitable[Any]], type[Exception], str]] = [
            (lambda: alice.send(other, deep), InvalidInputError, "the payload: JSON nested deeper than"),
            (lambda: alice.send("bob", 1), InvalidInputError, "the recipient is not an agent's address"),
            (lambda: alice.request("bob", 1), InvalidInputError, "the recipient is not an agent's address"),
            (lambda: alice.send(None, 1), TypeError, "address .* is str, not None"),  # type: ignore[arg-type]
            (lambda: alice.block("bob"), InvalidInputError, "not an agent's address"),
            (lambda: alice.send(other, 1, schema="x" * 300), InvalidInputError, "a header of the message: .*schema"),
            (
                lambda: alice.send(other, 1, knock=KnockRequest("x" * 300)),
                InvalidInputError,
                "what the KNOCK asks for: .*capability",
            ),
            (
                lambda: alice.send(other, 1, knock=KnockRequest(params=deep)),
                InvalidInputError,
                "what the KNOCK asks for: ",
            ),
            (lambda: alice.stream(other, 1, window_frames=-1), InvalidInputError, "a whole number from 0 on is expected, not -1"),
            (lambda: alice.resume_stream(other, alice.new_id(), -1), ValueError, "position is not negative"),
            (lambda: open_with(delivery_window=-1), InvalidInputError, "delivery_window: a whole number .*, not -1"),
            (lambda: open_with(display_name=3), InvalidInputError, "display_name: text is expected, not 3"),
            (
                lambda: open_with(rate_limit=RateLimit(-1, 2)),
                InvalidInputError,
                r"per_minute: a whole number from 0 on is expected, not -1",
            ),
            (lambda: open_with(relay_url="example.com"), InvalidInputError, "relay_url: .*begins with ws:// or wss://"),
            (lambda: open_with(registry_url=""), InvalidInputError, "begins with http:// or https://"),
        ]
        for call, kind, words in wrong:
            with pytest.raises(kind, match=words) as caught:
                await call()
            assert not re.search("column|usize|relative URL|not valid", str(caught.value)), caught.value
        with pytest.raises(InvalidInputError) as nested:
            await alice.send(other, deep)
        assert "nested deeper" in str(nested.value.__cause__), "what lies behind it"
        with pytest.raises(TypeError, match="capability of a KNOCK is str, not int"):
            KnockRequest(3)  # type: ignore[arg-type]


async def test_a_server_that_is_away_is_one_warning_and_not_one_a_try(
    agentmesh_client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = {"registry_url": "http://127.0.0.1:9/v1", "relay_url": "ws://127.0.0.1:9/v1/connect"}
    client = await agentmesh_client(**nowhere).open()
    with caplog.at_level(logging.DEBUG, "agentmesh"):
        refresh_log_level()
        connecting = asyncio.ensure_future(client.connect())

        def warned() -> list[str]:
            return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]

        # The core's log comes by a thread.
        while not warned():
            await asyncio.sleep(0.01)
        [line] = warned()
        for field in ("not registered yet", 'code="HTTP_CONNECT"', "127.0.0.1:9", "attempts=1", "retry_ms="):
            assert field in line
        await client.close()
        await asyncio.wait([connecting])
        assert isinstance(connecting.exception(), ClosedError)


async def test_a_response_that_cannot_be_sent_is_an_error_for_the_peer_who_waits(
    agentmesh_client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        calls: list[Any] = []

        @bob.on_request
        async def answer(message: Message) -> Any:
            calls.append(message.payload)
            return datetime.datetime.now() if message.payload == "now" else float("nan")

        serving = asyncio.create_task(bob.serve())
        for payload in ("now", "nan"):
            with pytest.raises(RemoteError) as caught:
                await alice.request(bob.amid, payload)
            assert caught.value.remote_code == "RESPONSE_INVALID"
        assert calls == ["now", "nan"]
        assert "cannot be sent" in caplog.text
        await bob.close()
        await serving


async def test_a_generator_that_is_not_asynchronous_streams_as_well(agentmesh_client: Make) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:
        closed: list[str] = []

        @bob.on_request
        def answer(message: Message) -> Iterator[str]:
            try:
                for word in message.payload:
                    if word == "?":
                        raise Failure("NO_WORD", "not a word", details={"word": word})
                    yield word
            finally:
                closed.append("yes")

        serving = asyncio.create_task(bob.serve())
        async with await alice.stream(bob.amid, ["a", "b"]) as answered:
            assert [chunk.text async for chunk in answered] == ["a", "b"]
        assert (await alice.request(bob.amid, ["c", "d"])).payload == "cd"
        with pytest.raises(RemoteError) as caught:
            await alice.request(bob.amid, ["e", "?"])
        assert (caught.value.remote_code, caught.value.remote_details) == ("NO_WORD", {"word": "?"})
        assert closed == ["yes"] * 3
        await bob.close()
        await serving


async def test_what_a_handler_returns_beside_its_own_answer_is_told(
    agentmesh_client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:

        responded = asyncio.Event()

        @bob.on_request
        async def answer(message: Message) -> str:
            await message.respond("by hand")
            responded.set()
            return "dropped"

        serving = asyncio.create_task(bob.serve())
        assert (await alice.request(bob.amid, 1)).payload == "by hand"
        await responded.wait()
        await bob.close()
        await serving
        assert "what it returned besides is not sent" in caplog.text


async def test_a_handler_that_fails_again_and_again_has_one_traceback(
    agentmesh_client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:

        @bob.on_message
        async def handle(message: Message) -> None:
            if message.attempt < 2:
                raise KeyError("a bug")

        serving = asyncio.create_task(bob.serve())
        await alice.send(bob.amid, 1, wait=Stage.HANDLED)
        await bob.close()
        await serving
        failures = [record for record in caplog.records if "comes again" in record.getMessage()]
        assert [record.exc_info is not None for record in failures] == [True, False]
        assert "2 times" in failures[1].getMessage() and "KeyError" in failures[1].getMessage()


async def test_a_stream_that_fails_is_told_to_its_reader_and_does_not_come_again(
    agentmesh_client: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:

        @bob.on_request
        async def answer(message: Message) -> AsyncIterator[str]:
            yield "begun"
            if message.payload == "meant":
                raise Failure("NO_MORE", "that was all")
            raise KeyError("a bug")

        serving = asyncio.create_task(bob.serve())
        for payload, code in (("meant", "NO_MORE"), ("bug", "STREAM_HANDLER_FAILED")):
            with pytest.raises(ProtocolError, match=code):
                async with await alice.stream(bob.amid, payload) as answered:
                    async for chunk in answered:
                        assert chunk.text == "begun"
        await bob.close()
        await serving
        [record] = [record for record in caplog.records if record.name == "agentmesh" and record.exc_info]
        assert "was finished before" in record.getMessage() and "comes again" not in caplog.text


async def test_a_client_is_served_once_at_a_time(agentmesh_client: Make, caplog: pytest.LogCaptureFixture) -> None:
    async with agentmesh_client() as alice, agentmesh_client() as bob:

        @bob.on_request
        async def answer(message: Message) -> Any:
            return message.payload

        serving = asyncio.create_task(bob.serve())
        assert (await alice.request(bob.amid, 1)).payload == 1
        with pytest.raises(ConflictError) as caught:
            await bob.serve()
        assert caught.value.code == ErrorCode.BINDING_BUSY
        assert (await alice.request(bob.amid, 2)).payload == 2
        # Another reader ends it, and that is told.
        reading = asyncio.ensure_future(bob.messages().__anext__())
        await serving
        assert "another reader" in caplog.text
        reading.cancel()
        await asyncio.wait([reading])
        caplog.clear()
        serving = asyncio.create_task(bob.serve())
        assert (await alice.request(bob.amid, 3)).payload == 3
        await bob.close()
        await serving
        assert "another reader" not in caplog.text


async def test_one_store_has_one_client(agentmesh_server: Server, tmp_path: Path) -> None:
    key = Key.random()

    def client(storage: Storage, key: Key) -> AgentMeshClient:
        return AgentMeshClient(storage, key=key, **agentmesh_server.urls)

    for shared in (MemoryStorage(), SQLiteStorage(tmp_path / "shared.db")):
        first, second = client(shared, key), client(shared, key)
        async with first:
            with pytest.raises(ConflictError) as caught:
                async with second:
                    pass
            assert caught.value.code == ErrorCode.STORAGE_LOCKED
            assert await first.sessions() == []
        with pytest.raises(ClosedError):
            await second.open()


async def test_a_client_that_could_not_be_opened_holds_no_lock(tmp_path: Path) -> None:
    path, key = tmp_path / "agent.db", Key.random()
    async with AgentMeshClient(SQLiteStorage(path), key=key, offline=True) as client:
        amid = client.amid
    failed: list[StorageError] = []
    try:
        async with AgentMeshClient(SQLiteStorage(path), key=Key.random(), offline=True):
            pass
    except StorageError as error:
        # The traceback holds the client and its store.
        failed.append(error)
    assert failed[0].code == ErrorCode.STATE_WRONG_STORE_KEY
    async with AgentMeshClient(SQLiteStorage(path), key=key, offline=True) as client:
        assert client.amid == amid

    never = AgentMeshClient(SQLiteStorage(path), key=key, offline=True)
    await never.close()
    storage = SQLiteStorage(path)
    with pytest.raises(StorageError):
        await AgentMeshClient(storage, key=Key.random(), offline=True).open()
    # Only opened, it leaves the store as it was given.
    async with AgentMeshClient(storage, key=key, offline=True) as client:
        assert client.amid == amid


async def test_what_was_closed_is_not_opened_again(agentmesh_client: Make, caplog: pytest.LogCaptureFixture) -> None:
    client = agentmesh_client()
    async with client:
        pass
    with pytest.raises(ClosedError, match="make another one") as caught:
        await client.open()
    assert caught.value.code == ErrorCode.AGENT_CLOSED
    async with AgentWebSocketService(_echo) as service:
        asking = AgentWebSocketClient(service.url)
        async with asking:
            assert (await asking.query("hello")).content == "hello"
        with pytest.raises(ClosedError) as caught:
            await asking.connect()
        assert caught.value.code == ErrorCode.AGENT_WS_CLOSED
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
