"""Signaling: rooms, events, signals, negotiation; with the server in the process and with the command line."""

from __future__ import annotations

import asyncio
import doctest
import json
from collections.abc import AsyncIterator
from typing import TypeVar

import pytest
from agentmesh import ClosedError, ErrorCode, Identity, InvalidInputError, NetworkError, NotFoundError
from agentmesh import _negotiator as negotiator
from agentmesh.signaling import (
    AddCandidate,
    Closed,
    CreateAnswer,
    CreateChannel,
    CreateOffer,
    Disconnected,
    IdentityChanged,
    Joined,
    Negotiator,
    Resumed,
    Roster,
    Send,
    SessionCredentials,
    SetRemote,
    Signal,
    SignalingClient,
    SignalingEvent,
    Superseded,
)
from agentmesh.testing import Server
from conftest import program

E = TypeVar("E")


async def until(events: AsyncIterator[SignalingEvent], kind: type[E]) -> E:
    """The next event of a kind."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__} came")


async def test_two_clients_meet_and_pass_signals(agentmesh_server: Server) -> None:
    async with SignalingClient(agentmesh_server.url, " agents ") as first:
        events = first.events()
        joined = await until(events, Joined)
        assert (joined.id, joined.ice_servers) == (first.id, [])
        assert first.room == "AGENTS" and first.is_online
        assert (await until(events, Roster)).first
        async with SignalingClient(agentmesh_server.url, "agents") as second:
            other = second.id
            assert other is not None and first.id is not None
            roster = await until(events, Roster)
            assert (roster.joined, roster.first) == ([other], False)
            theirs = second.events()
            assert (await until(theirs, Roster)).joined == [first.id]
            await second.send(first.id, {"type": "agent-ping", "text": "wörld"})
            signal = await until(events, Signal)
            assert (signal.sender, signal.value["text"]) == (other, "wörld")
            assert signal.signed_by is None and "wörld" not in repr(signal)
            assert first.peers == [other]
        assert (await until(events, Roster)).left == [other]
    assert isinstance((await until(events, Closed)).error, ClosedError)
    with pytest.raises(StopAsyncIteration):
        await events.__anext__()
    with pytest.raises(ClosedError) as caught:
        await first.send("x", 1)
    assert caught.value.code == ErrorCode.SIGNALING_CLOSED
    await first.leave()


async def test_descriptions_are_signed_by_an_identity(agentmesh_server: Server) -> None:
    identity = Identity.generate()
    async with (
        SignalingClient(agentmesh_server.url, "r") as first,
        SignalingClient(agentmesh_server.url, "r", sign_with=identity) as second,
    ):
        assert first.id is not None
        events = first.events()
        sdp = "v=0\r\na=fingerprint:sha-256 AA:BB\r\n"
        await second.send(first.id, {"sdp": {"type": "offer", "sdp": sdp}})
        signal = await until(events, Signal)
        assert (signal.signed_by, signal.problem) == (identity.amid, None)
        forged = {**signal.value, "sdp": {"type": "offer", "sdp": sdp.replace("AA", "CC")}}
        await second.send(first.id, {"forged": forged})
        other = await until(events, Signal)
        assert other.signed_by is None


async def test_another_client_goes_on_with_the_credentials(agentmesh_server: Server) -> None:
    async with SignalingClient(agentmesh_server.url, "r") as first:
        credentials = first.credentials
        assert credentials is not None and credentials.token not in repr(credentials)
        events = first.events()
        async with SignalingClient(agentmesh_server.url, "r", resume=credentials) as second:
            assert second.id == credentials.id
            assert (await until(second.events(), Resumed)).id == credentials.id
            await until(events, Superseded)
            assert (await until(events, Closed)).error.code == ErrorCode.SIGNALING_SUPERSEDED
    unknown = SessionCredentials("00000000-0000-4000-8000-000000000000", "no-such-token")
    async with SignalingClient(agentmesh_server.url, "r", resume=unknown) as third:
        changed = await until(third.events(), IdentityChanged)
        assert (changed.old, changed.new) == (unknown.id, third.id)


async def test_what_cannot_work_is_told(agentmesh_server: Server) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await SignalingClient("ftp://x", "r").join()
    assert caught.value.code == ErrorCode.SIGNALING_CONFIG
    with pytest.raises(InvalidInputError):
        await SignalingClient(agentmesh_server.url, "").join()
    with pytest.raises(RuntimeError, match="not joined"):
        SignalingClient(agentmesh_server.url, "r").events()
    with pytest.raises(NetworkError) as away:
        await SignalingClient("http://127.0.0.1:1", "r").join()
    assert away.value.code == ErrorCode.SIGNALING_CONNECT and away.value.retryable
    async with SignalingClient(agentmesh_server.url, "r") as client:
        with pytest.raises(NotFoundError) as gone:
            await client.send("nobody", {"a": 1})
        assert gone.value.code == ErrorCode.SIGNALING_PEER_GONE
        assert gone.value.details == {"peer": "nobody"}
        for signal in (None, "x" * 70_000):
            with pytest.raises(InvalidInputError) as bad:
                await client.send("nobody", signal)
            assert bad.value.code == ErrorCode.SIGNALING_INVALID_SIGNAL


async def test_without_waiting_it_tries_on_and_cancelling_loses_no_event() -> None:
    async with SignalingClient("http://127.0.0.1:1", "r", wait=False, attempts=2) as client:
        events = client.events()
        reading = asyncio.ensure_future(events.__anext__())
        await asyncio.sleep(0)
        reading.cancel()
        try:
            lost = await reading  # It was there at once: read, not cancelled.
        except asyncio.CancelledError:
            lost = await until(events, Disconnected)
        assert isinstance(lost, Disconnected)
        assert lost.error.code == ErrorCode.SIGNALING_CONNECT and lost.retry_in >= 0
        assert (client.id, client.is_online) == (None, False)
        assert (await until(events, Closed)).error.code == ErrorCode.SIGNALING_CONNECT
        await client.shutdown()


async def test_it_is_the_same_room_as_the_command_lines(agentmesh_server: Server) -> None:
    async with SignalingClient(agentmesh_server.url, "mixed") as client:
        events = client.events()
        process = await asyncio.create_subprocess_exec(
            program("AGENTMESH_TEST_CLI"), "--json", "signal", "join", "mixed", "--server", agentmesh_server.url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        roster = await until(events, Roster)
        while not roster.joined:
            roster = await until(events, Roster)
        [rust] = roster.joined
        await client.send(rust, {"from": "Python"})
        while True:
            event = json.loads(await process.stdout.readline())
            if event["event"] == "signal":
                assert (event["sender"], event["signal"]) == (client.id, {"from": "Python"})
                break
        line = json.dumps({"to": client.id, "signal": {"from": "Rust"}})
        process.stdin.write(line.encode() + b"\n")
        await process.stdin.drain()
        signal = await until(events, Signal)
        assert (signal.sender, signal.value) == (rust, {"from": "Rust"})
        process.terminate()
        await process.wait()


def test_two_negotiators_agree() -> None:
    offerer = Negotiator("b", "a", offers=True, mode="lan")
    answerer = Negotiator("a", "b", offers=False)
    assert offerer.actions() == [CreateChannel("agent"), CreateOffer(ice_restart=False)]
    offerer.created("offer", "v=0\r\na=ice-ufrag:one\r\n")
    offerer.gathered("candidate:1", sdp_mid="0", sdp_m_line_index=0, username_fragment="one")
    sent = [action for action in offerer.actions() if isinstance(action, Send)]
    # A candidate that overtakes its description waits for it.
    for action in reversed(sent):
        assert answerer.received(action.signal)
    described, create, candidate = answerer.actions()
    assert described == SetRemote("offer", "v=0\r\na=ice-ufrag:one\r\n")
    assert {type(create), type(candidate)} == {CreateAnswer, AddCandidate}
    answerer.created("answer", "v=0\r\na=ice-ufrag:two\r\n")
    [answer] = answerer.actions()
    assert isinstance(answer, Send) and isinstance(answer.signal, dict)
    assert answer.signal["connectionMode"] == "lan", "answers echo the mode"
    assert offerer.received(answer.signal)
    assert [type(action) for action in offerer.actions()] == [SetRemote]
    for one in (offerer, answerer):
        one.ice("connected")
        one.tick()
        assert one.actions() == [] and not one.is_closed
    assert answerer.is_polite and not offerer.is_polite
    assert not offerer.received({"type": "agent-ping"})
    with pytest.raises(InvalidInputError) as caught:
        offerer.ice("warm")
    assert caught.value.code == ErrorCode.BINDING_ARGUMENT


def test_a_negotiator_says_when_it_wants_to_be_asked_again() -> None:
    waiting = Negotiator("a", "b", offers=False)
    wake = waiting.next_wake()
    assert wake is not None and 0 < wake <= 31
    waiting.back()
    waiting.negotiation_needed()
    assert any(isinstance(action, CreateOffer) for action in waiting.actions())
    waiting.left()
    assert waiting.next_wake() is not None


def test_the_examples_in_docstrings_run() -> None:
    assert doctest.testmod(negotiator).failed == 0
