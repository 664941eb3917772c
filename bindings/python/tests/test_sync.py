"""The API without asyncio."""

from __future__ import annotations

import threading

import pytest
from agentmesh import ClosedError, Key, MemoryStorage, Policy, RemoteError, Stage, sync
from agentmesh.agent_ws import Answer, Connected, Delta, Question
from agentmesh.aiwm import AgentStatus, AiwmState, Controller
from agentmesh.signaling import Roster, Signal
from agentmesh.testing import Server
from agentmesh.user_data import ChannelConnected, TurnEnd
from conftest import administer


def client(server: Server) -> sync.AgentMeshClient:
    return sync.AgentMeshClient(
        MemoryStorage(), key=Key.random(), policy=Policy.permissive(), **server.urls
    )


def test_two_clients_in_a_script(agentmesh_server: Server) -> None:
    with client(agentmesh_server) as alice, client(agentmesh_server) as bob:

        def answer() -> None:
            for message in bob.messages():
                with message:
                    if message.kind == "request" and message.payload == "stop":
                        message.fail("STOPPED", "as asked")
                        return
                    if message.kind == "request":
                        message.respond({"echo": message.payload})

        thread = threading.Thread(target=answer)
        thread.start()
        assert alice.request(bob.amid, "hi").payload == {"echo": "hi"}
        assert alice.send(bob.amid, "note", wait=Stage.HANDLED).stage is Stage.HANDLED
        assert alice.stream(bob.amid, "token").read() == '{"echo":"token"}'
        with pytest.raises(RemoteError):
            alice.request(bob.amid, "stop")
        thread.join()
        assert alice.run(lambda c: c.circuit_state()).blocked == {}
        assert [s.peer for s in alice.sessions()] == [bob.amid]
        assert alice.lookup(bob.amid).amid == bob.amid
        assert list(alice.messages(timeout=0.05)) == []
        amid = bob.amid
    alice.close()
    with pytest.raises(ClosedError):
        alice.send(amid, "x")


def test_streams_are_given_and_left_in_a_script(agentmesh_server: Server) -> None:
    with client(agentmesh_server) as alice, client(agentmesh_server) as bob:
        left: list[bool] = []

        def answer() -> None:
            for n, message in enumerate(bob.messages()):
                if n == 2:
                    message.ack()
                    return
                try:
                    with message.stream() as answer:
                        answer.set_metadata({"model": "count"})
                        while answer.position < 3 or n == 1:
                            answer.send(str(answer.position))
                except Exception as error:
                    left.append(getattr(error, "code", None) == "STREAM_CANCELLED")

        thread = threading.Thread(target=answer)
        thread.start()
        assert [chunk.text for chunk in alice.stream(bob.amid, "count")] == ["0", "1", "2"]
        with alice.stream(bob.amid, "for ever") as endless:
            assert next(endless).text == "0"
        alice.send(bob.amid, "that was all", wait=Stage.HANDLED)
        thread.join()
        assert left == [True]


def test_signaling_in_a_script(agentmesh_server: Server) -> None:
    with sync.SignalingClient(agentmesh_server.url, "r") as first:
        events = first.events(timeout=30)
        with sync.SignalingClient(agentmesh_server.url, "r") as second:
            assert first.id is not None and second.room == "R" and second.is_online
            second.send(first.id, {"hello": 1})
            signal = next(event for event in events if isinstance(event, Signal))
            assert (signal.sender, signal.value) == (second.id, {"hello": 1})
            assert first.peers == [second.id] and first.credentials is not None
            left = second.id
        assert next(e for e in events if isinstance(e, Roster) and e.left).left == [left]
        assert list(first.events(timeout=0.05)) == []
    first.leave()


def test_agent_web_sockets_in_a_script() -> None:
    def answer(question: Question) -> str:
        return f"{len(question.text)}"

    with sync.AgentWebSocketService(answer) as service, sync.AgentWebSocketClient(service.url) as agent:
        assert isinstance(next(agent.events()), Connected)
        assert agent.query("four").content == "4"
        parts = list(agent.query_stream("seven77"))
        assert isinstance(parts[-1], Answer) and all(isinstance(part, Delta) for part in parts[:-1])
        assert agent.query_stream("x").answer().content == "1"
        assert agent.session is not None and service.stats.answers == 3
        agent.human_feedback("good")
    agent.close()
    service.close()


def test_an_agent_under_a_controller_in_a_script() -> None:
    with Server(aiwm=True) as server:
        id = administer(server, "POST", "/agents", {"name": "a", "description": "d", "status": "active"})["_id"]
        secret = administer(server, "POST", f"/agents/{id}/credentials/regenerate", {})["secret"]
        controller = Controller(server.url, id, secret)
        with sync.AiwmClient(controller) as client:
            connection = client.connect()
            client.heartbeat(connection, AgentStatus.IDLE)
            client.disconnect(connection)
        with sync.AiwmSupervisor(controller, metrics={"n": 1}) as supervisor:
            assert (supervisor.state, supervisor.metrics) == (AiwmState.ONLINE, {"n": 1})
            supervisor.status, supervisor.metrics = AgentStatus.BUSY, {"n": 2}
            assert (supervisor.status, supervisor.metrics) == (AgentStatus.BUSY, {"n": 2})
            assert supervisor.config.name and supervisor.health.status == "ok"
            assert supervisor.respond("/metrics").status == 200
            assert supervisor.counters["aiwm_connection_success_total"] == 1
            assert list(supervisor.events(timeout=0.05)) == []
        supervisor.shutdown()


def test_user_data_in_a_script() -> None:
    with Server(user_data=True) as server, sync.UserDataClient(server.url, api_key="k") as users:
        users.put_skill("alice", "a.md", "# A")
        assert users.list_skills("alice") == ["a.md"] and users.skill("alice", "a.md").content == "# A"
        users.put_settings("alice", {"theme": "dark"})
        assert users.settings("alice").values == {"theme": "dark"}
        with users.channel("session", user="alice") as channel:
            assert isinstance(next(channel.events()), ChannelConnected) and channel.is_connected
            parts = list(channel.send("hello"))
            assert isinstance(parts[-1], TurnEnd) and parts[-1].text == "hello"
            assert channel.send("again").end().text == channel.ask("again").text == "again"
            channel.save("alice", "c")
            assert len(channel.history()) == 6
            channel.clear()
        assert [entry.id for entry in users.list_conversations("alice")] == ["c"]
        assert len(users.conversation("alice", "c").messages) == 6
        users.save_conversation("alice", "d", [])
        for id in ("c", "d"):
            users.delete_conversation("alice", id)
        users.delete_skill("alice", "a.md")
        users.delete_settings("alice")
        users.destroy_sandbox("session")
        assert users.health().status in ("healthy", "ok")
