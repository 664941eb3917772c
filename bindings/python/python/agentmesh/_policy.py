"""Policies: who may open sessions with an agent."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from . import _native
from ._knock import Decision, from_json
from ._values import SessionType, Tier, dumps

__all__ = ["Policy"]


class Policy:
    """Rules by which KNOCKs are accepted or rejected.

    Made from the members of a policy file, in either spelling; what is left out takes the default, and what is not
    understood is an error: a misspelt block list would otherwise be no block list.

    >>> policy = Policy(min_tier="verified", allowed_intents=["weather/forecast"])
    >>> policy["minTier"]
    'verified'
    >>> Policy(min_teir="verified")
    Traceback (most recent call last):
        ...
    agentmesh.InvalidInputError: policy: unknown field...
    """

    __slots__ = ("_rules",)
    _rules: dict[str, Any]

    def __init__(self, rules: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        given = {**(rules or {}), **more}
        text = dumps({name: _plain(value) for name, value in given.items()})
        self._rules = json.loads(_native.normalize_policy(text))

    @classmethod
    def default(cls) -> Policy:
        """Anybody, for sessions of at most five minutes; the handler of the application is asked."""
        return cls(json.loads(_native.policy_preset("default")))

    @classmethod
    def permissive(cls) -> Policy:
        """Anybody, without asking the handler."""
        return cls(json.loads(_native.policy_preset("permissive")))

    @classmethod
    def verified(cls) -> Policy:
        """Verified agents and organizations of a reputation of 0.5 and more. What agents have unless they say otherwise."""
        return cls(json.loads(_native.policy_preset("verified")))

    @classmethod
    def organization(cls) -> Policy:
        """Organizations of a reputation of 0.7 and more."""
        return cls(json.loads(_native.policy_preset("organization")))

    @classmethod
    def from_json(cls, text: str) -> Policy:
        """Reads a policy as a file has it."""
        return cls(json.loads(text))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Policy:
        """Reads a policy file, once. ``AgentMeshClient(policy_file=…)`` follows its changes."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

    def replace(self, **rules: Any) -> Policy:
        """The same with other rules.

        >>> Policy.verified().replace(min_reputation=0.9)["min_reputation"]
        0.9
        """
        return Policy({**self._rules, **{_camel(name): value for name, value in rules.items()}})

    def evaluate(
        self,
        sender: str,
        capability: str,
        *,
        tier: Tier | str = Tier.ANONYMOUS,
        reputation: float = 0.0,
        session_type: SessionType | str = SessionType.ONE_SHOT,
        ttl: int | None = None,
        sessions: int = 0,
    ) -> Decision:
        """What the policy says of a KNOCK. Has no side effects.

        >>> Policy.permissive().evaluate("3vaLv8qnmGSndxmYvHiHWN3cb312", "weather")
        Accept(ttl=300)
        >>> Policy.verified().evaluate("3vaLv8qnmGSndxmYvHiHWN3cb312", "weather").reason
        'Tier anonymous below minimum verified'
        """
        knock = {
            "sender": sender,
            "capability": capability,
            "tier": _plain(tier),
            "reputation": reputation,
            "session_type": _plain(session_type),
            "ttl_s": ttl,
            "sessions": sessions,
        }
        return from_json(_native.evaluate_policy(dumps(self._rules), dumps(knock)))

    def to_json(self) -> str:
        """The policy as a file."""
        return json.dumps(self._rules, indent=2, ensure_ascii=False)

    def __getitem__(self, rule: str) -> Any:
        # Lists that are empty need not be in a file.
        name = rule if rule in self._rules else _camel(rule)
        return self._rules[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policy) and self._rules == other._rules

    def __hash__(self) -> int:
        return hash(dumps(self._rules))

    def __repr__(self) -> str:
        rules = ", ".join(f"{name}={value!r}" for name, value in self._rules.items())
        return f"Policy({rules})"


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(cast("frozenset[str]", value))
    if isinstance(value, (Tier, SessionType)):
        return value.value
    return value
