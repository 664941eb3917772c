"""The loop in the background that :mod:`agentmesh.sync` runs everything on."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

from ._values import Seconds, seconds

__all__ = ["Synchronous", "each", "run"]

T = TypeVar("T")
A = TypeVar("A")
S = TypeVar("S", bound="Synchronous[Any]")


class _BackgroundLoop:
    """A loop on a thread, started by the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaitable: Awaitable[T]) -> T:
        async def awaiting() -> T:
            return await awaitable

        running: Future[T] = asyncio.run_coroutine_threadsafe(awaiting(), self._started())
        try:
            return running.result()
        except BaseException:
            # Such as KeyboardInterrupt: nobody waits for the result any more.
            running.cancel()
            raise

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=self._loop.run_forever, name="agentmesh-loop", daemon=True
                )
                thread.start()
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

    async def calling() -> T:
        return await call()

    return _background.run(calling())


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
