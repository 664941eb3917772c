// A Durable Object that is evicted opens its agent again by its alarm, and gets what was sent meanwhile.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { answer, bundle, directory, server, STORE_KEY, workerd } from './support.mjs';

test('an agent that was evicted comes back by the alarm of its object, without any request', async (t) => {
  const mf = await workerd(t, {
    ...(await bundle(join(import.meta.dirname, 'alarm.worker.mjs'), directory(t))),
    bindings: { AGENTMESH_STORE_KEY: STORE_KEY, ...(await server(t)) },
    durableObjects: { LISTENER: { className: 'Listener', useSQLite: true } },
  });
  const ask = async (path) => answer(await mf.dispatchFetch(`http://worker.test/${path}`));
  const amid = await ask('start');
  for (let round = 0; round < 2; round++) {
    await ask('evict');
    // The sender waits in the plain Worker; nobody calls the object.
    assert.equal(await ask(`send/${amid}`), 'handled');
  }
});
