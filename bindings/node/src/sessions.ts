// Which session a message came in: asked once for each peer, and again when that has a new one.

import type { EventListener } from './events';
import type { SessionSummary } from './values';

/** Peers that are remembered; beyond, the oldest are asked for again. */
const KEPT = 1024;

interface Client {
  getSessions(): Promise<SessionSummary[]>;
  on(type: string, listener: EventListener): () => void;
}

/** The sessions of one client, by peer. */
export class PeerSessions {
  readonly #client: Client;
  readonly #known = new Map<string, string>();
  #watching = false;

  constructor(client: Client) {
    this.#client = client;
  }

  /** The session with a peer; `undefined` if there is none, or the client is closed. */
  async of(peer: string): Promise<string | undefined> {
    this.#watch();
    const known = this.#known.get(peer);
    if (known !== undefined) return known;
    // A message is there whether or not this can be said of it.
    const all = await this.#client.getSessions().catch(() => []);
    const found = all.filter((session) => session.peer === peer);
    const session = (found.find((one) => one.sending) ?? found[0])?.id;
    if (session !== undefined) this.#remember(peer, session);
    return session;
  }

  #remember(peer: string, session: string): void {
    const [oldest] = this.#known.keys();
    if (this.#known.size >= KEPT && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(peer, session);
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#client.on('sessionEstablished', ({ details }) => this.#known.delete(details['peer'] as string));
  }
}
