"""What an agent is opened with, in the words of the native module."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from ._policy import Policy
from ._values import Seconds, dumps, milliseconds

__all__ = ["Key", "RateLimit"]


@dataclass(frozen=True)
class Key:
    """Where the key comes from that seals what is stored. Lost, the store is lost."""

    kind: str
    """``bytes``, ``file``, ``variable`` or ``passphrase``."""
    value: Any = field(repr=False)
    """Which one."""

    @classmethod
    def file(cls, path: str | os.PathLike[str]) -> Key:
        """A file, made together with a new identity and readable by its owner only."""
        return cls("file", os.fspath(path))

    @classmethod
    def variable(cls, name: str) -> Key:
        """An environment variable with 32 bytes in base64, as a key file has them."""
        return cls("variable", name)

    @classmethod
    def passphrase(cls, passphrase: str) -> Key:
        """A passphrase for a key that is made with a new identity and kept in the store. Opening takes a tenth of a second."""
        return cls("passphrase", passphrase)

    @classmethod
    def random(cls) -> Key:
        """A fresh key that is kept nowhere: for stores in memory."""
        return cls("bytes", os.urandom(32))

    @classmethod
    def of(cls, key: Any) -> Key:
        """32 bytes, or one of the above."""
        if isinstance(key, Key):
            return key
        if isinstance(key, (bytes, bytearray)):
            return cls("bytes", bytes(key))
        raise TypeError("a key is 32 bytes, or Key.file(), Key.variable(), Key.passphrase()")


@dataclass(frozen=True)
class RateLimit:
    """How much may be sent, how fast."""

    per_minute: int
    """Messages in a minute, in the long run."""
    burst: int
    """Messages at once."""


def opening(
    *,
    policy: Policy | None,
    policy_file: str | os.PathLike[str] | None,
    policy_poll: Seconds | None,
    knock_timeout: Seconds | None,
    connect_timeout: Seconds | None,
    heartbeat: Seconds | None,
    rate_limit: RateLimit | None,
    peer_rate_limit: RateLimit | None,
    audit_log: str | os.PathLike[str] | None,
    audit_encrypted: bool,
    **plain: Any,
) -> str:
    """The settings as the native module reads them; what is ``None`` is left out."""
    settings: dict[str, Any] = dict(plain)
    if policy is not None:
        given: Any = policy
        if not isinstance(given, Policy):
            raise TypeError("a policy is a Policy, such as Policy.permissive(), or Policy(rules) of a dictionary")
        settings["policy"] = json.loads(policy.to_json())
    if policy_file is not None:
        settings["policy_file"] = os.fspath(policy_file)
    if rate_limit is not None or peer_rate_limit is not None:
        settings["rate_limits"] = {
            name: {"per_minute": limit.per_minute, "burst": limit.burst}
            for name, limit in (("overall", rate_limit), ("per_peer", peer_rate_limit))
            if limit is not None
        }
    if audit_log is not None:
        settings["audit"] = {"directory": os.fspath(audit_log), "encrypted": audit_encrypted}
    spans = {
        "policy_poll_ms": policy_poll,
        "knock_timeout_ms": knock_timeout,
        "connect_timeout_ms": connect_timeout,
        "heartbeat_ms": heartbeat,
    }
    settings.update({n: milliseconds(span) for n, span in spans.items() if span is not None})
    return dumps({name: value for name, value in settings.items() if value is not None})
