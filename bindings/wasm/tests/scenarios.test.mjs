// Plays `bindings/scenarios/*.json` in workerd, as the other languages do where they live.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { answer, bundle, directory, given, server, STORE_KEY, workerd } from './support.mjs';

const home = join(given('AGENTMESH_TEST_SOURCE'), 'bindings', 'scenarios');
const scenarios = readdirSync(home).filter((name) => name.endsWith('.json'));

test('there are scenarios', () => assert.ok(scenarios.length >= 4));

test('the scenarios, one after another in one Durable Object', async (t) => {
  const mf = await workerd(t, {
    ...(await bundle(join(import.meta.dirname, 'scenarios.worker.mjs'), directory(t))),
    bindings: { AGENTMESH_STORE_KEY: STORE_KEY, ...(await server(t)) },
    r2Buckets: ['BUCKET'],
    durableObjects: { PLAYER: { className: 'Player', useSQLite: true } },
  });
  for (const place of scenarios) {
    await t.test(place, async () => {
      const scenario = JSON.parse(readFileSync(join(home, place), 'utf8'));
      const body = JSON.stringify({ scenario, place });
      assert.equal(await answer(await mf.dispatchFetch('http://worker.test/', { method: 'POST', body })), 'played');
    });
  }
});
