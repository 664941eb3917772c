"""What stores of an application failed with, so that the errors that come of it can have it as their ``__cause__``."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence

__all__ = ["MOST", "behind", "remember"]

MOST = 16
"""So many are kept, with their tracebacks; an error comes soon after what it comes from."""

_Failure = tuple[str, str, str, BaseException]
_recent: deque[_Failure] = deque(maxlen=MOST)
_numbers = itertools.count(1)


def remember(error: BaseException, words: str, kind: str, location: str) -> str:
    """The words for the core, which tell this failure from others. It passes them on, but for kinds that need none."""
    marked = f"{words} (failure {next(_numbers)})"
    _recent.append((marked, f"STORAGE_{kind.upper()}", location, error))
    return marked


def behind(code: str, texts: Sequence[str]) -> tuple[int, BaseException] | None:
    """Which text of an error first tells of a failure that is known, and what was raised then."""
    for place, text in enumerate(texts):
        for marked, failed, location, error in reversed(_recent):
            if marked in text or (code == failed and location in text):
                return place, error
    return None
