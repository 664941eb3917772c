"""An agent whose process is killed, again and again: what it was told to be queued arrives, once."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from agentmesh import AgentMeshClient, Key, Policy, SQLiteStorage
from agentmesh.testing import Urls

SENDER = textwrap.dedent(
    """
    import asyncio, sys
    from agentmesh import AgentMeshClient, Key, Policy, SQLiteStorage, Stage

    home, registry, relay, peer, first = sys.argv[1:]

    async def main():
        client = AgentMeshClient(
            SQLiteStorage(f"{home}/agent.db"), key=Key.file(f"{home}/key"),
            policy=Policy.permissive(), registry_url=registry, relay_url=relay,
        )
        async with client:
            if first == "drain":
                while await client.outbox():
                    await asyncio.sleep(0.02)
                return
            n = int(first)
            while True:
                await client.send(peer, n, wait=Stage.QUEUED)
                print(n, flush=True)
                n += 1
                await asyncio.sleep(0.002)

    asyncio.run(main())
    """
)


@dataclass
class Arrived:
    """What came of it."""

    queued: int
    """Messages that the killed agents had been told to be queued."""
    lost: int
    """Those of them that never arrived."""
    twice: int
    """Messages that were handled twice under one id."""
    unreported: int
    """Messages that arrived although their sender died before it could say that they were queued."""


async def run(cycles: int, urls: Urls, home: Path) -> Arrived:
    """Starts and kills the agent so many times."""
    (home / "sender").mkdir()
    rng = random.Random(7)
    receiver = AgentMeshClient(
        SQLiteStorage(home / "receiver.db"),
        key=Key.file(home / "receiver.key"),
        policy=Policy.permissive(),
        **urls,
    )
    received: list[int] = []
    ids: list[str] = []

    async def receive() -> None:
        async for message in receiver.messages():
            async with message:
                ids.append(message.id)
                received.append(message.payload)

    def start(first: str) -> subprocess.Popen[str]:
        arguments = [str(home / "sender"), urls["registry_url"], urls["relay_url"], receiver.amid, first]
        return subprocess.Popen([sys.executable, "-c", SENDER, *arguments], stdout=subprocess.PIPE, text=True)

    async with receiver:
        receiving = asyncio.create_task(receive())
        queued = -1
        for _ in range(cycles):
            process = start(str(queued + 1))
            assert process.stdout is not None
            for _ in range(rng.randrange(1, 12)):
                queued = int(await asyncio.to_thread(process.stdout.readline))
            process.kill()
            # What it said before it died counts as well.
            rest, _ = await asyncio.to_thread(process.communicate)
            queued = max([queued, *map(int, rest.split())])
        drain = start("drain")
        await asyncio.to_thread(drain.communicate)
        assert drain.returncode == 0
        receiving.cancel()
        await asyncio.wait([receiving])
    return Arrived(
        queued=queued + 1,
        lost=len(set(range(queued + 1)) - set(received)),
        twice=len(ids) - len(set(ids)),
        unreported=len(received) - (queued + 1),
    )
