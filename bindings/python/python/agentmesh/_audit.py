"""The audit log of an agent."""

from __future__ import annotations

import datetime
import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import _native
from ._values import dumps

__all__ = ["AuditEntry", "AuditLog", "AuditReport", "Severity"]


class Severity(str, enum.Enum):
    """How grave an event is."""

    DEBUG = "DEBUG"
    """Single messages and frames."""
    INFO = "INFO"
    """Changes of state."""
    WARNING = "WARNING"
    """Something was refused or did not work."""
    ERROR = "ERROR"
    """Something went wrong that should not."""
    CRITICAL = "CRITICAL"
    """The owner should look at once."""


@dataclass(frozen=True)
class AuditEntry:
    """An event as the log has it."""

    id: str
    """Its id."""
    timestamp: datetime.datetime
    """When it happened."""
    type: str
    """What happened, such as ``SESSION_INITIATED``."""
    severity: Severity
    """How grave it is."""
    amid: str
    """The agent whose log this is."""
    message: str
    """In words."""
    peer: str | None = None
    """The other agent."""
    session: str | None = None
    """The session."""
    metadata: dict[str, Any] = field(default_factory=lambda: {})
    """Anything else."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> AuditEntry:
        return cls(
            id=value["id"],
            timestamp=datetime.datetime.fromisoformat(value["timestamp"].replace("Z", "+00:00")),
            type=value["type"],
            severity=Severity(value["severity"]),
            amid=value["amid"],
            message=value["message"],
            peer=value.get("peerAmid"),
            session=value.get("sessionId"),
            metadata=value.get("metadata", {}),
        )


@dataclass(frozen=True)
class AuditReport:
    """What checking a log found. That it was made says that the chain is whole."""

    files: int
    """Files read."""
    lines: int
    """Lines read."""
    events: int
    """Events among them."""
    first: int
    """Number of the first line that is there."""
    last: int
    """Number of the last line."""
    anchors: int
    """Anchors whose signature is the agent's."""
    anchored: int | None
    """Number of the last line that an anchor vouches for."""
    encrypted: bool
    """Whether events are encrypted."""
    dropped: int
    """Events that the log itself says were not logged."""
    repairs: int
    """How often the end was incomplete and was cut off, as after a crash."""
    torn: int
    """Bytes of an incomplete line at the end."""


class AuditLog:
    """An agent's audit log: a chain of lines, each naming the one before, whose end the identity signs."""

    __slots__ = ("_inner",)
    _inner: _native.AuditLog

    def __init__(self, native: _native.AuditLog) -> None:
        self._inner = native

    def log(
        self,
        type: str,
        message: str,
        *,
        severity: Severity = Severity.INFO,
        peer: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Logs an event of the application. Never waits. Nothing secret belongs into it."""
        more = None if metadata is None else dumps(metadata)
        self._inner.log(type, Severity(severity).value, message, peer, more)

    async def query(
        self,
        *,
        types: Sequence[str] = (),
        min_severity: Severity | None = None,
        peer: str | None = None,
        session: str | None = None,
        since: datetime.datetime | None = None,
        until: datetime.datetime | None = None,
        limit: int | None = None,
    ) -> list[AuditEntry]:
        """The events that match, oldest first; of those the newest ``limit``."""
        conditions = {
            "types": list(types),
            "min_severity": None if min_severity is None else Severity(min_severity).value,
            "peer": peer,
            "session": session,
            "since": None if since is None else round(since.timestamp() * 1000),
            "until": None if until is None else round(until.timestamp() * 1000),
            "limit": limit,
        }
        found = await self._inner.query(dumps(conditions))
        return [AuditEntry._of(value) for value in json.loads(found)]

    async def verify(self, anchor: str | None = None) -> AuditReport:
        """Checks the whole log; with an anchor, also that it still has what the anchor says. Raises at the first line
        that is wrong."""
        return AuditReport(**json.loads(await self._inner.verify(anchor)))

    async def anchor(self) -> str:
        """Signs the end of the log. Kept where the log's disk is not, it shows later that nothing was cut off."""
        return await self._inner.anchor()

    async def flush(self) -> None:
        """Returns when everything logged before is on disk."""
        await self._inner.flush()
