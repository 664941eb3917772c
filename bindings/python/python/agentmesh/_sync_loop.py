"""The loop in the background that :mod:`agentmesh.sync` runs everything on."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

from ._values import Seconds, seconds

__all__ = ["Synchronous", "each", "run"]

T = TypeVar("T")
A = TypeVar("A")
S = TypeVar("S", bound="Synchronous[Any]")


class _Call(Generic[T]):
    """A call on the loop, and the thread that waits for it.

    Ctrl-C may end the waiting between any two steps of Python. A lock of the interpreter's own bears that, other than
    the condition inside of a ``concurrent.futures.Future``, which fails then, or is never let go of.
    """

    def __init__(
        self, call: Callable[[], Awaitable[T]], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._call = call
        self._loop = loop
        self._task: asyncio.Task[T] | None = None
        self._ended = threading.Lock()
        self._ended.acquire()

    def wait(self) -> T:
        try:
            self._loop.call_soon_threadsafe(self._begin)
            self._ended.acquire()
        except BaseException:
            # Such as KeyboardInterrupt: nobody waits for the result any more.
            self._loop.call_soon_threadsafe(self._cancel)
            raise
        assert self._task is not None
        return self._task.result()

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._awaited())
        self._task.add_done_callback(self._end)

    async def _awaited(self) -> T:
        return await self._call()

    def _end(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # A failure that nobody waits for any more is not worth a warning.
        self._ended.release()

    def _cancel(self) -> None:
        if self._task is None:
            self._begin()
        assert self._task is not None
        self._task.cancel()


class _BackgroundLoop:
    """A loop on a thread, started by the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, call: Callable[[], Awaitable[T]]) -> T:
        return _Call(call, self._started()).wait()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=loop.run_forever, name="agentmesh-loop", daemon=True
                )
                thread.start()
                # Last: one whose start was interrupted would never run.
                self._loop = loop
            return self._loop


_background = _BackgroundLoop()


def _forget() -> None:
    # The child of a fork has no thread that runs the loop.
    global _background
    _background = _BackgroundLoop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def run(call: Callable[[], Awaitable[T]]) -> T:
    """Waits for what ``call`` begins on the loop."""
    return _background.run(call)


async def following(items: Any) -> Any:
    """The next item, ``None`` at the end: a ``StopAsyncIteration`` does not get through a future."""
    try:
        return await items.__anext__()
    except StopAsyncIteration:
        return None


async def _within(items: Any, timeout: float | None) -> Any:
    try:
        return await asyncio.wait_for(following(items), timeout)
    except asyncio.TimeoutError:
        return None


def each(items: Any, timeout: Seconds | None = None) -> Iterator[Any]:
    """What an asynchronous iterator gives, until its end, or until nothing came for ``timeout``."""
    limit = None if timeout is None else seconds(timeout)
    while True:
        item = run(lambda: _within(items, limit))
        if item is None:
            return
        yield item


class Synchronous(Generic[A]):
    """Something of asyncio, with calls that wait; a context manager if that is one."""

    asynchronous: A
    """The same as asyncio has it."""

    def __init__(self, asynchronous: A) -> None:
        self.asynchronous = asynchronous

    def run(self, call: Callable[[A], Awaitable[T]]) -> T:
        """Waits for any call of the asynchronous one: ``client.run(lambda c: c.circuit_state())``."""
        return run(lambda: call(self.asynchronous))

    def _manager(self) -> AbstractAsyncContextManager[Any]:
        asynchronous: Any = self.asynchronous
        if not hasattr(asynchronous, "__aenter__"):
            raise TypeError(f"{type(self).__name__} is no context manager")
        manager: AbstractAsyncContextManager[Any] = asynchronous
        return manager

    def __enter__(self: S) -> S:
        run(self._manager().__aenter__)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run(lambda: self._manager().__aexit__(kind, error, traceback))

    def __repr__(self) -> str:
        return repr(self.asynchronous)
