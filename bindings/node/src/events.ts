// What an agent tells besides messages: listeners, and asynchronous iterators.

import type { EngineAgent } from './engine';
import { camel, decode, members, type AgentEvent } from './values';

/** Is told what happens. What it throws is printed, and changes nothing. */
export type EventListener = (event: AgentEvent) => void;

/** Events that an iterator keeps for a reader that does not read, at most; beyond, the oldest are dropped. */
const KEPT = 1024;

/** The listeners of one agent. */
export class Emitter {
  readonly #listeners = new Map<string, Set<EventListener>>();
  readonly #ends = new Set<() => void>();
  #ended = false;

  on(type: string, listener: EventListener): () => void {
    const all = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, all.add(listener));
    return () => this.off(type, listener);
  }

  off(type: string, listener: EventListener): void {
    this.#listeners.get(type)?.delete(listener);
  }

  emit(event: AgentEvent): void {
    for (const type of [event.type, '*']) {
      for (const listener of [...(this.#listeners.get(type) ?? [])]) {
        try {
          listener(event);
        } catch (error) {
          console.error('agentmesh: a listener failed', error);
        }
      }
    }
  }

  watch(agent: EngineAgent): void {
    agent.watch((event) => {
      if (event == null) {
        this.end();
        return;
      }
      const details = members<Record<string, unknown>>(JSON.parse(event.details));
      if ('sender' in details) {
        details['from'] = details['sender'];
        delete details['sender'];
      }
      this.emit({ type: camel(event.kind), details, payload: decode(event.payload) });
    });
  }

  end(): void {
    this.#ended = true;
    for (const end of this.#ends) end();
    this.#ends.clear();
  }

  /** All events from now on, until the client is closed or the signal is aborted. */
  iterate(signal: AbortSignal | undefined): AsyncIterableIterator<AgentEvent> {
    const queue: AgentEvent[] = [];
    let wake = (): void => {};
    let done = this.#ended || signal?.aborted === true;
    const off = this.on('*', (event) => {
      if (queue.length === KEPT) queue.shift();
      queue.push(event);
      wake();
    });
    const finish = (): void => {
      done = true;
      off();
      this.#ends.delete(finish);
      signal?.removeEventListener('abort', finish);
      wake();
    };
    this.#ends.add(finish);
    signal?.addEventListener('abort', finish, { once: true });
    if (done) finish();
    return {
      async next() {
        while (queue.length === 0 && !done) await new Promise<void>((resolve) => (wake = resolve));
        const event = queue.shift();
        return event === undefined ? { done: true, value: undefined } : { done: false, value: event };
      },
      async return() {
        finish();
        queue.length = 0;
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}
