"""End-to-end encrypted messaging for agents.

>>> from agentmesh import AgentMeshClient, Key, SQLiteStorage

Begin with :class:`AgentMeshClient`. :mod:`agentmesh.sync` is the same without asyncio, :mod:`agentmesh.testing` a server for
tests, :mod:`agentmesh.storage` stores, also of your own.
"""

from __future__ import annotations

import atexit

from . import _native
from ._audit import AuditEntry, AuditLog, AuditReport, Severity
from ._client import AgentMeshClient, Events
from ._codes import ErrorCode
from ._errors import (
    AgentMeshError,
    AuthenticationError,
    ClosedError,
    ConflictError,
    DeadlineError,
    ErrorKind,
    InternalError,
    InvalidInputError,
    NetworkError,
    NotFoundError,
    PolicyError,
    ProtocolError,
    RateLimitedError,
    RemoteError,
    StorageError,
)
from ._failure import Failure
from ._identity import Backup, Identity, safety_number, verify
from ._knock import Accept, Decision, Knock, KnockRequest, Later, PendingKnock, Reject
from ._logging import refresh_log_level
from ._managers import (
    AnsweredKnock,
    Incoming,
    InitiatedSession,
    KnockProtocol,
    PrekeyManager,
    SealedStore,
    SessionManager,
)
from ._message import Message, Messages
from ._options import Key, RateLimit
from ._policy import Policy
from ._stream import Chunk, IncomingStream, OutgoingStream
from ._values import (
    Agreement,
    Bucket,
    CapabilityMatch,
    CircuitState,
    CircuitStatus,
    Event,
    InboxItem,
    Listing,
    OpenStream,
    OutboxItem,
    RateStatus,
    SearchPage,
    Sent,
    SessionChains,
    SessionSummary,
    SessionType,
    Stage,
    Tier,
)
from .storage import CustomStorage, FileStorage, MemoryStorage, S3Storage, SQLiteStorage, Storage

__version__: str = _native.VERSION

__all__ = [
    "Accept",
    "AgentMeshClient",
    "AgentMeshError",
    "Agreement",
    "AnsweredKnock",
    "AuditEntry",
    "AuditLog",
    "AuditReport",
    "AuthenticationError",
    "Backup",
    "Bucket",
    "CapabilityMatch",
    "Chunk",
    "CircuitState",
    "CircuitStatus",
    "ClosedError",
    "ConflictError",
    "CustomStorage",
    "DeadlineError",
    "Decision",
    "ErrorCode",
    "ErrorKind",
    "Event",
    "Events",
    "Failure",
    "FileStorage",
    "Identity",
    "InboxItem",
    "Incoming",
    "IncomingStream",
    "InitiatedSession",
    "InternalError",
    "InvalidInputError",
    "Key",
    "Knock",
    "KnockProtocol",
    "KnockRequest",
    "Later",
    "Listing",
    "MemoryStorage",
    "Message",
    "Messages",
    "NetworkError",
    "NotFoundError",
    "OpenStream",
    "OutboxItem",
    "OutgoingStream",
    "PendingKnock",
    "Policy",
    "PolicyError",
    "PrekeyManager",
    "ProtocolError",
    "RateLimit",
    "RateLimitedError",
    "RateStatus",
    "Reject",
    "RemoteError",
    "S3Storage",
    "SQLiteStorage",
    "SealedStore",
    "SearchPage",
    "Sent",
    "SessionChains",
    "SessionManager",
    "SessionSummary",
    "SessionType",
    "Severity",
    "Stage",
    "Storage",
    "StorageError",
    "Tier",
    "refresh_log_level",
    "safety_number",
    "verify",
]

def _settle() -> None:
    # What people see in tracebacks and `help()` is where they import it from.
    for name in __all__:
        if isinstance(globals()[name], type):
            globals()[name].__module__ = __name__


_settle()

# The native module's threads leave the interpreter alone before it ends.
atexit.register(_native.shut_down)
