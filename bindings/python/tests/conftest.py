"""Asynchronous tests run on a loop of their own, each with a deadline, so that what hangs fails."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agentmesh import AgentMeshClient
from agentmesh.testing import Server

sys.path.insert(0, str(Path(__file__).parent))

DEADLINE = 120


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.function(**arguments), DEADLINE))
    return True


def program(variable: str) -> str:
    """A program of the repository, as ``scripts/python.sh`` built it."""
    path = os.environ.get(variable)
    assert path, f"{variable} is not set: run scripts/python.sh"
    return path


@pytest.fixture
def source() -> Path:
    """The repository, for its examples and scenarios."""
    return Path(program("AGENTMESH_TEST_SOURCE"))


Make = Callable[..., AgentMeshClient]


def administer(server: Server, method: str, path: str, body: Any = None) -> Any:
    """What an administrator of the AIWM controller does."""
    request = urllib.request.Request(
        server.url + path,
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {server.aiwm_admin_token}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        text = answer.read()
        return json.loads(text) if text else None
