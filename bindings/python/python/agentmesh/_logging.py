"""The library's own log, under the logger ``agentmesh``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Protocol

from . import _native

__all__ = ["refresh_log_level"]

TRACE = 5
"""Level of what the library says about every single step."""

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG, 5: TRACE}
_Record = tuple[int, str, str, int]


class _Half(Protocol):
    """What has a log: the native half of this package, and that of ``agentmesh_server``."""

    @property
    def start_logging(self) -> Callable[[Callable[[_Record], None], int], bool]: ...

    @property
    def set_log_level(self) -> Callable[[int], None]: ...


_halves: list[_Half] = [_native]
_started_by = 0


def _number() -> int:
    level = logging.getLogger("agentmesh").getEffectiveLevel()
    numbers = [number for number, of in _LEVELS.items() if of >= level]
    return max(numbers, default=0)


def _log(record: _Record) -> None:
    number, target, message, dropped = record
    name = target.replace("agentmesh_", "agentmesh.", 1).replace("::", ".")
    logger = logging.getLogger(name)
    if dropped:
        logger.warning("%d records of the library were dropped", dropped)
    logger.log(_LEVELS[number], "%s", message)


def add_half(half: _Half) -> None:
    """Another native half that was loaded."""
    _halves.append(half)
    if _started_by == os.getpid():
        half.start_logging(_log, _number())


def refresh_log_level() -> None:
    """Reads the level of the logger ``agentmesh`` anew. Opening a client does it, too; records below it cost nothing."""
    global _started_by
    # The child of a fork has no thread that reads what its parent asked for.
    started, _started_by = _started_by == os.getpid(), os.getpid()
    for half in _halves:
        if started:
            half.set_log_level(_number())
        else:
            half.start_logging(_log, _number())
