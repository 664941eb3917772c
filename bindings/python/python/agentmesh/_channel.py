"""A conversation with the agent of a session."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from . import _native
from ._channel_events import ChannelEvent, ChannelMessage, TurnEnd, TurnPart, event_of, part_of
from ._hooks import Asker, HookHandler
from ._items import Items, Opened
from ._values import dumps

__all__ = ["AgentOptions", "Setup", "Turn", "UserDataChannel"]


class Turn(Items[TurnPart]):
    """What the agent answers, as an asynchronous iterator: :class:`Delta`, :class:`ChannelMessage`, at the end
    :class:`TurnEnd`. Leaving it stops nothing: the agent goes on; interrupt it instead."""

    __slots__ = ()

    def __init__(self, native: _native.ItemStream) -> None:
        super().__init__(native, part_of)

    async def end(self) -> TurnEnd:
        """Waits for the end, and leaves out what comes before."""
        async for part in self:
            if isinstance(part, TurnEnd):
                return part
        raise RuntimeError("the turn was read to its end before")


@dataclass(frozen=True)
class Setup:
    """A sandbox is ready for a session."""

    session_id: str
    """The session."""
    user_id: str
    """The user whose skills it has."""
    method: str
    """How it gets them: ``r2_load_dev``, ``r2_mount``, ``r2_load_fallback``, or something newer."""
    skills_loaded: list[str]
    """Paths of the skills in the sandbox. Empty if there are none, or if they are mounted."""
    message: str
    """What the server says to people."""
    session_token: str | None = field(default=None, repr=False)
    """What the channel of this session is opened with, at servers that want it."""
    other: dict[str, Any] = field(default_factory=dict[str, Any])
    """Whatever else the answer holds."""

    @classmethod
    def _of(cls, answer: tuple[str, str | None]) -> Setup:
        value = json.loads(answer[0])
        return cls(
            value.pop("sessionId"),
            value.pop("userId"),
            value.pop("setupMethod"),
            value.pop("skillsLoaded"),
            value.pop("message"),
            answer[1],
            value,
        )


@dataclass(frozen=True)
class AgentOptions:
    """How the agent works. Servers take some of it, and drop the rest with a warning; what is ``None`` they decide."""

    max_turns: int | None = None
    """Turns of the agent with its model."""
    model: str | None = None
    """Which model."""
    system_prompt: str | None = field(default=None, repr=False)
    """What the model is told first."""
    permission_mode: str | None = None
    """When the agent asks before it does something."""
    allowed_tools: list[str] | None = None
    """Tools that may be used, and no others."""
    disallowed_tools: list[str] | None = None
    """Tools that may not be used."""
    max_thinking_tokens: int | None = None
    """How much the model may think."""
    include_partial_messages: bool | None = None
    """Whether answers come piece by piece."""
    resume: str | None = None
    """A conversation that is known from elsewhere. By default, the one that this channel heard of last."""
    new_conversation: bool = False
    """Begins a new conversation."""
    other: dict[str, Any] = field(default_factory=dict[str, Any])
    """Whatever else, under the names of the protocol."""

    def _json(self, overlap: bool = False) -> str:
        given = {name: value for name, value in vars(self).items() if value is not None}
        return dumps({**given, "overlap": overlap})


def _json(options: Any, overlap: bool = False) -> str:
    given = AgentOptions() if options is None else options
    if not isinstance(given, AgentOptions):
        raise TypeError(f"options are AgentOptions, not {type(given).__name__}")
    return given._json(overlap)


class UserDataChannel(Opened):
    """An open conversation with the agent of one session, from :meth:`UserDataClient.channel`.

    As a context manager it is opened, and closed at the end. It connects again by itself when the connection is lost, and its
    events say so; what is said is never sent again by itself. The sandbox stays: :meth:`UserDataClient.destroy_sandbox`.
    """

    def __init__(
        self,
        client: _native.UserDataClient,
        settings: str,
        key: str,
        token: str | None,
        handler: HookHandler | None,
    ) -> None:
        self._opening = (client, settings, key, token, handler)
        self._channel: _native.UserDataChannel | None = None

    async def connect(self) -> UserDataChannel:
        """Stores the skills, makes the sandbox ready and opens the channel; one that is open is left as it is."""
        if self._channel is None:
            client, settings, key, token, handler = self._opening
            asker = None if handler is None else Asker(handler, asyncio.get_running_loop())
            self._channel = await client.channel(settings, key, token, asker)
        return self

    @property
    def _native_channel(self) -> _native.UserDataChannel:
        if self._channel is None:
            raise RuntimeError("the channel is not open: use `async with` or `await channel.connect()`")
        return self._channel

    async def send(
        self, prompt: str, options: AgentOptions | None = None, *, overlap: bool = False
    ) -> Turn:
        """Says something to the agent, and gives what it answers as it comes: ``async for part in await channel.send(…)``.

        One turn at a time, unless ``overlap``. What goes wrong is raised by the turn.
        """
        return Turn(await self._native_channel.send(prompt, _json(options, overlap)))

    async def ask(self, prompt: str, options: AgentOptions | None = None) -> TurnEnd:
        """Says something and waits for the end of the turn."""
        return await (await self.send(prompt, options)).end()

    async def start(self, options: AgentOptions | None = None) -> None:
        """Starts the agent before anything is said."""
        await self._native_channel.start(_json(options))

    async def interrupt(self, reason: str | None = None) -> None:
        """Interrupts what the agent does. The turn that is under way raises ``USER_DATA_INTERRUPTED``."""
        await self._native_channel.interrupt(reason)

    async def history(self) -> list[ChannelMessage]:
        """What was said in this session, oldest first, nothing twice."""
        found = json.loads(await self._native_channel.history())
        return [ChannelMessage._of(value) for value in found]

    async def clear(self) -> None:
        """Interrupts the agent and empties the session's history."""
        await self._native_channel.clear()

    async def diagnostics(self) -> dict[str, Any]:
        """What the server knows of the session, as it says it. Older servers do not answer."""
        return dict(json.loads(await self._native_channel.diagnostics()))

    async def save(self, user: str, conversation: str) -> str:
        """Stores the session's history as a conversation of a user. Returns where it is in the store."""
        return str(json.loads(await self._native_channel.save(user, conversation))["key"])

    def events(self) -> Items[ChannelEvent]:
        """What happens besides turns. The first to ask gets everything since the start, others what comes from now on."""
        return Items(self._native_channel.events(), event_of)

    @property
    def setup(self) -> Setup | None:
        """What the setup answered, if there was one."""
        answer = self._native_channel.setup()
        return None if answer is None else Setup._of(answer)

    @property
    def conversation(self) -> str | None:
        """The agent's id for the conversation, once it is known."""
        return self._native_channel.conversation()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._native_channel.is_connected()

    async def close(self) -> None:
        """Gives up what is under way and takes leave, in at most three seconds. Again is fine."""
        if self._channel is not None:
            await self._channel.close()

    async def _enter(self) -> None:
        await self.connect()

    async def _leave(self) -> None:
        await self.close()

    def __repr__(self) -> str:
        if self._channel is None:
            return "<UserDataChannel, not open>"
        return f"<UserDataChannel{'' if self.is_connected else ', not connected'}>"
