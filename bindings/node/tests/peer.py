"""An agent in Python for the tests of other languages: does what lines of JSON on standard input say, and answers with one line each."""

import asyncio
import hashlib
import json
import sqlite3
import sys
from pathlib import Path

from agentmesh import AgentMeshClient, Key, Policy, SQLiteStorage, Stage

# Bytes of a record's checksum.
CHECKSUM = 16


async def main() -> None:
    home = Path(sys.argv[1])
    client = AgentMeshClient(
        SQLiteStorage(home / "agent.db"),
        key=Key.file(home / "store.key"),
        policy=Policy.permissive(),
        registry_url=sys.argv[2],
        relay_url=sys.argv[3],
    )

    async with client:
        messages = client.messages()
        say(amid=client.amid)
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            to, payload = order.get("to", ""), order.get("payload")
            match order["do"]:
                case "send":
                    await client.send(to, payload, wait=Stage.HANDLED)
                    say(done=True)
                case "request":
                    say(payload=(await client.request(to, payload)).payload)
                case "stream":
                    stream = await client.stream(to, payload)
                    say(payload=[chunk.data async for chunk in stream])
                case "receive":
                    async with await messages.__anext__() as message:
                        found = {"payload": message.payload, "from": message.sender, "seq": message.seq}
                    say(**found)
                case "answer":
                    message = await messages.__anext__()
                    await message.respond({"python": message.payload})
                    say(done=True)
                case "sessions":
                    say(sessions=[session.id for session in await client.sessions()])


def say(**said: object) -> None:
    print(json.dumps(said), flush=True)


def sessions(home: Path) -> None:
    """Prints the records of sessions as they are on the disk: key, version, and the sealed bytes."""
    store = sqlite3.connect(f"file:{home / 'agent.db'}?mode=ro", uri=True)
    rows = store.execute("SELECT key, version, sealed FROM record WHERE kind = 4 ORDER BY key").fetchall()
    say(records=[[key.hex(), version, sealed.hex()] for key, version, sealed in rows])


def replace(home: Path) -> None:
    """Puts the records of standard input in the place of all that are on the disk: kind, key, version, and the sealed bytes."""
    rows = []
    for kind, key, version, sealed in json.load(sys.stdin):
        key, sealed = bytes.fromhex(key), bytes.fromhex(sealed)
        checksum = hashlib.sha256(bytes([kind]) + key + version.to_bytes(8, "big") + sealed).digest()[:CHECKSUM]
        rows.append((kind, key, version, checksum, sealed))
    with sqlite3.connect(home / "agent.db") as store:
        store.execute("DELETE FROM record")
        store.executemany("INSERT INTO record (kind, key, version, sum, sealed) VALUES (?, ?, ?, ?, ?)", rows)
    store.close()
    say(records=len(rows))


if len(sys.argv) == 2:
    sessions(Path(sys.argv[1]))
elif sys.argv[2] == "replace":
    replace(Path(sys.argv[1]))
else:
    asyncio.run(main())
