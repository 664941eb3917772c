"""What services tell, one item after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from . import _native
from ._values import Seconds, dumps, milliseconds

__all__ = ["Items"]

T_co = TypeVar("T_co", covariant=True)


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
