"""Asynchronous tests run on a loop of their own, each with a deadline, so that what hangs fails."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agentmesh import AgentMeshClient, Message
from agentmesh.testing import Server, Urls

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


@pytest.fixture
def separate_server(tmp_path: Path) -> Iterator[Urls]:
    """A server as people run it: in a process of its own."""
    command = [program("AGENTMESH_TEST_SERVER"), "serve", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "server")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    address = None
    for line in process.stdout:
        found = re.search(r"127\.0\.0\.1:\d+", line)
        if found:
            address = found.group()
            break
    assert address
    yield {"registry_url": f"http://{address}/v1", "relay_url": f"ws://{address}/v1/connect"}
    process.terminate()
    process.communicate(timeout=20)


Make = Callable[..., AgentMeshClient]


async def first(client: AgentMeshClient) -> Message:
    async for message in client.messages():
        return message
    raise AssertionError("no message")


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
