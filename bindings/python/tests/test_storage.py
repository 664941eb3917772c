"""Stores: the four that come with the package, and those of applications."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from agentmesh import (
    AgentMeshClient,
    ClosedError,
    ConflictError,
    CustomStorage,
    ErrorCode,
    FileStorage,
    InvalidInputError,
    Key,
    MemoryStorage,
    Policy,
    S3Storage,
    SQLiteStorage,
    Stage,
    Storage,
    StorageError,
)
from agentmesh.storage import (
    Change,
    Conflict,
    Durability,
    Full,
    Locked,
    Record,
    RecordId,
    StoreClosed,
    Unreachable,
    open_storage,
)
from agentmesh.testing import STORAGE_TESTS, check_storage
from bucket import Bucket
from conftest import Make


class DictStorage(CustomStorage):
    """In memory, asynchronous; opened again it is the same, as long as the dictionary is."""

    durability = Durability.VOLATILE

    def __init__(self, rows: dict[RecordId, Record], owner: list[object]) -> None:
        if owner:
            raise Locked("in use")
        owner.append(self)
        self.rows, self.owner = rows, owner

    @property
    def location(self) -> str:
        return "a dictionary"

    def _open(self) -> None:
        if self not in self.owner:
            raise StoreClosed("closed")

    async def load(self, ids: Sequence[RecordId]) -> list[Record | None]:
        self._open()
        await asyncio.sleep(0)
        return [self.rows.get(id) for id in ids]

    async def list(self, kind: str, after: bytes | None, limit: int) -> Sequence[Record]:
        self._open()
        of_kind = sorted((r for r in self.rows.values() if r.id.kind == kind), key=lambda r: r.id.key)
        return [r for r in of_kind if after is None or r.id.key > after][:limit]

    async def commit(self, changes: Sequence[Change]) -> None:
        self._open()
        for change in changes:
            found = self.rows.get(change.id)
            actual = found.version if found else 0
            if actual != change.expected:
                raise Conflict(change.id, change.expected, actual)
        for change in changes:
            if change.value is None:
                self.rows.pop(change.id, None)
            else:
                self.rows[change.id] = Record(change.id, change.version, change.value)

    async def close(self) -> None:
        if self in self.owner:
            self.owner.remove(self)


class OwnSQLite(CustomStorage):
    """In a file, synchronous."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path.with_suffix(".lock")
        try:
            self.lock.touch(exist_ok=False)
        except FileExistsError:
            raise Locked("in use") from None
        self.database: sqlite3.Connection | None = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.database.execute(
            "create table if not exists records (kind text, key blob, version integer, sealed blob, primary key (kind, key))"
        )

    def _open(self) -> sqlite3.Connection:
        if self.database is None:
            raise StoreClosed("closed")
        return self.database

    def load(self, ids: Sequence[RecordId]) -> list[Record | None]:
        return [self._one(id) for id in ids]

    def _one(self, id: RecordId) -> Record | None:
        query = "select version, sealed from records where kind = ? and key = ?"
        row = self._open().execute(query, (id.kind, id.key)).fetchone()
        return None if row is None else Record(id, row[0], row[1])

    def list(self, kind: str, after: bytes | None, limit: int) -> Sequence[Record]:
        query = "select key, version, sealed from records where kind = ? and key > ? order by key limit ?"
        rows = self._open().execute(query, (kind, after or b"", limit)).fetchall()
        return [Record(RecordId(kind, key), version, sealed) for key, version, sealed in rows]

    def commit(self, changes: Sequence[Change]) -> None:
        database = self._open()
        database.execute("begin immediate")
        try:
            for change in changes:
                found = self._one(change.id)
                actual = found.version if found else 0
                if actual != change.expected:
                    raise Conflict(change.id, change.expected, actual)
                if change.value is None:
                    database.execute("delete from records where kind = ? and key = ?", (change.id.kind, change.id.key))
                else:
                    row = (change.id.kind, change.id.key, change.version, change.value)
                    database.execute("insert or replace into records values (?, ?, ?, ?)", row)
        except BaseException:
            database.execute("rollback")
            raise
        database.execute("commit")

    def close(self) -> None:
        if self.database is not None:
            self.database.close()
            self.database = None
            self.lock.unlink()


@pytest.mark.parametrize("test", STORAGE_TESTS)
async def test_an_asynchronous_store_in_python_passes_the_suite(test: str) -> None:
    rows: dict[RecordId, Record] = {}
    owner: list[object] = []
    await check_storage(lambda: DictStorage(rows, owner), test, durability=Durability.VOLATILE)


@pytest.mark.parametrize("test", STORAGE_TESTS)
async def test_a_synchronous_store_in_python_passes_the_suite(test: str, tmp_path: Path) -> None:
    await check_storage(lambda: OwnSQLite(tmp_path / "store.db"), test)


async def test_the_suite_notices_a_store_that_compares_no_versions() -> None:
    class Careless(DictStorage):
        async def commit(self, changes: Sequence[Change]) -> None:
            for change in changes:
                assert change.value is not None
                self.rows[change.id] = Record(change.id, change.version, change.value)

    rows: dict[RecordId, Record] = {}
    owner: list[object] = []
    with pytest.raises(AssertionError, match="a_stale_version_conflicts"):
        await check_storage(lambda: Careless(rows, owner), "a_stale_version_conflicts")
    with pytest.raises(InvalidInputError):
        await check_storage(lambda: Careless(rows, owner), "no such test")


@pytest.mark.parametrize("kind", ["dict", "sqlite"])
async def test_an_agent_lives_in_a_store_in_python(agentmesh_client: Make, tmp_path: Path, kind: str) -> None:
    rows: dict[RecordId, Record] = {}
    owner: list[object] = []
    key = Key.random()

    def store() -> CustomStorage:
        return DictStorage(rows, owner) if kind == "dict" else OwnSQLite(tmp_path / "store.db")

    async with agentmesh_client() as alice:
        async with agentmesh_client(storage=store(), key=key) as bob:
            amid = bob.amid
            sending = asyncio.create_task(alice.send(amid, "one", wait=Stage.HANDLED))
            message = await bob.messages().__anext__()
            await message.ack()
            await sending
        await alice.send(amid, "two")
        async with agentmesh_client(storage=store(), key=key) as bob:
            assert bob.amid == amid
            assert (await bob.messages().__anext__()).payload == "two"


async def test_failures_of_a_store_in_python_have_codes(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(DictStorage):
        problem: Exception | None = None

        async def commit(self, changes: Sequence[Change]) -> None:
            if self.problem is not None:
                raise self.problem
            await super().commit(changes)

    store = Broken({}, [])
    async with AgentMeshClient(store, key=Key.random(), offline=True) as client:
        store.problem = Full("no space")
        with pytest.raises(StorageError) as caught:
            await client.pause_new()
        assert caught.value.code == ErrorCode.STORAGE_FULL and caught.value.retryable
        assert caught.value.__cause__ is store.problem
        store.problem = KeyError("a bug")
        with pytest.raises(StorageError) as failed:
            await client.pause_new()
        assert failed.value.code == ErrorCode.STORAGE_IO
        assert "KeyError" in str(failed.value) and "a bug" not in str(failed.value)
        assert any(record.exc_info for record in caplog.records), "what it was is in the log"
        assert failed.value.__cause__ is store.problem
        # Nobody knows what was written: the agent has stopped, and goes on saying why.
        with pytest.raises(ClosedError) as closed:
            await client.resume()
        assert closed.value.__cause__ is store.problem
        store.problem = None

    Broken.durability = Durability.EVENTUALLY_CONSISTENT
    with pytest.raises(InvalidInputError, match="a dictionary is only eventually consistent"):
        await AgentMeshClient(Broken({}, []), key=Key.random(), offline=True).open()


async def test_a_store_that_fails_while_an_agent_is_opened_says_what_it_is() -> None:
    class Broken(DictStorage):
        problem: Exception = Unreachable("the disk is on the moon")

        async def load(self, ids: Sequence[RecordId]) -> list[Record | None]:
            raise self.problem

    with pytest.raises(StorageError) as caught:
        await AgentMeshClient(Broken({}, []), key=Key.random(), offline=True).open()
    assert caught.value.code == ErrorCode.STORAGE_UNREACHABLE and caught.value.retryable
    assert "the disk is on the moon" in str(caught.value)
    assert caught.value.__cause__ is Broken.problem
    Broken.problem = KeyError("a bug")
    with pytest.raises(StorageError) as failed:
        await AgentMeshClient(Broken({}, []), key=Key.random(), offline=True).open()
    assert failed.value.code == ErrorCode.STORAGE_IO and "KeyError" in str(failed.value)
    assert failed.value.__cause__ is Broken.problem


async def test_records_go_through_every_store_as_they_are(tmp_path: Path) -> None:
    id = RecordId("meta", b"\x07" * 16)
    for storage in (
        MemoryStorage(),
        SQLiteStorage(tmp_path / "a.db"),
        FileStorage(tmp_path / "files"),
        open_storage(f"file:{tmp_path}/more"),
    ):
        assert isinstance(storage, Storage) and storage.location
        await storage.commit([Change(id, 0, b"sealed")])
        assert await storage.load([id, RecordId("meta", b"\0" * 16)]) == [Record(id, 1, b"sealed"), None]
        with pytest.raises(ConflictError) as caught:
            await storage.commit([Change(id, 0, b"other")])
        assert caught.value.code == ErrorCode.STORAGE_CONFLICT
        assert await storage.list("meta", limit=5) == [Record(id, 1, b"sealed")]
        await storage.commit([Change(id, 1, None)])
        assert await storage.list("meta", b"\0" * 16) == []
        with pytest.raises(InvalidInputError):
            await storage.list("nothing")
        await storage.close()
        await storage.close()


async def test_one_store_has_one_writer(tmp_path: Path) -> None:
    first = SQLiteStorage(tmp_path / "a.db")
    with pytest.raises(ConflictError) as caught:
        SQLiteStorage(tmp_path / "a.db")
    assert caught.value.code == ErrorCode.STORAGE_LOCKED and caught.value.retryable
    await first.close()
    await SQLiteStorage(tmp_path / "a.db").close()


async def test_a_store_in_clear_holds_no_clear_text(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "files")
    key = Key.file(tmp_path / "key")
    client = AgentMeshClient(storage, key=key, offline=True, policy=Policy.permissive())
    async with client:
        amid = client.amid
    again = AgentMeshClient(FileStorage(tmp_path / "files"), key=key, offline=True, mode="load")
    async with again:
        assert again.amid == amid
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    for file in (tmp_path / "files").rglob("*"):
        assert not file.is_file() or amid.encode() not in file.read_bytes()


async def test_an_agent_lives_in_a_bucket(
    agentmesh_client: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Key.random()
    with Bucket() as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)

        async def store(prefix: str) -> Storage:
            return await asyncio.to_thread(S3Storage, f"s3://agents/{prefix}")

        async with agentmesh_client(storage=await store("bob"), key=key) as bob, agentmesh_client() as alice:
            amid = bob.amid
            with pytest.raises(ConflictError) as caught:
                await AgentMeshClient(await store("bob"), key=key, offline=True).open()
            assert caught.value.code == ErrorCode.STORAGE_LOCKED
            sent = await alice.send(amid, "kept", wait=Stage.DELIVERED)
            # Not acknowledged: it is in the bucket, and what is there is sealed.
            async with await bob.messages().__anext__() as message:
                assert message.id == sent.id
            unhandled = await alice.send(amid, "for later", wait=Stage.DELIVERED)
        assert bucket.objects and not any(b"for later" in value for value in bucket.objects.values())
        async with agentmesh_client(storage=await store("bob"), key=key) as bob:
            assert bob.amid == amid and len(await bob.sessions()) == 1
            async with await bob.messages().__anext__() as message:
                assert (message.id, message.payload) == (unhandled.id, "for later")
        async with AgentMeshClient(await store("carol"), key=key, offline=True) as carol:
            assert carol.amid != amid
        with pytest.raises(InvalidInputError):
            await asyncio.to_thread(S3Storage, "s3://")
        with pytest.raises(StorageError):
            await AgentMeshClient(await asyncio.to_thread(S3Storage, "s3://elsewhere/bob"), key=key, offline=True).open()
