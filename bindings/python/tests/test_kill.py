"""An agent whose process is killed, again and again: what it was told to be queued arrives, once."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import textwrap
from pathlib import Path

from agentmesh import AgentMeshClient, Key, Policy, SQLiteStorage
from agentmesh.testing import Server

CYCLES = 12

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


async def test_killed_agents_lose_nothing(tmp_path: Path, agentmesh_server: Server) -> None:
    (tmp_path / "sender").mkdir()
    rng = random.Random(7)
    receiver = AgentMeshClient(
        SQLiteStorage(tmp_path / "receiver.db"),
        key=Key.file(tmp_path / "receiver.key"),
        policy=Policy.permissive(),
        **agentmesh_server.urls,
    )
    received: list[int] = []
    ids: set[str] = set()

    async def receive() -> None:
        async for message in receiver.messages():
            async with message:
                assert message.id not in ids, "none is handled twice"
                ids.add(message.id)
                received.append(message.payload)

    def start(first: str) -> subprocess.Popen[str]:
        urls = agentmesh_server.urls
        arguments = [str(tmp_path / "sender"), urls["registry_url"], urls["relay_url"], receiver.amid, first]
        return subprocess.Popen([sys.executable, "-c", SENDER, *arguments], stdout=subprocess.PIPE, text=True)

    async with receiver:
        receiving = asyncio.create_task(receive())
        queued = -1
        for _ in range(CYCLES):
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
    assert set(received) >= set(range(queued + 1)), "everything that was queued has arrived"
    # A message that was queued when its sender died before it could say so is sent again under another id.
    assert len(received) <= queued + 1 + CYCLES
