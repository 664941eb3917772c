"""Services beside messages, without asyncio. See :mod:`agentmesh.sync`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import agent_ws, aiwm, signaling, user_data
from ._sync_loop import Synchronous, each, following, run
from ._values import JSON, Seconds

__all__ = [
    "AgentWebSocketClient",
    "AgentWebSocketService",
    "AiwmClient",
    "AiwmSupervisor",
    "AnswerStream",
    "SignalingClient",
    "Turn",
    "UserDataChannel",
    "UserDataClient",
]


class SignalingClient(Synchronous[signaling.SignalingClient]):
    """A place in a room: see :class:`agentmesh.signaling.SignalingClient`, whose arguments it takes."""

    def __init__(self, url: str, room: str, **settings: Any) -> None:
        super().__init__(signaling.SignalingClient(url, room, **settings))

    def join(self) -> SignalingClient:
        """Joins the room."""
        self.run(lambda client: client.join())
        return self

    def send(self, to: str, signal: JSON) -> None:
        """Sends a signal, and waits until the server took it."""
        self.run(lambda client: client.send(to, signal))

    def events(self, *, timeout: Seconds | None = None) -> Iterator[signaling.SignalingEvent]:
        """What happens, until the end, or until nothing came for ``timeout``. The first to ask gets everything since the start."""
        return each(self.asynchronous.events(), timeout)

    @property
    def id(self) -> str | None:
        """This client's id, once it joined. It can change."""
        return self.asynchronous.id

    @property
    def room(self) -> str:
        """The room, as servers know it."""
        return self.asynchronous.room

    @property
    def peers(self) -> list[str]:
        """Who else is in the room, by the last roster."""
        return self.asynchronous.peers

    @property
    def is_online(self) -> bool:
        """Whether there is a stream now."""
        return self.asynchronous.is_online

    @property
    def credentials(self) -> signaling.SessionCredentials | None:
        """What another process needs to go on as this client."""
        return self.asynchronous.credentials

    def leave(self) -> None:
        """Gives the place up. Again is fine."""
        self.run(lambda client: client.leave())


class AnswerStream(Synchronous[agent_ws.AnswerStream]):
    """An answer as it comes: an iterator of :class:`agentmesh.agent_ws.Delta`, and at the end of one ``Answer``."""

    def __iter__(self) -> Iterator[agent_ws.Part]:
        return self

    def __next__(self) -> agent_ws.Part:
        part: agent_ws.Part | None = run(lambda: following(self.asynchronous))
        if part is None:
            raise StopIteration
        return part

    def answer(self) -> agent_ws.Message:
        """Waits for the whole answer."""
        return self.run(lambda stream: stream.answer())


class AgentWebSocketClient(Synchronous[agent_ws.AgentWebSocketClient]):
    """A conversation with one agent: see :class:`agentmesh.agent_ws.AgentWebSocketClient`, whose arguments it takes."""

    def __init__(self, url: str, **settings: Any) -> None:
        super().__init__(agent_ws.AgentWebSocketClient(url, **settings))

    def connect(self) -> AgentWebSocketClient:
        """Connects."""
        self.run(lambda client: client.connect())
        return self

    def query(self, content: str, *, timeout: Seconds | None = None) -> agent_ws.Message:
        """Asks, and waits for the answer."""
        return self.run(lambda client: client.query(content, timeout=timeout))

    def query_stream(self, content: str, *, timeout: Seconds | None = None) -> AnswerStream:
        """Asks, and shows the answer piece by piece."""
        return AnswerStream(self.run(lambda client: client.query_stream(content, timeout=timeout)))

    def command(self, command: str) -> None:
        """Sends a command, such as ``cancel`` or ``clear``."""
        self.run(lambda client: client.command(command))

    def human_feedback(self, content: str, metadata: JSON = None) -> None:
        """Sends what a person thinks of an answer."""
        self.run(lambda client: client.human_feedback(content, metadata))

    def events(self, *, timeout: Seconds | None = None) -> Iterator[agent_ws.AgentWebSocketEvent]:
        """What happens besides answers, until the end, or until nothing came for ``timeout``."""
        return each(self.asynchronous.events(), timeout)

    @property
    def session(self) -> agent_ws.SessionInfo | None:
        """The session, if there is one now."""
        return self.asynchronous.session

    def close(self) -> None:
        """Takes leave of the server. Again is fine."""
        self.run(lambda client: client.close())


class AgentWebSocketService(Synchronous[agent_ws.AgentWebSocketService]):
    """An agent that listens, in front of a handler, which runs in threads: see
    :class:`agentmesh.agent_ws.AgentWebSocketService`, whose arguments it takes."""

    def __init__(self, handler: agent_ws.ChatHandler, **settings: Any) -> None:
        super().__init__(agent_ws.AgentWebSocketService(handler, **settings))

    def start(self) -> AgentWebSocketService:
        """Listens. When this returns, clients can connect."""
        self.run(lambda service: service.start())
        return self

    @property
    def url(self) -> str:
        """What clients on this machine take as the agent's URL."""
        return self.asynchronous.url

    @property
    def stats(self) -> agent_ws.ServiceStats:
        """What it has done so far."""
        return self.asynchronous.stats

    def notify(self, session_id: str, message: str) -> None:
        """Shows a notification to the client of a session."""
        self.asynchronous.notify(session_id, message)

    def close(self) -> None:
        """Tells every session to come back later, and ends. Again is fine."""
        self.run(lambda service: service.close())


class AiwmClient(Synchronous[aiwm.AiwmClient]):
    """Talks to a controller call by call: see :class:`agentmesh.aiwm.AiwmClient`."""

    def __init__(self, controller: aiwm.Controller) -> None:
        super().__init__(aiwm.AiwmClient(controller))

    def __enter__(self) -> AiwmClient:
        return self

    def __exit__(self, *error: object) -> None:
        """There is nothing to close."""

    def connect(self) -> aiwm.Connection:
        """Shows the secret, and gets a token and the configuration."""
        return self.run(lambda client: client.connect())

    def heartbeat(
        self,
        connection: aiwm.Connection,
        status: aiwm.AgentStatus = aiwm.AgentStatus.ONLINE,
        metrics: Mapping[str, JSON] | None = None,
    ) -> None:
        """Says that the agent is alive."""
        self.run(lambda client: client.heartbeat(connection, status, metrics))

    def disconnect(self, connection: aiwm.Connection, reason: str = "shutdown") -> None:
        """Says that the agent goes."""
        self.run(lambda client: client.disconnect(connection, reason))


class AiwmSupervisor(Synchronous[aiwm.AiwmSupervisor]):
    """Keeps an agent connected to its controller: see :class:`agentmesh.aiwm.AiwmSupervisor`, whose arguments it takes."""

    def __init__(self, controller: aiwm.Controller | None = None, **settings: Any) -> None:
        super().__init__(aiwm.AiwmSupervisor(controller, **settings))

    def start(self) -> AiwmSupervisor:
        """Connects, and returns with a configuration."""
        self.run(lambda supervisor: supervisor.start())
        return self

    @property
    def config(self) -> aiwm.AgentConfig:
        """The configuration now."""
        return self.asynchronous.config

    @property
    def state(self) -> aiwm.AiwmState:
        """The state now."""
        return self.asynchronous.state

    @property
    def status(self) -> aiwm.AgentStatus:
        """What the agent is doing; the next heartbeat says it."""
        return self.asynchronous.status

    @status.setter
    def status(self, status: aiwm.AgentStatus) -> None:
        self.asynchronous.status = status

    @property
    def metrics(self) -> dict[str, JSON] | None:
        """Numbers for heartbeats."""
        return self.asynchronous.metrics

    @metrics.setter
    def metrics(self, metrics: Mapping[str, JSON] | None) -> None:
        self.asynchronous.metrics = metrics

    @property
    def counters(self) -> dict[str, int]:
        """How often things happened."""
        return self.asynchronous.counters

    @property
    def health(self) -> aiwm.Health:
        """How the agent stands with its controller."""
        return self.asynchronous.health

    def respond(self, path: str) -> aiwm.Response:
        """The answer to ``GET path``: ``/health`` and ``/metrics``."""
        return self.asynchronous.respond(path)

    def events(self, *, timeout: Seconds | None = None) -> Iterator[aiwm.AiwmEvent]:
        """What happens from the call on, until the end, or until nothing came for ``timeout``."""
        return each(self.asynchronous.events(), timeout)

    def shutdown(self) -> None:
        """Tells the controller, and ends. Again is fine."""
        self.run(lambda supervisor: supervisor.shutdown())


class Turn(Synchronous[user_data.Turn]):
    """What the agent answers: an iterator of :class:`agentmesh.user_data.Delta`, ``ChannelMessage``, at the end ``TurnEnd``."""

    def __iter__(self) -> Iterator[user_data.TurnPart]:
        return self

    def __next__(self) -> user_data.TurnPart:
        part: user_data.TurnPart | None = run(lambda: following(self.asynchronous))
        if part is None:
            raise StopIteration
        return part

    def end(self) -> user_data.TurnEnd:
        """Waits for the end."""
        return self.run(lambda turn: turn.end())


class UserDataChannel(Synchronous[user_data.UserDataChannel]):
    """A conversation with the agent of a session, from :meth:`UserDataClient.channel`."""

    def connect(self) -> UserDataChannel:
        """Makes the sandbox ready and opens the channel."""
        self.run(lambda channel: channel.connect())
        return self

    def send(
        self, prompt: str, options: user_data.AgentOptions | None = None, *, overlap: bool = False
    ) -> Turn:
        """Says something, and gives what the agent answers as it comes."""
        return Turn(self.run(lambda channel: channel.send(prompt, options, overlap=overlap)))

    def ask(self, prompt: str, options: user_data.AgentOptions | None = None) -> user_data.TurnEnd:
        """Says something and waits for the end of the turn."""
        return self.run(lambda channel: channel.ask(prompt, options))

    def interrupt(self, reason: str | None = None) -> None:
        """Interrupts what the agent does."""
        self.run(lambda channel: channel.interrupt(reason))

    def history(self) -> list[user_data.ChannelMessage]:
        """What was said in this session."""
        return self.run(lambda channel: channel.history())

    def clear(self) -> None:
        """Interrupts the agent and empties the session's history."""
        self.run(lambda channel: channel.clear())

    def save(self, user: str, conversation: str) -> str:
        """Stores the session's history as a conversation of a user."""
        return self.run(lambda channel: channel.save(user, conversation))

    def events(self, *, timeout: Seconds | None = None) -> Iterator[user_data.ChannelEvent]:
        """What happens besides turns, until the end, or until nothing came for ``timeout``."""
        return each(self.asynchronous.events(), timeout)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self.asynchronous.is_connected

    def close(self) -> None:
        """Takes leave. Again is fine."""
        self.run(lambda channel: channel.close())


class UserDataClient(Synchronous[user_data.UserDataClient]):
    """A client of a user data service: see :class:`agentmesh.user_data.UserDataClient`, whose arguments it takes."""

    def __init__(self, base_url: str, **settings: Any) -> None:
        super().__init__(user_data.UserDataClient(base_url, **settings))

    def __enter__(self) -> UserDataClient:
        return self

    def __exit__(self, *error: object) -> None:
        """There is nothing to close."""

    def put_skill(self, user: str, name: str, content: str) -> str:
        """Stores a skill."""
        return self.run(lambda client: client.put_skill(user, name, content))

    def list_skills(self, user: str) -> list[str]:
        """The names of all skills of a user."""
        return self.run(lambda client: client.list_skills(user))

    def skill(self, user: str, name: str) -> user_data.Skill:
        """A skill."""
        return self.run(lambda client: client.skill(user, name))

    def delete_skill(self, user: str, name: str) -> None:
        """Deletes a skill."""
        self.run(lambda client: client.delete_skill(user, name))

    def save_conversation(
        self,
        user: str,
        conversation: Mapping[str, Any] | str,
        messages: list[Any] | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Stores a conversation."""
        return self.run(
            lambda client: client.save_conversation(user, conversation, messages, metadata=metadata)
        )

    def conversation(self, user: str, id: str) -> user_data.Conversation:
        """A conversation as it was saved."""
        return self.run(lambda client: client.conversation(user, id))

    def list_conversations(self, user: str) -> list[user_data.ConversationEntry]:
        """All conversations of a user, without their contents."""
        return self.run(lambda client: client.list_conversations(user))

    def delete_conversation(self, user: str, id: str) -> None:
        """Deletes a conversation."""
        self.run(lambda client: client.delete_conversation(user, id))

    def put_settings(
        self, user: str, values: Mapping[str, JSON], name: str = user_data.PREFERENCES
    ) -> None:
        """Stores settings."""
        self.run(lambda client: client.put_settings(user, values, name))

    def settings(self, user: str, name: str = user_data.PREFERENCES) -> user_data.Settings:
        """Settings."""
        return self.run(lambda client: client.settings(user, name))

    def delete_settings(self, user: str, name: str = user_data.PREFERENCES) -> None:
        """Deletes settings."""
        self.run(lambda client: client.delete_settings(user, name))

    def destroy_sandbox(self, session: str) -> None:
        """Throws a session's sandbox away."""
        self.run(lambda client: client.destroy_sandbox(session))

    def health(self) -> user_data.Health:
        """What the server says of itself."""
        return self.run(lambda client: client.health())

    def channel(self, session: str, **options: Any) -> UserDataChannel:
        """A conversation with the agent of a session; ``with`` opens it. Options are those of
        :meth:`agentmesh.user_data.UserDataClient.channel`."""
        return UserDataChannel(self.asynchronous.channel(session, **options))
