// Requests that share an isolate, and with it the module: one after another and at the same time, however their agents end.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { answer, bundle, directory, server, STORE_KEY, workerd } from './support.mjs';

async function worker(t) {
  const mf = await workerd(t, {
    ...(await bundle(join(import.meta.dirname, 'requests.worker.mjs'), directory(t))),
    bindings: { AGENTMESH_STORE_KEY: STORE_KEY, ...(await server(t)) },
    kvNamespaces: ['DONE'],
    durableObjects: { HOME: { className: 'Home', useSQLite: true } },
  });
  const play = async (where, ending, name = 'x') =>
    assert.equal(await answer(await mf.dispatchFetch(`http://worker.test/${where}/${ending}/${name}`)), 'played');
  return { mf, play };
}

/** Until what a request does after its answer is done. */
async function done(mf, name) {
  const kv = await mf.getKVNamespace('DONE');
  while ((await kv.get(name)) !== 'done') await new Promise((resolve) => setTimeout(resolve, 50));
}

for (const where of ['worker', 'object']) {
  test(`requests of one ${where}, one after another`, async (t) => {
    const { mf, play } = await worker(t);
    // After each ending, one that needs everything.
    for (const ending of ['closed', 'open', 'busy', 'later']) {
      await play(where, ending, `${where}-first`);
      await play(where, 'closed');
    }
    await done(mf, `${where}-first`);
  });

  test(`requests of one ${where}, at the same time`, async (t) => {
    const { mf, play } = await worker(t);
    const endings = ['closed', 'open', 'busy', 'later', 'closed'];
    await Promise.all(endings.map((ending) => play(where, ending, `${where}-together`)));
    await done(mf, `${where}-together`);
    await play(where, 'closed');
  });
}

test('two Durable Objects and a plain Worker in one isolate', async (t) => {
  const { play } = await worker(t);
  for (let round = 0; round < 2; round++) {
    await Promise.all([play('one', 'open'), play('two', 'busy'), play('worker', 'busy')]);
  }
  await Promise.all([play('one', 'closed'), play('two', 'closed'), play('worker', 'closed')]);
});
