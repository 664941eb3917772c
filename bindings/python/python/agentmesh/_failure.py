"""What a handler raises to answer with an error."""

from __future__ import annotations

from typing import Any

__all__ = ["Failure"]


class Failure(Exception):
    """Raised by a handler of requests: the peer's ``request`` fails with this code and these words.

    Any other exception of a handler is not told to the peer; the message comes again.
    """

    def __init__(
        self, code: str, message: str = "", *, retryable: bool = False, details: Any = None
    ) -> None:
        given: tuple[Any, Any] = (code, message)
        if not all(isinstance(text, str) for text in given):
            # Said where it is raised: what cannot be told to the peer would leave it waiting.
            raise TypeError("the code of a failure is a str, such as 'NO_PROMPT', and so is its message")
        super().__init__(message or code)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.details = details
