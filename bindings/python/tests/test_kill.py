"""An agent whose process is killed, again and again. ``make soak`` does it more often."""

from __future__ import annotations

from pathlib import Path

from agentmesh.testing import Server
from soak import kills

CYCLES = 12


async def test_killed_agents_lose_nothing(tmp_path: Path, agentmesh_server: Server) -> None:
    arrived = await kills.run(CYCLES, agentmesh_server.urls, tmp_path)
    assert arrived.lost == 0, "everything that was queued has arrived"
    assert arrived.twice == 0, "none is handled twice"
    # A message that was queued when its sender died before it could say so is sent again under another id.
    assert 0 <= arrived.unreported <= CYCLES
