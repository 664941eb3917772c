"""Agents that go online and change their mind: whenever that is, nothing stays open."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from agentmesh import AgentMeshClient, AgentMeshError, Identity, Key, MemoryStorage, Policy
from agentmesh.testing import Urls

from .measure import Growth, sockets, threads


@dataclass
class Left:
    """What the connects left."""

    growth: Growth
    cancelled: int
    """Connects that were cancelled before they were done."""
    sockets: int
    """Sockets that were not there before."""
    threads: int
    """Threads that were not there after the first connects."""


async def run(connects: int, urls: Urls, *, longest: float = 0.02) -> Left:
    """So many agents, each with a store of its own, are opened, sent online, interrupted after up to ``longest`` seconds,
    and closed."""
    # One identity, so that the registry does not grow.
    identity, moments = Identity.generate(), random.Random(7)
    growth, cancelled = Growth(), 0
    # The runtime has sockets of its own, for signals: it is started first.
    async with AgentMeshClient(MemoryStorage(), key=Key.random(), offline=True):
        pass
    sockets_before, threads_before = sockets(), None
    for turn in range(connects):
        if turn % max(1, connects // 100) == 0:
            growth.sample(turn)
        if turn == connects // 10:
            threads_before = threads()
        client = AgentMeshClient(
            MemoryStorage(), key=Key.random(), identity=identity, policy=Policy.permissive(), **urls
        )
        await client.open()
        connecting = asyncio.ensure_future(client.connect())
        await asyncio.sleep(moments.uniform(0, longest))
        connecting.cancel()
        await asyncio.wait([connecting])
        if connecting.cancelled():
            cancelled += 1
        else:
            failure = connecting.exception()
            # Another agent with the same identity may be on its way out.
            assert failure is None or isinstance(failure, AgentMeshError), failure
        await client.close()
    growth.sample(connects)
    for _ in range(400):
        if sockets() <= sockets_before:
            break
        await asyncio.sleep(0.05)
    return Left(growth, cancelled, sockets() - sockets_before, threads() - (threads_before or 0))
