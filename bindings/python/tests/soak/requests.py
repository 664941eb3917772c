"""Requests and their answers. For seven days an agent knows which messages it handled: its store does, and the agent itself of the
last few thousand."""

from __future__ import annotations

import asyncio
from pathlib import Path

from agentmesh import AgentMeshClient, Key, Policy, SQLiteStorage
from agentmesh.testing import Urls

from .measure import Growth

AT_ONCE = 16
"""Requests under way together."""

MOST = 256.0
"""Bytes that a request may leave. An agent holds at most 8,192 ids of messages that it handled, some 450 bytes each, and forgets half
of them then; in less than twice as many requests both agents are still filling up. What is left grows with the pages of SQLite's
cache, which is bounded, too."""


async def run(requests: int, urls: Urls, home: Path) -> Growth:
    """Sends so many requests, 20,000 or more."""

    def agent(name: str) -> AgentMeshClient:
        storage = SQLiteStorage(home / f"{name}.db")
        return AgentMeshClient(storage, key=Key.random(), policy=Policy.permissive(), **urls)

    growth = Growth()
    async with agent("asking") as asking, agent("answering") as answering:

        @answering.on_request
        async def answer(message: object) -> object:
            return {"answer": True}

        serving = asyncio.create_task(answering.serve())
        done, every = 0, max(AT_ONCE, requests // 100)
        for done in range(0, requests, AT_ONCE):
            if done % every < AT_ONCE:
                growth.sample(done)
            await asyncio.gather(*(asking.request(answering.amid, done) for _ in range(AT_ONCE)))
        growth.sample(requests)
        serving.cancel()
        await asyncio.wait([serving])
    return growth
