"""The soaks, each for a moment: that they run, and notice what they should."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from agentmesh.testing import Server
from soak import calls, connects, requests, visits
from soak.measure import Growth, resident, sockets

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


async def test_calls_of_every_kind(tmp_path: Path, agentmesh_server: Server) -> None:
    growth = await calls.run(2_000, agentmesh_server.urls, tmp_path)
    assert growth.samples[-1][0] == 2_000 // calls.ROUND


async def test_requests(tmp_path: Path, agentmesh_server: Server) -> None:
    growth = await requests.run(64, agentmesh_server.urls, tmp_path)
    assert growth.samples[-1][0] == 64


async def test_visits_leave_no_socket_and_no_file(tmp_path: Path, agentmesh_server: Server) -> None:
    both = await visits.run(4, agentmesh_server.urls, tmp_path, os.getpid(), pairs=2)
    assert both.agents.samples[-1][0] == both.server.samples[-1][0] == 4
    # The server in this process may still hold its ends.
    assert max(both.sockets) <= 2
    assert max(both.files) <= 0


async def test_cancelled_connects_leave_no_socket(agentmesh_server: Server) -> None:
    left = await connects.run(60, agentmesh_server.urls)
    assert left.cancelled > 0
    # The server in this process may still hold its ends.
    assert left.sockets <= 2


def test_growth_and_sockets_are_noticed() -> None:
    growth, kept = Growth(), []
    for done in range(20):
        kept.append(os.urandom(1 << 20))
        growth.sample(done)
    assert growth.slope > 1 << 19
    steady = Growth([(done, 1 << 30) for done in range(20)])
    assert steady.slope == 0
    before = sockets()
    with socket.socket():
        assert sockets() == before + 1
    assert sockets() == before and resident() > 1 << 20
