"""Hooks: what an agent asks before it uses a tool, and who answers."""

from __future__ import annotations

import asyncio
import enum
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

from . import _native, _values
from ._values import dumps, strings

__all__ = ["Asker", "HookAction", "HookAnswer", "HookHandler", "HookPolicy", "HookRequest"]


class HookAction(str, enum.Enum):
    """What to do about a hook."""

    CONTINUE = "continue"
    """Go on as if nobody had been asked."""
    APPROVE = "approve"
    """Do it."""
    DENY = "deny"
    """Do not."""


@dataclass(frozen=True)
class HookRequest:
    """What the agent asks."""

    event: str
    """Which hook: ``PreToolUse``, ``Notification``, ``UserPromptSubmit``, ``Stop``, or something else."""
    data: Any = field(repr=False)
    """What it is about."""
    tool_name: str | None
    """The tool that it is about."""

    @property
    def is_tool_use(self) -> bool:
        """Whether it asks for leave to use a tool."""
        return self.event == "PreToolUse"


@dataclass(frozen=True)
class HookAnswer:
    """An answer to a :class:`HookRequest`."""

    action: HookAction
    """What to do."""
    reason: str | None = None
    """Why, for the agent; cut after a thousand characters."""

    @classmethod
    def proceed(cls) -> HookAnswer:
        """Go on as if nobody had been asked."""
        return cls(HookAction.CONTINUE)

    @classmethod
    def approve(cls) -> HookAnswer:
        """Do it."""
        return cls(HookAction.APPROVE)

    @classmethod
    def deny(cls, reason: str) -> HookAnswer:
        """Do not."""
        return cls(HookAction.DENY, reason)


HookHandler: TypeAlias = Callable[
    [HookRequest], Union[HookAnswer, bool, None, Awaitable[Union[HookAnswer, bool, None]]]
]
"""Answers hooks within 30 seconds: ``True`` approves, ``False`` denies, ``None`` leaves it to the policy."""


@dataclass(frozen=True)
class HookPolicy:
    """How hooks are answered: every one, at once or within 30 seconds, so that the agent never waits for nobody.

    By default everything goes on but the use of tools, which is denied: a program that was not told which tools an agent
    may use has not allowed any.
    """

    tools: tuple[str, ...] | None = ()
    """Tools that need not be asked for; ``None`` stands for all."""
    handler: HookHandler | None = field(default=None, repr=False)
    """Is asked first. What it leaves open, or does not answer in time, is decided by ``tools``."""

    def __post_init__(self) -> None:
        if self.tools is not None:
            object.__setattr__(self, "tools", tuple(strings(self.tools, "tools")))
        if self.handler is not None:
            _values.handler(self.handler, "the handler of hooks")

    @classmethod
    def allow_tools(cls, names: Iterable[str], ask: HookHandler | None = None) -> HookPolicy:
        """Lets these tools be used, and no others; asks ``ask`` first."""
        return cls(tuple(strings(names, "tools")), ask)

    @classmethod
    def allow_all_tools(cls, ask: HookHandler | None = None) -> HookPolicy:
        """Lets every tool be used; asks ``ask`` first."""
        return cls(None, ask)

    @classmethod
    def ask(cls, handler: HookHandler) -> HookPolicy:
        """Asks a handler; what it leaves open is denied if it is the use of a tool."""
        return cls((), handler)

    def _tools(self) -> Any:
        return "all" if self.tools is None else {"some": list(self.tools)}


class Asker:
    """Asks a handler about hooks, on the loop that the channel was opened in."""

    def __init__(self, handler: HookHandler, loop: asyncio.AbstractEventLoop) -> None:
        self._handler = handler
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, question: _native.HookQuestion) -> None:
        # On a thread of the native module. A loop that is closed decides nothing: the policy does.
        try:
            self._loop.call_soon_threadsafe(self._begin, question)
        except RuntimeError:
            question.answer()

    def _begin(self, question: _native.HookQuestion) -> None:
        task = self._loop.create_task(self._decide(question))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _decide(self, question: _native.HookQuestion) -> None:
        answer: str | None = None
        try:
            decided = self._handler(HookRequest(**json.loads(question.request)))
            answer = _answer(await decided if inspect.isawaitable(decided) else decided)
        except Exception:
            logging.getLogger("agentmesh").exception("the handler of hooks failed; left to the policy")
        finally:
            question.answer(answer)


def _answer(answer: HookAnswer | bool | None) -> str | None:
    if answer is None:
        return None
    if isinstance(answer, bool):
        answer = HookAnswer.approve() if answer else HookAnswer.deny("the application denied it")
    return dumps({"action": HookAction(answer.action).value, "reason": answer.reason})
