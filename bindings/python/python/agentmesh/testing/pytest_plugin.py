"""Fixtures for pytest: a server, and clients that talk over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from .. import AgentMeshClient, Key, MemoryStorage, Policy
from . import Server

ClientFactory: TypeAlias = Callable[..., AgentMeshClient]


@pytest.fixture
def agentmesh_server() -> Iterator[Server]:
    """A reference server in this process, for one test."""
    with Server() as server:
        yield server


@pytest.fixture
def agentmesh_client(agentmesh_server: Server) -> Iterator[ClientFactory]:
    """Makes clients that talk over ``agentmesh_server``: in memory, accepting everybody, unless told otherwise.

    What it makes is not open yet (``async with``); what is left open is closed at the end of the test.
    """
    made: list[AgentMeshClient] = []

    def make(**settings: Any) -> AgentMeshClient:
        settings.setdefault("storage", MemoryStorage())
        settings.setdefault("key", Key.random())
        if "policy_file" not in settings:
            settings.setdefault("policy", Policy.permissive())
        for name, url in agentmesh_server.urls.items():
            settings.setdefault(name, url)
        client = AgentMeshClient(**settings)
        made.append(client)
        return client

    yield make
    for client in made:
        client._close_blocking()
