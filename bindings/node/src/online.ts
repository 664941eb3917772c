// An agent in a Durable Object stays online through evictions, by the object's alarm.

import type { AgentMeshClient } from './client';

/** What {@link keepOnline} needs of the `storage` of a Durable Object. */
export interface AlarmStorageLike {
  setAlarm(time: number): Promise<void>;
}

/**
 * Connects the agent of a Durable Object, and asks for the object's alarm after that time (default: a minute). To be called when the agent is to come
 * online, and by `alarm`:
 *
 * ```ts
 * async alarm() {
 *   await keepOnline(this.ctx.storage, await this.client);
 * }
 * ```
 *
 * An eviction takes the socket away and nothing else: the alarm wakes the object, which opens its agent out of what was committed, and whatever was sent to it
 * meanwhile comes. The time is how long that may take, and how often an object that is awake is asked for nothing. It ends when `alarm` does not
 * call it any more.
 *
 * @throws AgentMeshError as `connect` does. The alarm is set by then, so it is tried again.
 */
export async function keepOnline(storage: AlarmStorageLike, client: AgentMeshClient, everyMs = 60_000): Promise<void> {
  await storage.setAlarm(Date.now() + everyMs);
  await client.connect();
}
