"""Asynchronous tests run on a loop of their own, each with a deadline, so that what hangs fails."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from agentmesh import AgentMeshClient

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
