"""The owner's side of an agent: sessions, circuit breakers, KNOCKs, policy, what waits, and the registry."""

from __future__ import annotations

import json
from collections.abc import Iterable

from . import _native
from ._knock import PendingKnock, whole_seconds
from ._policy import Policy
from ._values import (
    Agreement,
    CircuitStatus,
    InboxItem,
    Listing,
    OutboxItem,
    RateStatus,
    SearchPage,
    Seconds,
    SessionSummary,
    Stage,
    Tier,
    seconds,
    strings,
)

__all__ = ["Control"]


class Control:
    """What the owner of an agent can ask and order; a part of :class:`AgentMeshClient`."""

    @property
    def _native_agent(self) -> _native.Agent:
        raise NotImplementedError

    # What waits.

    async def stage(self, id: str) -> Stage | None:
        """How far a message of ours is; ``None`` once it was handled, failed, or was never sent."""
        stage = json.loads(await self._native_agent.stage(id))
        return None if stage is None else Stage(stage)

    async def cancel(self, id: str) -> None:
        """Takes a message back that was not delivered. It may arrive all the same if it was sent already."""
        await self._native_agent.cancel(id)

    async def outbox(self) -> list[OutboxItem]:
        """Messages that are not handled yet, oldest first."""
        return [OutboxItem._of(value) for value in json.loads(await self._native_agent.outbox())]

    async def inbox(self) -> list[InboxItem]:
        """Messages that came in and are not handled, oldest first."""
        return [InboxItem._of(value) for value in json.loads(await self._native_agent.inbox())]

    # Sessions.

    async def sessions(self) -> list[SessionSummary]:
        """All sessions that have keys, without anything secret."""
        found = json.loads(await self._native_agent.sessions())
        return [SessionSummary._of(value) for value in found]

    async def close_session(self, peer: str) -> None:
        """Ends the session with a peer. The next message to it knocks anew."""
        await self._native_agent.close_session(peer)

    async def kill_session(self, peer: str) -> None:
        """Ends every session with a peer and tells it so; what was queued for it is given up."""
        await self._native_agent.kill_session(peer)

    # Circuit breakers.

    async def pause_new(self) -> None:
        """Rejects new sessions from now on, also after a restart. Those that exist go on."""
        await self._native_agent.pause_new()

    async def resume_new(self) -> None:
        """Takes new sessions again; a stopped agent stays stopped."""
        await self._native_agent.resume_new()

    async def resume(self) -> None:
        """Works again, whether paused or stopped. A stopped agent is offline until ``connect`` is called."""
        await self._native_agent.resume()

    async def emergency_stop(self) -> None:
        """Ends every session, gives up everything that was queued, goes offline, and stays so over restarts."""
        await self._native_agent.emergency_stop()

    async def block(self, peer: str) -> None:
        """Shuts a peer out: nothing is sent to it, what comes from it is dropped unread. Holds over restarts."""
        await self._native_agent.block(peer)

    async def unblock(self, peer: str) -> None:
        """Lets a blocked peer in again."""
        await self._native_agent.unblock(peer)

    async def circuit_state(self) -> CircuitStatus:
        """The circuit breakers as they stand."""
        return CircuitStatus._of(json.loads(await self._native_agent.circuit_state()))

    # KNOCKs and policies.

    async def pending_knocks(self) -> list[PendingKnock]:
        """KNOCKs without a decision, oldest first."""
        found = json.loads(await self._native_agent.pending_knocks())
        return [PendingKnock._of(value) for value in found]

    async def accept_knock(self, session: str, *, ttl: Seconds | None = None) -> None:
        """Accepts a KNOCK that waits for a decision, by the session that it asked for."""
        await self._native_agent.accept_knock(session, whole_seconds(ttl))

    async def reject_knock(
        self, session: str, reason: str, *, retry_after: Seconds | None = None
    ) -> None:
        """Rejects a KNOCK that waits for a decision."""
        await self._native_agent.reject_knock(session, reason, whole_seconds(retry_after))

    async def policy(self) -> Policy:
        """The policy in force."""
        return Policy.from_json(await self._native_agent.policy())

    async def set_policy(self, policy: Policy) -> None:
        """Replaces the policy. Sessions that exist go on, but for those with peers that it blocks."""
        await self._native_agent.set_policy(policy.to_json())

    # Limits on sending.

    async def rate_status(self, peer: str | None = None) -> RateStatus:
        """How full the limits on sending are."""
        return RateStatus._of(json.loads(await self._native_agent.rate_status(peer)))

    async def wait_for_capacity(self, peer: str, timeout: Seconds = 30) -> None:
        """Waits until a message to ``peer`` would pass the limits on sending."""
        await self._native_agent.wait_for_capacity(peer, seconds(timeout))

    # The registry.

    async def search(
        self,
        capability: str | None = None,
        *,
        min_tier: Tier | str | None = None,
        min_reputation: float | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> SearchPage:
        """Agents with a capability, from the registry. What it says of them is not proven."""
        tier = min_tier.value if isinstance(min_tier, Tier) else min_tier
        found = await self._native_agent.search(capability, tier, min_reputation, limit, offset)
        return SearchPage._of(json.loads(found))

    async def lookup(self, amid: str) -> Listing:
        """An agent's entry in the registry; its signing key is checked against the AMID."""
        return Listing._of(json.loads(await self._native_agent.lookup(amid)))

    async def set_capabilities(self, capabilities: Iterable[str]) -> None:
        """Tells the registry what this agent can do."""
        await self._native_agent.set_capabilities(strings(capabilities, "capabilities"))

    async def negotiate(
        self, peer: str, wanted: Iterable[str], *, timeout: Seconds = 30
    ) -> Agreement:
        """Asks a peer for capabilities and returns what it grants. A wish may have ``*`` for any characters."""
        wishes = strings(wanted, "wanted")
        found = await self._native_agent.negotiate(peer, wishes, seconds(timeout))
        return Agreement._of(json.loads(found))
