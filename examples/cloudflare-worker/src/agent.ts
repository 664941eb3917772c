// The agent while it is online: one Durable Object, so that it is online once, whichever isolate wants something sent.

import { DurableObject } from 'cloudflare:workers';
import { AgentMeshError, type AgentMeshClient, type Message } from '@agentmesh/sdk';
import type { Env } from './env';
import { openAgent, polls } from './open';

/** How long a caller waits for the relay. */
const PATIENCE_MS = 15_000;
/** When what is still in the outbox is looked at again. */
const AGAIN_MS = 60_000;

/** What came of a call. Errors of classes do not cross from one object to another, so their codes do. */
export type Outcome<T> = { ok: T } | { code: string; retryable: boolean };

export interface Received {
  id: string;
  from: string;
  payload: unknown;
}

export class Agent extends DurableObject<Env> {
  #last: Promise<unknown> = Promise.resolve();

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    state.storage.sql.exec('CREATE TABLE IF NOT EXISTS received (id TEXT PRIMARY KEY, sender TEXT NOT NULL, payload TEXT NOT NULL)');
  }

  /** Sends a message. What the relay could not be given in time is in the outbox, and the alarm sees to it. */
  async send(to: string, message: unknown): Promise<Outcome<{ id: string; stage: string }>> {
    await this.ctx.storage.setAlarm(Date.now() + AGAIN_MS);
    return this.#online(async (agent) => {
      const id = agent.newId();
      try {
        return { id, stage: (await agent.send(to, message, { id, wait: 'stored', timeoutMs: PATIENCE_MS })).stage };
      } catch (error) {
        if (AgentMeshError.is(error) && error.code === 'STAGE_NOT_REACHED') return { id, stage: 'queued' };
        throw error;
      }
    });
  }

  /** Asks a peer, and returns its answer. */
  request(to: string, message: unknown): Promise<Outcome<{ answer: unknown }>> {
    return this.#online(async (agent) => ({ answer: (await agent.request(to, message, { timeoutMs: PATIENCE_MS })).payload }));
  }

  /**
   * Goes online, which publishes prekeys where some are missing and sends what waits, and takes what came in: over a socket until nothing
   * came for `quietMs`, by requests until the relay has nothing left.
   */
  tend(quietMs = 2000): Promise<Outcome<void>> {
    if (polls(this.env)) return this.#visit();
    return this.#online(async (agent) => {
      await agent.connect();
      const quiet = new AbortController();
      const rest = () => setTimeout(() => quiet.abort(), quietMs);
      let timer = rest();
      for await (const message of agent.messages({ signal: quiet.signal })) {
        clearTimeout(timer);
        await this.#keep(message);
        timer = rest();
      }
      if ((await agent.outbox()).length > 0) await this.ctx.storage.setAlarm(Date.now() + AGAIN_MS);
    });
  }

  /** The same without a socket. */
  #visit(): Promise<Outcome<void>> {
    return this.#opened(async (agent) => {
      agent.onMessage((message) => this.#keep(message));
      const complete = await agent.sync({ timeoutMs: PATIENCE_MS });
      if (!complete || (await agent.outbox()).length > 0) await this.ctx.storage.setAlarm(Date.now() + AGAIN_MS);
    });
  }

  /** A message counts as handled when it is in this object's storage. */
  async #keep(message: Message): Promise<void> {
    const payload = JSON.stringify(message.payload instanceof Uint8Array ? Array.from(message.payload) : (message.payload ?? null));
    this.ctx.storage.sql.exec('INSERT OR REPLACE INTO received VALUES (?, ?, ?)', message.id, message.from, payload);
    await this.ctx.storage.sync();
    if (message.kind === 'request') await message.fail('NOT_ANSWERED_HERE', 'this agent only takes messages');
    else await message.ack();
  }

  /** What came in, oldest first. */
  async received(): Promise<Received[]> {
    const rows = this.ctx.storage.sql.exec<{ id: string; sender: string; payload: string }>('SELECT * FROM received ORDER BY rowid LIMIT 100');
    return rows.toArray().map(({ id, sender, payload }) => ({ id, from: sender, payload: JSON.parse(payload) as unknown }));
  }

  /** Removes a message that the caller is done with. */
  async forget(id: string): Promise<void> {
    this.ctx.storage.sql.exec('DELETE FROM received WHERE id = ?', id);
  }

  override async alarm(): Promise<void> {
    await this.tend(0);
  }

  /** Does something with the agent while it is online. */
  #online<T>(work: (agent: AgentMeshClient) => Promise<T>): Promise<Outcome<T>> {
    return this.#opened(async (agent, ends) => {
      // What is sent right after this waits for it; whether it came to pass, sending says.
      ends(agent.connect().catch((error: unknown) => console.error('the agent is not online', error)));
      return work(agent);
    });
  }

  /**
   * Opens the agent, and closes it behind the answer: one after the other, since sockets of a Worker end with the request that opened them.
   * Everything that matters is in R2 before this returns.
   */
  async #opened<T>(work: (agent: AgentMeshClient, ends: (first: Promise<unknown>) => void) => Promise<T>): Promise<Outcome<T>> {
    const before = this.#last;
    let closed = () => {};
    this.#last = new Promise<void>((resolve) => (closed = resolve));
    this.ctx.waitUntil(this.#last);
    let agent: AgentMeshClient | undefined;
    let first: Promise<unknown> = Promise.resolve();
    try {
      await before;
      agent = await openAgent(this.env);
      return { ok: await work(agent, (promise) => (first = promise)) };
    } catch (error) {
      if (!AgentMeshError.is(error)) throw error;
      console.error('the agent failed', error);
      return { code: error.code, retryable: error.retryable };
    } finally {
      void first
        .then(() => agent?.close())
        .catch((error: unknown) => console.error('the agent was not closed', error))
        .finally(closed);
    }
  }
}
