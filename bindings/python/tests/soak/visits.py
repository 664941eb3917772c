"""Agents that come, ask each other, and go, day after day: neither they nor the server that they meet at hold more and more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from agentmesh import AgentMeshClient, Key, Policy, SQLiteStorage
from agentmesh.testing import Urls

from .measure import Growth, files, sockets

PAIRS = 16
"""Pairs of agents, which take turns: each keeps its identity and its store."""

REQUESTS = 20
"""Requests of a visit, each with its answer."""

MOST = 8192.0
"""Bytes that a visit may leave in either process: 40 messages, four connects, two sessions of a store."""


@dataclass
class Both:
    """What the process of the agents and that of the server hold."""

    agents: Growth
    server: Growth
    sockets: tuple[int, int]
    """Sockets that were not there after the first visits: of the agents, of the server."""
    files: tuple[int, int]
    """The same of other files."""

    @property
    def is_level(self) -> bool:
        """Nothing grows, nothing stays open."""
        grown = max(self.agents.slope, self.server.slope)
        return grown < MOST and max(self.sockets) <= 2 and max(self.files) <= 2

    def __str__(self) -> str:
        return (
            f"agents: {self.agents}, {self.sockets[0]} sockets and {self.files[0]} files more; "
            f"server: {self.server}, {self.sockets[1]} sockets and {self.files[1]} files more"
        )


async def run(visits: int, urls: Urls, home: Path, server: int, *, pairs: int = PAIRS) -> Both:
    """Two agents come online, look each other up, exchange requests and go, so many times."""

    def agent(name: str) -> AgentMeshClient:
        storage = SQLiteStorage(home / f"{name}.db")
        return AgentMeshClient(storage, key=Key.file(home / f"{name}.key"), policy=Policy.permissive(), **urls)

    async def visit(pair: int) -> None:
        async with agent(f"asking-{pair}") as asking, agent(f"answering-{pair}") as answering:

            @answering.on_request
            async def answer(message: object) -> object:
                return {"answer": True}

            serving = asyncio.create_task(answering.serve())
            await asking.lookup(answering.amid)
            for number in range(REQUESTS):
                await asking.request(answering.amid, {"number": number, "text": "x" * 200})
            serving.cancel()
            await asyncio.wait([serving])

    both = Both(Growth(), Growth(process=server), (0, 0), (0, 0))
    processes: tuple[int | str, ...] = ("self", server)
    before: list[tuple[int, int]] = []
    for done in range(visits):
        if done == min(pairs, visits - 1):
            before = [(sockets(process), files(process)) for process in processes]
        if done % max(1, visits // 100) == 0:
            both.agents.sample(done)
            both.server.sample(done)
        await visit(done % pairs)
    both.agents.sample(visits)
    both.server.sample(visits)
    # The server notices the last ends a moment later.
    await asyncio.sleep(1)
    left = [(sockets(process) - s, files(process) - f) for process, (s, f) in zip(processes, before)]
    both.sockets, both.files = (left[0][0], left[1][0]), (left[0][1], left[1][1])
    return both
