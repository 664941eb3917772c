// Two isolates with one identity: exactly one of them wins each commit, and nothing is lost or forked.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { answer, bundle, directory, STORE_KEY, workerd } from './support.mjs';

async function isolates(t) {
  const worker = await bundle(join(import.meta.dirname, 'race.worker.mjs'), directory(t));
  const common = { ...worker, bindings: { AGENTMESH_STORE_KEY: STORE_KEY }, r2Buckets: { BUCKET: 'shared' } };
  const mf = await workerd(t, { workers: ['one', 'two', 'peer'].map((name) => ({ ...common, name })) });
  return async (name, path, body = {}) => {
    const fetcher = await mf.getWorker(name);
    return answer(await fetcher.fetch(`http://${name}.test${path}`, { method: 'POST', body: JSON.stringify(body) }));
  };
}

/** All messages have a number of their own, none is missing, and the peer opens them; what each sender said. */
async function opened(call, begun, envelopes) {
  const sealed = envelopes.toSorted((one, other) => one.header.n - other.header.n);
  // The first key of the chain went with the handshake.
  assert.deepEqual(sealed.map((envelope) => envelope.header.n), Array.from(sealed, (_, n) => n + 1), 'a chain that was not forked');
  const { session } = await call('peer', '/peer/accept', { from: begun.amid, message: begun.message });
  assert.equal(session, begun.session);
  const { opened: said } = await call('peer', '/peer/open', { session, sealed });
  return (who) => said.filter((message) => message.who === who).map((message) => message.n);
}

test('two isolates race for 500 messages of one identity in R2', async (t) => {
  const call = await isolates(t);
  const begun = await call('one', '/r2/begin', await call('peer', '/peer/peer'));
  assert.equal((await call('two', '/r2/who')).amid, begun.amid, 'one identity');
  const envelopes = [];
  let refused = 0;
  // Both begin at the same time, again and again: a single long run of each might not meet the other's.
  for (let round = 0; round < 125; round++) {
    const both = ['one', 'two'].map((who) => call(who, '/r2/seal', { session: begun.session, who: `${who} ${round}`, count: 2 }));
    for (const result of await Promise.all(both)) {
      envelopes.push(...result.sealed);
      refused += result.refused;
    }
  }
  const of = await opened(call, begun, envelopes);
  for (let round = 0; round < 125; round++) for (const who of ['one', 'two']) assert.deepEqual(of(`${who} ${round}`), [0, 1]);
  assert.ok(refused > 0, 'nobody lost a commit: they did not race');
  t.diagnostic(`commits that R2 refused, since the other was faster: ${refused}`);
});
