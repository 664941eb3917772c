"""The library's own log, under the logger ``agentmesh``."""

from __future__ import annotations

import logging
import os

from . import _native

__all__ = ["refresh_log_level"]

TRACE = 5
"""Level of what the library says about every single step."""

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG, 5: TRACE}
_started_by = 0


def _number() -> int:
    level = logging.getLogger("agentmesh").getEffectiveLevel()
    numbers = [number for number, of in _LEVELS.items() if of >= level]
    return max(numbers, default=0)


def _log(record: tuple[int, str, str, int]) -> None:
    number, target, message, dropped = record
    name = target.replace("agentmesh_", "agentmesh.", 1).replace("::", ".")
    logger = logging.getLogger(name)
    if dropped:
        logger.warning("%d records of the library were dropped", dropped)
    logger.log(_LEVELS[number], "%s", message)


def refresh_log_level() -> None:
    """Reads the level of the logger ``agentmesh`` anew. Opening a client does it, too; records below it cost nothing."""
    global _started_by
    if _started_by != os.getpid():
        # The child of a fork has no thread that reads what its parent asked for.
        _started_by = os.getpid()
        _native.start_logging(_log, _number())
    else:
        _native.set_log_level(_number())
