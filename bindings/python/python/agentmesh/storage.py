"""Where agents keep their state: in memory, SQLite, a directory, a bucket, or a class of your own.

A store sees ids that say nothing and bytes that are already sealed; it never sees a key.
"""

from __future__ import annotations

import abc
import asyncio
import enum
import inspect
import logging
import os
import weakref
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union

from . import _native
from ._errors import ConflictError, ErrorKind
from ._store_failures import remember

__all__ = [
    "Change",
    "Conflict",
    "Corrupt",
    "CustomStorage",
    "Durability",
    "FileStorage",
    "Full",
    "Locked",
    "MemoryStorage",
    "Record",
    "RecordId",
    "S3Storage",
    "SQLiteStorage",
    "Storage",
    "StoreClosed",
    "StoreFailure",
    "Unreachable",
    "open_storage",
]

T = TypeVar("T")
MaybeAwaitable = Union[T, Awaitable[T]]


class Durability(str, enum.Enum):
    """What a commit that returned survives."""

    EVENTUALLY_CONSISTENT = "eventually consistent"
    """Readers may get an older state. No place for agents, which refuse it: an older state repeats message keys."""
    VOLATILE = "volatile"
    """It is gone with the process."""
    PROCESS = "process"
    """It survives the process, but not a power cut."""
    SYNCED = "synced"
    """It survives a power cut."""


@dataclass(frozen=True)
class RecordId:
    """Names a record."""

    kind: str
    """What the record is about, such as ``session``."""
    key: bytes
    """16 bytes that say nothing."""


@dataclass(frozen=True)
class Record:
    """A stored record."""

    id: RecordId
    """Its name."""
    version: int
    """1 when first written, one more with every write."""
    sealed: bytes = field(repr=False)
    """Its content, sealed."""


@dataclass(frozen=True)
class Change:
    """One write of a batch."""

    id: RecordId
    """The record that it writes."""
    expected: int
    """The version that the record must be at; 0 says that it must be absent."""
    value: bytes | None = field(repr=False)
    """The new sealed bytes; ``None`` deletes the record. With ``expected`` 0 it only demands that the record be absent."""
    version: int = 0
    """The version that the value is stored as: ``expected + 1``, but for records that come from another store."""


class Storage:
    """A store that is open. Agents close theirs themselves; a store may be used by one agent at a time."""

    __slots__ = ("_inner", "_user")
    _inner: _native.Storage
    _user: Callable[[], Any]

    def __init__(self, native: _native.Storage) -> None:
        self._inner = native
        self._user = _nobody

    @property
    def location(self) -> str:
        """Which store this is, for people."""
        return self._inner.location

    async def load(self, ids: Sequence[RecordId]) -> list[Record | None]:
        """The records with these ids, sealed, in the order of ``ids``. For tests and tools."""
        found = await self._inner.load([(i.kind, i.key) for i in ids])
        return [None if r is None else _record(r) for r in found]

    async def list(self, kind: str, after: bytes | None = None, limit: int = 256) -> list[Record]:
        """At most ``limit`` records of a kind by ascending key, from the first key greater than ``after``."""
        return [_record(r) for r in await self._inner.list(kind, after, limit)]

    async def commit(self, changes: Sequence[Change]) -> None:
        """Writes the whole batch or nothing of it."""
        await self._inner.commit([(c.id.kind, c.id.key, c.expected, c.value) for c in changes])

    async def close(self) -> None:
        """Releases files and locks. Again is fine."""
        await self._inner.close()

    def __repr__(self) -> str:
        # Tracebacks show what could not be made, too.
        made = hasattr(self, "_inner")
        return f"<{type(self).__name__} {self.location if made else 'that could not be opened'}>"


def _nobody() -> None:
    return None


class MemoryStorage(Storage):
    """Nothing survives the process. It holds what every store does: of each message that was handled some hundred bytes, for seven days,
    so that it is not handled again. An agent that handles millions a week is better off with :class:`SQLiteStorage`."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_native.Storage.memory())


class SQLiteStorage(Storage):
    """One SQLite file, made if it is not there. It is opened and locked here and now, for this process alone, until the
    agent or :meth:`close` closes it."""

    __slots__ = ()

    def __init__(self, path: str | os.PathLike[str]) -> None:
        file = os.fspath(path)
        if file == ":memory:":
            raise ValueError("for a store in memory use MemoryStorage()")
        super().__init__(_native.Storage.sqlite(file))


class FileStorage(Storage):
    """One directory with a file a record, made if it is not there. Opened and locked as an SQLite file is."""

    __slots__ = ()

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        super().__init__(_native.Storage.directory(os.fspath(directory)))


class S3Storage(Storage):
    """A bucket of S3, R2 or MinIO: ``s3://BUCKET/PREFIX``. Where and with which credentials, the ``AWS_`` variables say."""

    __slots__ = ()

    def __init__(self, url: str) -> None:
        super().__init__(_native.Storage.open(url))


def open_storage(url: str) -> Storage:
    """The store that a URL names: ``sqlite:PATH``, ``file:DIR``, ``s3://BUCKET/PREFIX``. Blocks, with S3 for a while."""
    return Storage(_native.Storage.open(url))


class StoreFailure(Exception):
    """Raised by a store of your own to say what went wrong. Any other exception counts as: nobody knows whether a commit
    was written; the store is not used any more then until it is opened again."""

    _kind = "failed"


class Conflict(StoreFailure):
    """A record is at another version than was expected. Nothing was written."""

    def __init__(self, id: RecordId, expected: int, actual: int) -> None:
        super().__init__(f"{id.kind} is at version {actual}, not {expected}")
        self.id = id
        self.expected = expected
        self.actual = actual


class StoreClosed(StoreFailure):
    """The store was closed."""

    _kind = "closed"


class Full(StoreFailure):
    """No space is left. Nothing was written."""

    _kind = "full"


class Locked(StoreFailure):
    """Somebody else has the store open."""

    _kind = "locked"


class Unreachable(StoreFailure):
    """The service behind the store cannot be reached. Nothing was written."""

    _kind = "unreachable"


class Corrupt(StoreFailure):
    """What is stored is damaged."""

    _kind = "corrupt"


class CustomStorage(abc.ABC):
    """A store of your own, synchronous or asynchronous: each method may be ``def`` or ``async def``.

    ``async def`` methods run on the loop that the client was opened in, several calls at a time; ``def`` methods on a thread of
    the store's own, one after the other. What a store must get right is :meth:`commit`: compare *all* expected versions
    first, write all changes or none, and return only when they survive what :attr:`durability` says.
    :func:`agentmesh.testing.check_storage` tests whether it does.
    """

    durability: Durability = Durability.SYNCED
    """What a commit that returned survives."""

    @property
    def location(self) -> str:
        """Which store this is, for people. Errors name it. Without secrets."""
        return type(self).__name__

    @abc.abstractmethod
    def load(self, ids: Sequence[RecordId]) -> MaybeAwaitable[Sequence[Record | None]]:
        """The records with these ids, in the order of ``ids``; ``None`` for those that are absent."""

    @abc.abstractmethod
    def list(self, kind: str, after: bytes | None, limit: int) -> MaybeAwaitable[Sequence[Record]]:
        """At most ``limit`` records of a kind by ascending key, from the first key greater than ``after``."""

    @abc.abstractmethod
    def commit(self, changes: Sequence[Change]) -> MaybeAwaitable[None]:
        """Writes the whole batch or nothing of it; raises :class:`Conflict` for a record at another version."""

    @abc.abstractmethod
    def close(self) -> MaybeAwaitable[None]:
        """Finishes the calls under way and releases what it holds. Called once; later calls raise :class:`StoreClosed`."""


def _record(plain: tuple[str, bytes, int, bytes]) -> Record:
    kind, key, version, sealed = plain
    return Record(RecordId(kind, key), version, sealed)


def _plain(record: Record | None) -> tuple[str, bytes, int, bytes] | None:
    if record is None:
        return None
    return (record.id.kind, bytes(record.id.key), record.version, bytes(record.sealed))


class Runner:
    """Makes the calls of a store that is written in Python. Called on a thread of the native module."""

    def __init__(self, store: CustomStorage, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: ThreadPoolExecutor | None = None
        self._closed = False

    def __call__(self, call: _native.StorageCall) -> None:
        if self._closed:
            if call.operation == "close":
                call.answer(None)
            else:
                call.fail("closed", "the store is closed")
            return
        self._closed = call.operation == "close"
        method: Callable[..., Any] = getattr(self._store, call.operation)
        if inspect.iscoroutinefunction(method):
            try:
                self._loop.call_soon_threadsafe(self._begin, call, method)
            except RuntimeError:
                # The loop is closed, and with it whatever the store needs.
                call.fail("failed", "the event loop of the store is closed")
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="agentmesh-store")
        try:
            self._thread.submit(self._run, call, method)
        except RuntimeError:
            call.fail("failed", "the interpreter is about to end")
        if self._closed:
            self._thread.shutdown(wait=False)

    def _begin(self, call: _native.StorageCall, method: Callable[..., Any]) -> None:
        task = self._loop.create_task(self._await(call, method))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _await(self, call: _native.StorageCall, method: Callable[..., Any]) -> None:
        try:
            result = await method(*_arguments(call))
        except BaseException as error:
            _fail(call, error, self._store.location)
            if not isinstance(error, Exception):
                raise
        else:
            _answer(call, result, self._store.location)

    def _run(self, call: _native.StorageCall, method: Callable[..., Any]) -> None:
        try:
            result = method(*_arguments(call))
        except BaseException as error:
            _fail(call, error, self._store.location)
        else:
            _answer(call, result, self._store.location)


def _arguments(call: _native.StorageCall) -> tuple[Any, ...]:
    if call.operation == "load":
        return ([RecordId(*i) for i in call.arguments[0]],)
    if call.operation == "commit":
        changes = call.arguments[0]
        return ([Change(RecordId(k, i), expected, v, n) for k, i, expected, v, n in changes],)
    return call.arguments


def _answer(call: _native.StorageCall, result: Any, location: str) -> None:
    try:
        if call.operation in ("load", "list"):
            result = [_plain(record) for record in result]
        call.answer(result)
    except Exception as error:
        _fail(call, error, location)


def _fail(call: _native.StorageCall, error: BaseException, location: str) -> None:
    if isinstance(error, Conflict):
        record = (error.id.kind, bytes(error.id.key))
        call.fail("conflict", str(error), record, error.expected, error.actual)
    elif isinstance(error, StoreFailure):
        call.fail(error._kind, remember(error, str(error) or type(error).__name__, error._kind, location))
    else:
        words = remember(error, f"{type(error).__name__} in a store of the application", "failed", location)
        logging.getLogger("agentmesh.storage").error("%s", words, exc_info=error)
        call.fail("failed", words)


def checked(storage: Any) -> Any:
    """A store, if it is one."""
    if isinstance(storage, (Storage, CustomStorage, str)):
        return storage
    raise TypeError("a storage is a Storage, a CustomStorage or a URL such as 'sqlite:agent.db'")


def is_free(storage: Storage, user: Any) -> bool:
    """Whether nobody but ``user`` has an agent in the store."""
    other = storage._user()
    return other is None or other is user or other._closed


def claim(storage: Any, user: Any) -> None:
    """Says who has an agent in the store. Two of them would take the sessions' keys from each other."""
    if not isinstance(storage, Storage):
        return
    if not is_free(storage, user):
        reason = f"another client of this process has {storage.location} open"
        raise ConflictError(reason, "STORAGE_LOCKED", ErrorKind.CONFLICT, retryable=True)
    storage._user = weakref.ref(user)


def unclaim(storage: Any) -> None:
    """Says that nobody has an agent in the store any more."""
    if isinstance(storage, Storage):
        storage._user = _nobody


def native(storage: Any) -> _native.Storage:
    """A store as the native module takes it; for one of your own, on the running loop."""
    if isinstance(storage, Storage):
        return storage._inner
    if isinstance(storage, CustomStorage):
        runner = Runner(storage, asyncio.get_running_loop())
        durability = Durability(storage.durability).value
        return _native.Storage.foreign(storage.location, durability, runner)
    return _native.Storage.open(checked(storage))
