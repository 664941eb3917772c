"""Skills, conversations and settings of users, and the agents that work with them in sandboxes.

**Nothing is encrypted end to end**: whoever runs the server reads everything. A client of the service over HTTP, and a
channel to the agent of a session::

    from agentmesh.user_data import Delta, HookPolicy, TurnEnd, UserDataClient

    client = UserDataClient("https://api.example.com", api_key=os.environ["API_KEY"])
    async with client.channel(
        "session-1", user="alice", skills={"debugging.md": "# Debugging"}, hooks=HookPolicy.allow_tools(["Read"])
    ) as channel:
        async for part in await channel.send("Help me debug this issue"):
            match part:
                case Delta(content=text):
                    print(text, end="")
                case TurnEnd(text=text):
                    print()
        await channel.save("alice", "conv-1")
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _native
from ._channel import AgentOptions, Setup, Turn, UserDataChannel
from ._channel_events import (
    Block,
    ChannelClosed,
    ChannelConnected,
    ChannelConversation,
    ChannelDisconnected,
    ChannelError,
    ChannelEvent,
    ChannelHistory,
    ChannelLagged,
    ChannelMessage,
    ChannelResumed,
    ChannelStatus,
    Cleared,
    Delta,
    HookAnswered,
    HookNotification,
    NewSession,
    OtherEvent,
    TurnEnd,
    TurnPart,
    Unasked,
    UnreadableEvent,
)
from ._hooks import HookAction, HookAnswer, HookHandler, HookPolicy, HookRequest
from ._items import settings as _settings
from ._values import JSON, Seconds, dumps, milliseconds

__all__ = [
    "PREFERENCES",
    "AgentOptions",
    "Block",
    "ChannelClosed",
    "ChannelConnected",
    "ChannelConversation",
    "ChannelDisconnected",
    "ChannelError",
    "ChannelEvent",
    "ChannelHistory",
    "ChannelLagged",
    "ChannelMessage",
    "ChannelResumed",
    "ChannelStatus",
    "Cleared",
    "Conversation",
    "ConversationEntry",
    "Delta",
    "Health",
    "HookAction",
    "HookAnswer",
    "HookAnswered",
    "HookHandler",
    "HookNotification",
    "HookPolicy",
    "HookRequest",
    "NewSession",
    "OtherEvent",
    "Settings",
    "Setup",
    "Skill",
    "Turn",
    "TurnEnd",
    "TurnPart",
    "Unasked",
    "UnreadableEvent",
    "UserDataChannel",
    "UserDataClient",
]

PREFERENCES = "preferences"
"""The name that a user's settings have unless they have another."""

@dataclass(frozen=True)
class Skill:
    """A skill."""

    name: str
    """Its name."""
    content: str = field(repr=False)
    """Its text."""
    metadata: dict[str, Any]
    """Who stored it, and when."""
    uploaded: str
    """When it was stored, ISO 8601."""
    size: int
    """Bytes."""
    other: dict[str, Any]
    """Whatever else the answer holds."""


@dataclass(frozen=True)
class ConversationEntry:
    """A line of a list of conversations."""

    id: str
    """Its id."""
    saved_at: str
    """When it was saved, ISO 8601."""
    size: int
    """Bytes."""
    other: dict[str, Any]
    """Whatever else the answer holds."""


@dataclass(frozen=True)
class Conversation:
    """A stored conversation."""

    id: str
    """Its id."""
    body: dict[str, Any] = field(repr=False)
    """The body as it was saved, with everything in it."""
    metadata: dict[str, Any]
    """Who saved it, and when."""
    uploaded: str
    """When it was saved, ISO 8601."""
    other: dict[str, Any]
    """Whatever else the answer holds."""

    @property
    def messages(self) -> list[Any]:
        """Its messages: by custom objects with ``role`` and ``content``."""
        return list(self.body.get("messages", []))


@dataclass(frozen=True)
class Settings:
    """A user's settings under one name."""

    name: str
    """Their name."""
    values: dict[str, Any] = field(repr=False)
    """The object that was put."""
    metadata: dict[str, Any]
    """Who stored them, and when."""
    uploaded: str
    """When they were stored, ISO 8601."""
    other: dict[str, Any]
    """Whatever else the answer holds."""


@dataclass(frozen=True)
class Health:
    """What the server says of itself."""

    status: str
    """``healthy`` or ``ok``."""
    other: dict[str, Any]
    """Whatever else the answer holds."""


def _conversation(body: Mapping[str, Any] | str, messages: list[Any] | None, metadata: Any) -> str:
    if isinstance(body, str):
        made: dict[str, Any] = {"conversationId": body, "messages": messages or []}
        if metadata is not None:
            made["metadata"] = dict(metadata)
        return dumps(made)
    if messages is not None or metadata is not None:
        raise TypeError("messages and metadata go with an id; an object has its own")
    return dumps(dict(body))


class UserDataClient:
    """A client of a user data service. It connects when it is first used, and needs no closing.

    Every request has a time limit and an id that the server's log has, too; those that can be repeated without harm are. Names
    are checked before anything is sent (``USER_DATA_INVALID_NAME``).
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        request_timeout: Seconds | None = None,
        setup_timeout: Seconds | None = None,
        upload_timeout: Seconds | None = None,
        retry_pauses: list[Seconds] | None = None,
        allow_insecure: bool = False,
    ) -> None:
        """``base_url`` keeps its path. ``retry_pauses`` are the pauses before a request is sent again, half a second, one
        and two by default; an empty list sends everything once."""
        spans: dict[str, Seconds | None] = {
            "request_timeout_ms": request_timeout,
            "setup_timeout_ms": setup_timeout,
            "upload_timeout_ms": upload_timeout,
        }
        pauses = None if retry_pauses is None else [milliseconds(pause) for pause in retry_pauses]
        how = _settings(spans, base_url=base_url, retry_pauses_ms=pauses, allow_insecure=allow_insecure)
        self._client = _native.UserDataClient(how, api_key)

    # Skills.

    async def put_skill(self, user: str, name: str, content: str) -> str:
        """Stores a skill, over one of the same name. Returns where it is in the store."""
        return str(json.loads(await self._client.put_skill(user, name, content))["key"])

    async def list_skills(self, user: str) -> list[str]:
        """The names of all skills of a user; none for a user that nobody knows."""
        return list(json.loads(await self._client.list_skills(user))["skills"])

    async def skill(self, user: str, name: str) -> Skill:
        """A skill. Raises :class:`agentmesh.NotFoundError` if there is none."""
        value = json.loads(await self._client.skill(user, name))
        return Skill(
            value.pop("skillName"),
            value.pop("content"),
            value.pop("metadata"),
            value.pop("uploaded"),
            value.pop("size"),
            value,
        )

    async def delete_skill(self, user: str, name: str) -> None:
        """Deletes a skill. One that is not there is deleted, too."""
        await self._client.delete_skill(user, name)

    # Conversations.

    async def save_conversation(
        self,
        user: str,
        conversation: Mapping[str, Any] | str,
        messages: list[Any] | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Stores a conversation, over one of the same id. Returns where it is in the store.

        ``conversation`` is an id, with ``messages`` and ``metadata`` beside it, or a whole object with a
        ``conversationId``, which is kept as it is.
        """
        body = _conversation(conversation, messages, metadata)
        return str(json.loads(await self._client.save_conversation(user, body))["key"])

    async def conversation(self, user: str, id: str) -> Conversation:
        """A conversation as it was saved. Raises :class:`agentmesh.NotFoundError` if there is none."""
        value = json.loads(await self._client.conversation(user, id))
        return Conversation(
            value.pop("conversationId"),
            value.pop("conversation"),
            value.pop("metadata"),
            value.pop("uploaded"),
            value,
        )

    async def list_conversations(self, user: str) -> list[ConversationEntry]:
        """All conversations of a user, without their contents. Deployed servers have no such list."""
        found = json.loads(await self._client.list_conversations(user))["conversations"]
        return [
            ConversationEntry(
                value.pop("conversationId"), value.pop("savedAt"), value.pop("size"), value
            )
            for value in found
        ]

    async def delete_conversation(self, user: str, id: str) -> None:
        """Deletes a conversation. One that is not there is deleted, too. Deployed servers delete none."""
        await self._client.delete_conversation(user, id)

    # Settings.

    async def put_settings(
        self, user: str, values: Mapping[str, JSON], name: str = PREFERENCES
    ) -> None:
        """Stores settings, over those of the same name. Deployed servers have none."""
        given: Any = values
        if not isinstance(given, Mapping):
            raise TypeError(f"settings are a dictionary, not {type(given).__name__}; their name comes after them")
        await self._client.put_settings(user, name, dumps(dict(values)))

    async def settings(self, user: str, name: str = PREFERENCES) -> Settings:
        """Settings. Raises :class:`agentmesh.NotFoundError` if there are none."""
        value = json.loads(await self._client.settings(user, name))
        return Settings(
            value.pop("name"),
            value.pop("settings"),
            value.pop("metadata"),
            value.pop("uploaded"),
            value,
        )

    async def delete_settings(self, user: str, name: str = PREFERENCES) -> None:
        """Deletes settings. Those that are not there are deleted, too."""
        await self._client.delete_settings(user, name)

    # Sandboxes.

    async def setup(self, session: str, user: str | None = None) -> Setup:
        """Makes a sandbox ready for a session and loads the user's skills into it; a channel does it by itself. Without a
        user, the server takes the session's id for one."""
        return Setup._of(await self._client.setup(session, user))

    async def destroy_sandbox(self, session: str) -> None:
        """Throws a session's sandbox away, with everything in it that is not stored."""
        await self._client.destroy_sandbox(session)

    async def health(self) -> Health:
        """What the server says of itself. Needs no key, and sends none."""
        value = json.loads(await self._client.health())
        return Health(value.pop("status"), value)

    def channel(
        self,
        session: str,
        *,
        user: str | None = None,
        skills: Mapping[str, str] | None = None,
        setup: bool = True,
        token: str | None = None,
        use_api_key: bool = False,
        namespace: str | None = None,
        hooks: HookPolicy | None = None,
        call_timeout: Seconds | None = None,
        turn_timeout: Seconds | None = None,
    ) -> UserDataChannel:
        """A conversation with the agent of a session; ``async with`` opens it.

        ``skills`` are stored for the user before. The channel is opened with the token that the setup issued, with ``token``
        from elsewhere, or with ``use_api_key`` with the client's key: deployed servers hand what comes over the channel to
        the sandbox, where the agent can read it. ``hooks`` says which tools the agent may use: none by default.
        """
        if use_api_key and token is not None:
            raise ValueError("a channel is opened with one key: token, or use_api_key")
        given: Any = skills
        if given is not None and not isinstance(given, Mapping):
            raise TypeError("skills are a dictionary: of paths, such as 'debugging.md', and what is in them")
        policy: Any = HookPolicy() if hooks is None else hooks
        if not isinstance(policy, HookPolicy):
            raise TypeError("hooks are a HookPolicy, such as HookPolicy.allow_tools(['Read'])")
        how = _settings(
            {"call_timeout_ms": call_timeout, "turn_timeout_ms": turn_timeout},
            session=session,
            user=user,
            skills=[list(skill) for skill in (skills or {}).items()],
            without_setup=not setup,
            namespace=namespace,
            tools=policy._tools(),
        )
        key = "token" if token is not None else "api" if use_api_key else "session"
        return UserDataChannel(self._client, how, key, token, policy.handler)

    def __repr__(self) -> str:
        return "<UserDataClient>"
