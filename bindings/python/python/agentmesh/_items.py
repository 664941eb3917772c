"""What services tell, one item after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

from . import _native
from ._errors import AgentMeshError
from ._values import Seconds, dumps, milliseconds

__all__ = ["Closed", "Disconnected", "Items", "Lagged", "Opened"]

T_co = TypeVar("T_co", covariant=True)
S = TypeVar("S", bound="Opened")


class Opened:
    """What is a context manager because it is opened and closed."""

    __slots__ = ()

    async def _enter(self) -> None:
        raise NotImplementedError

    async def _leave(self) -> None:
        raise NotImplementedError

    async def __aenter__(self: S) -> S:
        await self._enter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._leave()


@dataclass(frozen=True)
class Disconnected:
    """The connection was lost, or could not be made; the next attempt follows."""

    error: AgentMeshError
    """Why."""
    retry_in: float
    """In how many seconds."""


@dataclass(frozen=True)
class Closed:
    """The end: nothing follows."""

    error: AgentMeshError
    """Why."""


@dataclass(frozen=True)
class Lagged:
    """The reader was too slow for so many events."""

    missed: int
    """How many."""


class Items(Generic[T_co]):
    """An asynchronous iterator over what a service tells. A cancelled read loses nothing."""

    __slots__ = ("_inner", "_convert")

    def __init__(
        self, native: _native.ItemStream, convert: Callable[[str, dict[str, Any]], T_co]
    ) -> None:
        self._inner = native
        self._convert = convert

    def __aiter__(self) -> Items[T_co]:
        return self

    async def __anext__(self) -> T_co:
        while True:
            # Nothing is awaited between taking an item and returning it, so that a cancellation loses none.
            item = self._inner.take()
            if item is False:
                raise StopAsyncIteration
            if item is not None:
                kind, details = item
                return self._convert(kind, json.loads(details))
            await self._inner.ready()


def settings(spans: dict[str, Seconds | None], **plain: Any) -> str:
    """Settings as the native module reads them: what is ``None`` is left out, spans are milliseconds."""
    given = {name: value for name, value in plain.items() if value is not None}
    given.update({n: milliseconds(span) for n, span in spans.items() if span is not None})
    return dumps(given)
