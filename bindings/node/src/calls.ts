// Calls of the engine: its errors become ours, and an AbortSignal gives them up.

import { engine, type EngineCanceller } from './engine';
import { converted } from './errors';

/** What everything that waits takes. */
export interface Abortable {
  /** Gives up waiting; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A call that does not wait. */
export function now<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw converted(error);
  }
}

/**
 * What calls under way need. An engine calls a store that is written in JavaScript, but does not keep it: so who waits for a call
 * keeps its owner, and with it the store, even if the application has forgotten both.
 */
const owners = new Map<object, number>();

/** A call that waits. Its `owner` lives until it has ended. */
export async function later<T>(work: () => Promise<T>, owner?: object): Promise<T> {
  if (owner !== undefined) owners.set(owner, (owners.get(owner) ?? 0) + 1);
  try {
    return await work();
  } catch (error) {
    throw converted(error);
  } finally {
    if (owner !== undefined) {
      const others = (owners.get(owner) ?? 1) - 1;
      if (others > 0) owners.set(owner, others);
      else owners.delete(owner);
    }
  }
}

/** The same, which can be given up. */
export async function abortable<T>(
  signal: AbortSignal | undefined,
  work: (canceller?: EngineCanceller) => Promise<T | null>,
  owner?: object,
): Promise<T> {
  if (signal === undefined) return (await later(() => work(), owner)) as T;
  signal.throwIfAborted();
  const canceller = new (engine().Canceller)();
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      canceller.cancel();
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return (await Promise.race([later(() => work(canceller), owner), aborted])) as T;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Work that two may give up: a controller, and a signal that it follows while the work is under way. */
export async function following<T>(signal: AbortSignal | undefined, controller: AbortController, work: (either: AbortSignal) => Promise<T>): Promise<T> {
  signal?.throwIfAborted();
  const onAbort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await work(controller.signal);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
