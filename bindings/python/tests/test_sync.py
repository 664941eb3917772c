"""The API without asyncio."""

from __future__ import annotations

import threading

import pytest
from agentmesh import ClosedError, Key, MemoryStorage, Policy, RemoteError, Stage, sync
from agentmesh.testing import Server


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
