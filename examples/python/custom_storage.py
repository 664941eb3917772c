"""A store of your own: records in a dictionary that is written to one JSON file, whole, at every commit.

What a store must get right is the commit: compare all versions first, write all changes or none, and return only when they are
on disk. ``agentmesh.testing.check_storage`` tests it. For agents that do much, SQLiteStorage is the better one.
"""

import asyncio
import base64
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from agentmesh import AgentMeshClient, CustomStorage, Key
from agentmesh.storage import Change, Conflict, Locked, Record, RecordId, StoreClosed


class JSONStorage(CustomStorage):
    """Synchronous methods run on a thread of the store's own, one after the other."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, path.with_suffix(".lock")
        try:
            os.close(os.open(self.lock, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            raise Locked(f"{path} is in use") from None
        self.records: dict[RecordId, Record] | None = {}
        if path.exists():
            for kind, key, version, sealed in json.loads(path.read_text()):
                id = RecordId(kind, base64.b64decode(key))
                self.records[id] = Record(id, version, base64.b64decode(sealed))

    @property
    def location(self) -> str:
        return str(self.path)

    def _open(self) -> dict[RecordId, Record]:
        if self.records is None:
            raise StoreClosed("the store is closed")
        return self.records

    def load(self, ids: Sequence[RecordId]) -> Sequence[Record | None]:
        return [self._open().get(id) for id in ids]

    def list(self, kind: str, after: bytes | None, limit: int) -> Sequence[Record]:
        found = sorted((r for r in self._open().values() if r.id.kind == kind), key=lambda r: r.id.key)
        return [r for r in found if after is None or r.id.key > after][:limit]

    def commit(self, changes: Sequence[Change]) -> None:
        records = dict(self._open())
        for change in changes:
            found = records.get(change.id)
            actual = 0 if found is None else found.version
            if actual != change.expected:
                raise Conflict(change.id, change.expected, actual)
            if change.value is None:
                records.pop(change.id, None)
            else:
                records[change.id] = Record(change.id, change.version, change.value)
        self._write(records)
        self.records = records

    def _write(self, records: dict[RecordId, Record]) -> None:
        rows = [
            [r.id.kind, base64.b64encode(r.id.key).decode(), r.version, base64.b64encode(r.sealed).decode()]
            for r in records.values()
        ]
        beside = self.path.with_suffix(".new")
        with beside.open("w") as file:
            json.dump(rows, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def close(self) -> None:
        self.records = None
        self.lock.unlink()


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path, key = Path(directory) / "agent.json", Key.random()
        async with AgentMeshClient(JSONStorage(path), key=key, offline=True) as agent:
            amid = agent.amid
        async with AgentMeshClient(JSONStorage(path), key=key, offline=True, mode="load") as agent:
            print(agent.amid == amid)


if __name__ == "__main__":
    asyncio.run(main())
