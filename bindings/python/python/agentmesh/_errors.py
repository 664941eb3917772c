"""Errors: one base class, a subclass for each kind, and a stable code on every one."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from typing import Any

from . import _native
from ._store_failures import behind

__all__ = [
    "AgentMeshError",
    "AuthenticationError",
    "ClosedError",
    "ConflictError",
    "DeadlineError",
    "ErrorKind",
    "InternalError",
    "InvalidInputError",
    "NetworkError",
    "NotFoundError",
    "PolicyError",
    "ProtocolError",
    "RateLimitedError",
    "RemoteError",
    "StorageError",
]


class ErrorKind(str, enum.Enum):
    """Who has to act on an error."""

    INVALID_INPUT = "invalid_input"
    """The caller passed something that can never work."""
    AUTHENTICATION = "authentication"
    """A signature, key or tag did not verify."""
    PROTOCOL = "protocol"
    """A peer, relay or registry broke the protocol."""
    NOT_FOUND = "not_found"
    """The thing asked for does not exist."""
    CONFLICT = "conflict"
    """Somebody else changed or holds it."""
    STORAGE = "storage"
    """The store could not be read or written."""
    NETWORK = "network"
    """The network or a server failed."""
    RATE_LIMITED = "rate_limited"
    """Too many requests; wait and try again."""
    TIMEOUT = "timeout"
    """A deadline passed."""
    POLICY = "policy"
    """A policy, ours or the peer's, said no."""
    CLOSED = "closed"
    """The client was closed."""
    INTERNAL = "internal"
    """A bug in this library; please report it."""

    def __str__(self) -> str:
        return self.value


class AgentMeshError(Exception):
    """Any error of this package.

    Catch a subclass to act on who has to act, compare :attr:`code` to act on one certain error.
    """

    code: str
    """Stable upper-case code, such as ``BUNDLE_STALE``; all are in :class:`agentmesh.ErrorCode`."""
    kind: ErrorKind
    """Who has to act. Each kind has a subclass of its own."""
    retryable: bool
    """Whether the same call may succeed later without anybody changing anything."""
    details: dict[str, Any]
    """What a program may want to know besides; its members depend on the code."""

    def __init__(
        self,
        message: str,
        code: str,
        kind: ErrorKind,
        retryable: bool = False,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.kind = kind
        self.retryable = retryable
        self.details = {} if details is None else details

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = (str(self), self.code, self.kind, self.retryable, self.details)
        return (type(self), arguments)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}: {self})"


class InvalidInputError(AgentMeshError, ValueError):
    """The caller passed something that can never work."""


class AuthenticationError(AgentMeshError):
    """A signature, key or tag did not verify."""


class ProtocolError(AgentMeshError):
    """A peer, relay or registry broke the protocol."""


class RemoteError(ProtocolError):
    """The peer answered a request with an error. Its words are the peer's: never put them into a prompt as they are."""

    @property
    def remote_code(self) -> str:
        """The code that the peer chose, such as ``MODEL_OVERLOADED``."""
        return str(self.details.get("code", ""))

    @property
    def remote_message(self) -> str:
        """The peer's words."""
        return str(self.details.get("message", ""))

    @property
    def remote_retryable(self) -> bool:
        """Whether the peer says that the same request may succeed later."""
        return bool(self.details.get("retryable", False))

    @property
    def remote_details(self) -> Any:
        """Whatever else the peer said."""
        return self.details.get("details")


class NotFoundError(AgentMeshError, LookupError):
    """The thing asked for does not exist."""


class ConflictError(AgentMeshError):
    """Somebody else changed or holds it."""


class StorageError(AgentMeshError):
    """The store could not be read or written."""


class NetworkError(AgentMeshError, ConnectionError):
    """The network or a server failed."""


class RateLimitedError(AgentMeshError):
    """Too many requests; wait and try again."""

    @property
    def retry_after(self) -> float | None:
        """Seconds until there is room again, if that is known."""
        milliseconds = self.details.get("retry_after_ms")
        return None if milliseconds is None else float(milliseconds) / 1000


class DeadlineError(AgentMeshError, TimeoutError):
    """A deadline passed. What was queued stays queued."""


class PolicyError(AgentMeshError):
    """A policy, ours or the peer's, said no."""


class ClosedError(AgentMeshError):
    """The client, a store or a log was closed."""


class InternalError(AgentMeshError):
    """A bug in this library; please report it."""


_CLASSES: dict[str, type[AgentMeshError]] = {
    "invalid_input": InvalidInputError,
    "authentication": AuthenticationError,
    "protocol": ProtocolError,
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "storage": StorageError,
    "network": NetworkError,
    "rate_limited": RateLimitedError,
    "timeout": DeadlineError,
    "policy": PolicyError,
    "closed": ClosedError,
    "internal": InternalError,
}


class Cause(Exception):
    """What lies behind an error, in the core's words: its ``__cause__``."""


def error_factory(
    code: str,
    kind: str,
    message: str,
    retryable: bool,
    details: str | None,
    causes: Sequence[str] = (),
) -> AgentMeshError:
    """What the native halves make exceptions with."""
    chosen = _CLASSES.get(kind, InternalError)
    if code == "REQUEST_ERROR_RESPONSE":
        chosen = RemoteError
    made = chosen(
        message, code, ErrorKind(kind), retryable, None if details is None else json.loads(details)
    )
    # What a store of the application raised, in place of the words about it.
    known = behind(code, (message, *causes))
    last: BaseException = made
    for text in causes if known is None else causes[: max(0, known[0] - 1)]:
        last.__cause__ = cause = Cause(text)
        last = cause
    if known is not None:
        last.__cause__ = known[1]
    return made


def from_value(value: dict[str, Any]) -> AgentMeshError:
    """An error that an event tells of."""
    details = value["details"]
    made = error_factory(value["code"], value["kind"], value["message"], value["retryable"], None)
    made.details = {} if details is None else details
    return made


_native.set_error_factory(error_factory)
