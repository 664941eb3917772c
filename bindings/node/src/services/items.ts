// What services tell, one item after the other, and what their calls have in common.

import { later } from '../calls';
import { engine, type EngineCanceller } from '../engine';
import { AgentMeshError, type ErrorKind } from '../errors';
import { span } from '../values';
import type { NativeItems } from './native';

/** An asynchronous iterator over what a service tells. Leaving it, or aborting, ends this iterator and nothing else. */
export class Items<T> implements AsyncIterableIterator<T> {
  readonly #items: NativeItems;
  readonly #convert: (kind: string, details: Record<string, unknown>) => T;
  readonly #owner: object;
  readonly #signal: AbortSignal | undefined;
  readonly #canceller: EngineCanceller = new (engine().Canceller)();
  #left = false;

  /** @internal */
  constructor(
    items: NativeItems,
    convert: (kind: string, details: Record<string, unknown>) => T,
    owner: object,
    signal?: AbortSignal,
  ) {
    this.#items = items;
    this.#convert = convert;
    this.#owner = owner;
    this.#signal = signal;
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    if (this.#signal?.aborted) this.#leave();
    if (this.#left) return { done: true, value: undefined };
    const leave = (): void => this.#leave();
    this.#signal?.addEventListener('abort', leave, { once: true });
    try {
      // Leaving only stops the waiting: what was taken by then is still returned.
      const item = await later(() => this.#items.next(this.#canceller), this.#owner);
      if (item === null) {
        this.#left = true;
        return { done: true, value: undefined };
      }
      return { done: false, value: this.#convert(item.kind, JSON.parse(item.details) as Record<string, unknown>) };
    } finally {
      this.#signal?.removeEventListener('abort', leave);
    }
  }

  #leave(): void {
    this.#left = true;
    this.#canceller.cancel();
  }

  /** Ends it. A `next` that waits resolves as done. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#leave();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

/** An error that an event tells of. */
export function errorOf(value: unknown): AgentMeshError {
  const { message, ...how } = value as {
    code: string;
    kind: ErrorKind;
    message: string;
    retryable: boolean;
    details: Record<string, unknown> | null;
  };
  return new AgentMeshError(message, how);
}

/** Settings as the native module reads them: names with underscores, spans of time checked, without what was left out. */
export function settings(plain: Record<string, unknown>, spans: Record<string, number | undefined> = {}): string {
  const checked = Object.entries(spans).map(([name, ms]) => [`${name}_ms`, span(ms)]);
  return JSON.stringify({ ...plain, ...Object.fromEntries(checked) });
}

/** Members that are not shown when the object is printed or written as JSON. They are there all the same. */
export function hidden<T extends object>(value: T, ...names: (keyof T)[]): T {
  for (const name of names) Object.defineProperty(value, name, { enumerable: false });
  return value;
}
