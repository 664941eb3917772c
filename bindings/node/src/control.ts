// The owner's side of an agent: sessions, circuit breakers, KNOCKs, policy, what waits, and the registry.

import { abortable, later, type Abortable } from './calls';
import type { EngineAgent, EngineCanceller } from './engine';
import { pendingKnocks, type PendingKnock } from './knock';
import { Policy } from './policy';
import {
  circuitStatus,
  inboxItem,
  json,
  list,
  listing,
  members,
  outboxItem,
  rateStatus,
  searchPage,
  session,
  stageOf,
  wholeSeconds,
  type Agreement,
  type CircuitStatus,
  type InboxItem,
  type Listing,
  type OpenStream,
  type OutboxItem,
  type RateStatus,
  type SearchPage,
  type SessionSummary,
  type Stage,
  type Tier,
} from './values';

/** What the owner of an agent can ask and order; a part of {@link AgentMeshClient}. */
export abstract class Control {
  /** @internal */
  protected abstract opened(): Promise<EngineAgent>;

  /** @internal */
  protected async call<T>(call: (agent: EngineAgent) => Promise<T>): Promise<T> {
    const agent = await this.opened();
    return later(() => call(agent), this);
  }

  /** How far a message of ours is; `null` once it was handled, failed, or was never sent. */
  async stage(id: string): Promise<Stage | null> {
    const stage = JSON.parse(await this.call((agent) => agent.stage(id))) as number | null;
    return stage === null ? null : stageOf(stage);
  }

  /** Takes a message back that was not delivered. It may arrive all the same if it was sent already. */
  async cancel(id: string): Promise<void> {
    await this.call((agent) => agent.cancel(id));
  }

  /** Messages that are not handled yet, oldest first. */
  async outbox(): Promise<OutboxItem[]> {
    return list(await this.call((agent) => agent.outbox()), outboxItem);
  }

  /** Messages that came in and are not handled, oldest first. */
  async inbox(): Promise<InboxItem[]> {
    return list(await this.call((agent) => agent.inbox()), inboxItem);
  }

  /** Streams that have not ended. */
  async openStreams(): Promise<OpenStream[]> {
    return list(await this.call((agent) => agent.openStreams()), (value) => members<OpenStream>(value));
  }

  /** All sessions that have keys, without anything secret. */
  async getSessions(): Promise<SessionSummary[]> {
    return list(await this.call((agent) => agent.sessions()), session);
  }

  /** Ends the session with a peer. The next message to it knocks anew. */
  async closeSession(peer: string): Promise<void> {
    await this.call((agent) => agent.closeSession(peer));
  }

  /** Ends every session with a peer and tells it so; what was queued for it is given up. */
  async killSession(peer: string): Promise<void> {
    await this.call((agent) => agent.killSession(peer));
  }

  /** Rejects new sessions from now on, also after a restart. Those that exist go on. */
  async pauseNew(): Promise<void> {
    await this.call((agent) => agent.pauseNew());
  }

  /** Takes new sessions again; a stopped agent stays stopped. */
  async resumeNew(): Promise<void> {
    await this.call((agent) => agent.resumeNew());
  }

  /** Works again, whether paused or stopped. A stopped agent is offline until `connect` is called. */
  async resume(): Promise<void> {
    await this.call((agent) => agent.resume());
  }

  /** Ends every session, gives up everything that was queued, goes offline, and stays so over restarts. */
  async emergencyStop(): Promise<void> {
    await this.call((agent) => agent.emergencyStop());
  }

  /** Shuts a peer out: nothing is sent to it, what comes from it is dropped unread. Holds over restarts. */
  async block(peer: string): Promise<void> {
    await this.call((agent) => agent.block(peer));
  }

  /** Lets a blocked peer in again. */
  async unblock(peer: string): Promise<void> {
    await this.call((agent) => agent.unblock(peer));
  }

  /** The circuit breakers as they stand. */
  async circuitState(): Promise<CircuitStatus> {
    return circuitStatus(await this.call((agent) => agent.circuitState()));
  }

  /** KNOCKs without a decision, oldest first. */
  async pendingKnocks(): Promise<PendingKnock[]> {
    return pendingKnocks(await this.call((agent) => agent.pendingKnocks()));
  }

  /** Accepts a KNOCK that waits for a decision, by the session that it asked for. */
  async acceptKnock(session: string, options: { ttlMs?: number } = {}): Promise<void> {
    await this.call((agent) => agent.acceptKnock(session, wholeSeconds(options.ttlMs)));
  }

  /** Rejects a KNOCK that waits for a decision. */
  async rejectKnock(session: string, reason: string, options: { retryAfterMs?: number } = {}): Promise<void> {
    await this.call((agent) => agent.rejectKnock(session, reason, wholeSeconds(options.retryAfterMs)));
  }

  /** The policy in force. */
  async getPolicy(): Promise<Policy> {
    return Policy.fromJSON(await this.call((agent) => agent.policy()));
  }

  /** Replaces the policy. Sessions that exist go on, but for those with peers that it blocks. */
  async setPolicy(policy: Policy): Promise<void> {
    await this.call((agent) => agent.setPolicy(json(policy)));
  }

  /** How full the limits on sending are. */
  async rateStatus(peer?: string): Promise<RateStatus> {
    return rateStatus(await this.call((agent) => agent.rateStatus(peer ?? null)));
  }

  /** Waits until a message to `peer` would pass the limits on sending; `SEND_RATE_LIMITED` if that takes too long. */
  async waitForCapacity(peer: string, options: Abortable & { timeoutMs?: number } = {}): Promise<void> {
    const agent = await this.opened();
    await abortable(options.signal, (canceller) => agent.waitForCapacity(peer, options.timeoutMs ?? 30_000, canceller), this);
  }

  /** Agents in the registry, by capability or all. What it says of them is not proven. */
  async search(
    capability?: string,
    options: Abortable & { minTier?: Tier | (string & {}); minReputation?: number; limit?: number; offset?: number } = {},
  ): Promise<SearchPage> {
    const agent = await this.opened();
    const { minTier, minReputation, limit, offset, signal } = options;
    return searchPage(
      await abortable(
        signal,
        (canceller) => agent.search(capability ?? null, minTier ?? null, minReputation ?? null, limit ?? null, offset ?? null, canceller),
        this,
      ),
    );
  }

  /** An agent's entry in the registry; its signing key is checked against the AMID. */
  async lookup(amid: string, options: Abortable = {}): Promise<Listing> {
    const agent = await this.opened();
    const found = await abortable(options.signal, (canceller) => agent.lookup(amid, canceller), this);
    return listing(JSON.parse(found) as Record<string, unknown>);
  }

  /** Asks a peer for capabilities and returns what it grants. A wish may have `*` for any characters. */
  async negotiate(peer: string, wanted: readonly string[], options: Abortable & { timeoutMs?: number } = {}): Promise<Agreement> {
    const agent = await this.opened();
    const asking = (canceller?: EngineCanceller) => agent.negotiate(peer, [...wanted], options.timeoutMs ?? 30_000, canceller);
    return JSON.parse(await abortable(options.signal, asking, this)) as Agreement;
  }

  /** Seals the identity under a passphrase, with what another store needs to go on from here. Neither sessions nor messages are in it. */
  async backUp(passphrase: string): Promise<string> {
    return this.call((agent) => agent.backUp(passphrase));
  }

  /** Replaces the exchange key, with which peers open new sessions. Returns the new public one. */
  async rotateExchangeKey(): Promise<Uint8Array> {
    return this.call((agent) => agent.rotateExchangeKey());
  }
}
