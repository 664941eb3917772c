// A Worker without sockets and without Durable Objects talks with an agent in Rust: its agent is in R2, and visits the relay.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { answer, bundle, directory, rust, server, STORE_KEY, workerd } from './support.mjs';

test('a Worker that polls answers what waited for it, on schedule and on request', async (t) => {
  const urls = await server(t);
  const mf = await workerd(t, {
    ...(await bundle(join(import.meta.dirname, 'polling.worker.mjs'), directory(t))),
    bindings: { AGENTMESH_STORE_KEY: STORE_KEY, ...urls },
    r2Buckets: ['BUCKET'],
  });
  const visit = async () => answer(await mf.dispatchFetch('http://worker.test/'));
  const { amid, ...first } = await visit();
  assert.deepEqual(first, { complete: true, took: [] });

  const peer = rust(t, urls);
  await peer.does('identity', 'new');
  const [heard, tell] = peer.runs('listen', '--stdin');
  const hears = async (text) => {
    for (;;) {
      const { value, done } = await heard.next();
      assert.ok(!done, 'the agent in Rust ended');
      if (value.includes(text)) return;
    }
  };
  const worker = await mf.getWorker();
  for (const [n, goes] of [worker.scheduled.bind(worker, {}), visit, worker.scheduled.bind(worker, {})].entries()) {
    for (const part of ['a', 'b']) tell({ to: amid, payload: `${n}${part}` });
    await hears('"stored"');
    await hears('"stored"');
    const went = await goes();
    const done = n === 1 ? went : await answer(await mf.dispatchFetch('http://worker.test/last'));
    assert.deepEqual(done, { amid, complete: true, took: [`${n}a`, `${n}b`] });
    for (const part of ['a', 'b']) await hears(`"echo":"${n}${part}"`);
  }
  assert.deepEqual((await visit()).took, []);
});
