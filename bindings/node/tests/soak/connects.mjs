// Agents that go online and change their mind: whenever that is, nothing stays open.

import { setTimeout as pause } from 'node:timers/promises';
import { AgentMeshClient, AgentMeshError, Identity, MemoryStorage, Policy } from '@agentmesh/sdk';
import { Growth, sockets, threads } from './measure.mjs';

/** So many agents, each with a store of its own, are opened, sent online, interrupted after up to `longest` ms, and closed. */
export async function run(connects, urls, longest = 20) {
  // One identity, so that the registry does not grow.
  const [identity, growth] = [await Identity.generate(), new Growth()];
  const described = { identity, policy: Policy.permissive(), ...urls };
  // The runtime has sockets of its own, for signals: it is started first.
  await (await AgentMeshClient.create({ storage: new MemoryStorage(), offline: true })).close();
  const socketsBefore = sockets();
  let [aborted, threadsBefore] = [0, threads()];
  const every = Math.max(1, Math.floor(connects / 100));
  for (let turn = 0; turn < connects; turn++) {
    if (turn % every === 0) await growth.sample(turn);
    if (turn === Math.floor(connects / 10)) threadsBefore = threads();
    const client = await AgentMeshClient.create({ storage: new MemoryStorage(), ...described });
    const gone = new AbortController();
    const connecting = client.connect({ signal: gone.signal }).catch((error) => {
      if (error === gone.signal.reason) aborted += 1;
      // Another agent with the same identity may be on its way out.
      else if (!AgentMeshError.is(error)) throw error;
    });
    await pause((turn * 7919) % (longest + 1));
    gone.abort();
    await connecting;
    await client.close();
  }
  await growth.sample(connects);
  for (let n = 0; n < 400 && sockets() > socketsBefore; n++) await pause(50);
  return { growth, aborted, sockets: sockets() - socketsBefore, threads: threads() - threadsBefore };
}
