"""AIWM: an agent under a controller, which gives it its instruction, tools and settings and wants to hear that it is alive.

**Nothing is encrypted end to end**: the controller reads and writes everything. The supervisor does all of it::

    from agentmesh.aiwm import AgentStatus, AiwmSupervisor

    async with AiwmSupervisor(env_file=".env") as supervisor:
        config = supervisor.config
        print(supervisor.state, config.model, config.max_turns)
        supervisor.status = AgentStatus.BUSY

``AIWM_ENABLED``, ``AIWM_BASE_URL``, ``AIWM_AGENT_ID`` and ``AIWM_AGENT_SECRET`` say where the controller is; without them
everything is local.
"""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Union

from . import _native
from ._errors import AgentMeshError, from_value
from ._items import Items, Lagged, Opened, settings
from ._values import JSON, Seconds, dumps, milliseconds

__all__ = [
    "AgentConfig",
    "AgentDeleted",
    "AgentStatus",
    "AiwmClient",
    "AiwmEvent",
    "AiwmState",
    "AiwmSupervisor",
    "ConfigUpdated",
    "ConnectFailed",
    "Connection",
    "Controller",
    "Health",
    "Lagged",
    "Platform",
    "Response",
    "StateChanged",
]


class AgentStatus(str, enum.Enum):
    """What an agent says of itself."""

    ONLINE = "online"
    """Ready."""
    BUSY = "busy"
    """At work."""
    IDLE = "idle"
    """Nothing to do."""


class AiwmState(str, enum.Enum):
    """Where an agent stands with its controller."""

    DISABLED = "disabled"
    """AIWM is not enabled: everything is local."""
    CONNECTING = "connecting"
    """The first tries."""
    ONLINE = "online"
    """Heartbeats go out."""
    DEGRADED = "degraded"
    """The controller cannot be used; the configuration is the last one, or local."""
    GONE = "gone"
    """The controller does not know the agent any more."""
    STOPPED = "stopped"
    """Ended."""


@dataclass(frozen=True)
class Controller:
    """Where a controller is, and who the agent is there."""

    base_url: str
    """Base URL, with its path; ``https``, or ``http`` on this machine."""
    agent_id: str
    """The agent's id, 24 hexadecimal digits."""
    secret: str = field(repr=False)
    """The agent's secret."""
    allow_insecure: bool = False
    """Lets ``http`` reach other machines. Everybody on the way then reads the secret."""

    def _json(self) -> str:
        value = {"base_url": self.base_url, "agent_id": self.agent_id, "allow_insecure": self.allow_insecure}
        return dumps(value)


@dataclass(frozen=True)
class Platform:
    """A platform on which the agent talks."""

    token: str | None = field(repr=False)
    """The bot's token."""
    places: list[str]
    """Channels (Discord) or groups (Telegram)."""
    bot: str | None
    """The bot's id (Discord) or name (Telegram)."""


@dataclass(frozen=True)
class AgentConfig:
    """What an agent runs with: what the controller says, then the environment, then defaults. Shows neither instruction nor
    tokens."""

    instruction: str | None = field(repr=False)
    """The instruction."""
    instruction_source: str | None
    """Where it is from: ``controller``, ``file``, or nowhere."""
    tools: list[dict[str, Any]] | None
    """Tools that the agent may use, as the controller describes them; ``None`` if it did not say."""
    model: str
    """Model."""
    max_turns: int
    """Turns at most."""
    permission_mode: str
    """Permission mode, ``default`` unless somebody chose another."""
    resume: bool
    """Whether to go on with the last conversation."""
    oauth_token: str | None = field(repr=False)
    """OAuth token of the model's provider."""
    discord: Platform
    """Discord."""
    telegram: Platform
    """Telegram."""
    auth_roles: list[str]
    """Roles of the agent."""
    name: str | None
    """The agent's name."""
    mcp_servers: dict[str, Any] = field(repr=False)
    """MCP servers. They hold the agent's token."""
    settings: dict[str, Any] = field(repr=False)
    """All settings as the controller sent them."""
    variables: dict[str, str] = field(repr=False)
    """Environment variables that say all this to a child process. Some values are secrets."""

    @classmethod
    def _of(cls, value: dict[str, Any]) -> AgentConfig:
        for name in ("discord", "telegram"):
            value[name] = Platform(**value[name])
        return cls(**value)


@dataclass(frozen=True)
class StateChanged:
    """The state is another."""

    state: AiwmState
    """Which."""


@dataclass(frozen=True)
class ConfigUpdated:
    """A connect brought another configuration. Nothing is changed in the running agent: most need a restart."""

    config: AgentConfig
    """The configuration."""


@dataclass(frozen=True)
class AgentDeleted:
    """The controller does not know the agent any more. Heartbeats have stopped; tell the administrator."""


@dataclass(frozen=True)
class ConnectFailed:
    """A connect failed."""

    error: AgentMeshError
    """Why."""


AiwmEvent: TypeAlias = Union[StateChanged, ConfigUpdated, AgentDeleted, ConnectFailed, Lagged]
"""What happens to an agent under a controller."""


def _event(kind: str, details: dict[str, Any]) -> AiwmEvent:
    if kind == "state":
        return StateChanged(AiwmState(details["state"]))
    if kind == "config_updated":
        return ConfigUpdated(AgentConfig._of(details["config"]))
    if kind == "connect_failed":
        return ConnectFailed(from_value(details["error"]))
    if kind == "lagged":
        return Lagged(**details)
    return AgentDeleted()


@dataclass(frozen=True)
class Health:
    """How an agent stands with its controller."""

    status: str
    """``ok``, or ``degraded`` while the controller cannot be used."""
    aiwm: dict[str, Any]
    """Details, as ``GET /health`` says them."""


@dataclass(frozen=True)
class Response:
    """An answer for whatever HTTP server an agent has."""

    status: int
    """The HTTP status."""
    content_type: str
    """Its type."""
    body: str
    """The body."""


class AiwmSupervisor(Opened):
    """Keeps an agent connected to its controller: configuration, heartbeats, tokens, fallback.

    As a context manager it starts, and says goodbye at the end. It starts with a configuration in any case: the controller's, or
    after four tries a local one.
    """

    def __init__(
        self,
        controller: Controller | None = None,
        *,
        env_file: str | os.PathLike[str] | None = None,
        instruction_file: str | os.PathLike[str] | None = None,
        fail_fast: bool = False,
        metrics: Mapping[str, JSON] | None = None,
        heartbeat: Seconds | None = None,
        retries: list[Seconds] | None = None,
        probe: Seconds | None = None,
    ) -> None:
        """Describes a supervisor; nothing is started yet.

        Without ``controller``, that of the environment and ``env_file`` is taken, or none. ``fail_fast`` makes :meth:`start`
        raise if the controller refuses the agent. ``heartbeat`` is every minute by default, ``retries`` are the pauses
        before the tries after a failed one (1, 2 and 4 seconds), ``probe`` that between tries later (5 minutes).
        """
        self._controller = controller
        self._metrics: dict[str, JSON] | None = None if metrics is None else dict(metrics)
        self._supervisor: _native.AiwmSupervisor | None = None
        self._settings = settings(
            {"heartbeat_ms": heartbeat, "probe_ms": probe},
            env_file=None if env_file is None else os.fspath(env_file),
            instruction_file=None if instruction_file is None else os.fspath(instruction_file),
            fail_fast=fail_fast,
            retries_ms=None if retries is None else [milliseconds(pause) for pause in retries],
        )

    async def start(self) -> AiwmSupervisor:
        """Connects, and returns with a configuration; one that was started is left as it is."""
        if self._supervisor is None:
            controller = self._controller
            self._supervisor = await _native.AiwmSupervisor.start(
                None if controller is None else controller._json(),
                None if controller is None else controller.secret,
                self._settings,
            )
            if self._metrics is not None:
                self.metrics = self._metrics
        return self

    @property
    def _native_supervisor(self) -> _native.AiwmSupervisor:
        if self._supervisor is None:
            raise RuntimeError("the supervisor is not started: use `async with` or `await supervisor.start()`")
        return self._supervisor

    @property
    def config(self) -> AgentConfig:
        """The configuration now."""
        return AgentConfig._of(json.loads(self._native_supervisor.config()))

    @property
    def state(self) -> AiwmState:
        """The state now."""
        return AiwmState(self._native_supervisor.state())

    def events(self) -> Items[AiwmEvent]:
        """What happens from now on."""
        return Items(self._native_supervisor.events(), _event)

    @property
    def status(self) -> AgentStatus:
        """What the agent is doing; the next heartbeat says it. May be set from any thread."""
        return AgentStatus(self._native_supervisor.status())

    @status.setter
    def status(self, status: AgentStatus) -> None:
        self._native_supervisor.set_status(AgentStatus(status).value)

    @property
    def metrics(self) -> dict[str, JSON] | None:
        """Numbers for heartbeats: ``cpu``, ``memory``, ``uptime``, or whatever the agent counts. May be set from any thread."""
        return self._metrics

    @metrics.setter
    def metrics(self, metrics: Mapping[str, JSON] | None) -> None:
        self._native_supervisor.set_metrics(None if metrics is None else dumps(dict(metrics)))
        self._metrics = None if metrics is None else dict(metrics)

    @property
    def counters(self) -> dict[str, int]:
        """How often things happened, such as ``aiwm_heartbeat_success_total``."""
        return dict(json.loads(self._native_supervisor.counters()))

    @property
    def health(self) -> Health:
        """How the agent stands with its controller."""
        return Health(**json.loads(self._native_supervisor.health()))

    def respond(self, path: str) -> Response:
        """The answer to ``GET path``: ``/health`` and ``/metrics``, 404 for others."""
        return Response(*self._native_supervisor.respond(path))

    async def shutdown(self) -> None:
        """Stops heartbeats, tells the controller if that takes less than two seconds, wipes token and secret. Again is fine."""
        if self._supervisor is not None:
            await self._supervisor.shutdown()

    async def _enter(self) -> None:
        await self.start()

    async def _leave(self) -> None:
        await self.shutdown()

    def __repr__(self) -> str:
        if self._supervisor is None:
            return "<AiwmSupervisor, not started>"
        return f"<AiwmSupervisor {self.state.value}>"


class Connection:
    """What a controller gave. Shows neither token nor settings."""

    __slots__ = ("_token", "_value")

    def __init__(self, value: dict[str, Any], token: _native.AiwmToken) -> None:
        self._value = value
        self._token = token

    @property
    def lifetime(self) -> float:
        """For how many seconds the token is good."""
        return float(self._value["lifetime_s"])

    @property
    def instruction(self) -> str | None:
        """The instruction; ``None`` if the controller has none."""
        instruction: str | None = self._value["instruction"]
        return instruction

    @property
    def tools(self) -> list[dict[str, Any]] | None:
        """What the agent may use; ``None`` if the controller does not say."""
        tools: list[dict[str, Any]] | None = self._value["tools"]
        return tools

    @property
    def mcp_servers(self) -> dict[str, Any]:
        """MCP servers by name. They hold the token."""
        return dict(self._value["mcp_servers"])

    @property
    def agent(self) -> dict[str, Any]:
        """What the controller says of the agent."""
        return dict(self._value["agent"])

    @property
    def settings(self) -> dict[str, Any]:
        """Settings, as they came."""
        return dict(self._value["settings"])

    @property
    def deployment(self) -> dict[str, Any]:
        """Where a managed agent's model is."""
        return dict(self._value["deployment"])

    @property
    def other(self) -> dict[str, Any]:
        """Whatever else the controller says. Newer ones may put secrets there."""
        return dict(self._value["other"])

    def __repr__(self) -> str:
        return f"<Connection for {self.lifetime:.0f} s>"


class AiwmClient:
    """Talks to a controller call by call. The supervisor does it by itself."""

    def __init__(self, controller: Controller) -> None:
        self._client = _native.AiwmClient(controller._json(), controller.secret)

    async def connect(self) -> Connection:
        """Shows the secret, and gets a token and the configuration. The controller counts every success."""
        value, token = await self._client.connect()
        return Connection(json.loads(value), token)

    async def heartbeat(
        self,
        connection: Connection,
        status: AgentStatus = AgentStatus.ONLINE,
        metrics: Mapping[str, JSON] | None = None,
    ) -> None:
        """Says that the agent is alive. ``AIWM_AUTH_REJECTED`` asks for a new connection."""
        more = None if metrics is None else dumps(dict(metrics))
        await self._client.heartbeat(connection._token, AgentStatus(status).value, more)

    async def disconnect(self, connection: Connection, reason: str = "shutdown") -> None:
        """Says that the agent goes. Older controllers raise :class:`agentmesh.NotFoundError`."""
        await self._client.disconnect(connection._token, reason)

    def __repr__(self) -> str:
        return "<AiwmClient>"
