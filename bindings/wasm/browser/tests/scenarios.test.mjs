// Plays `bindings/scenarios/*.json` in Chromium, as the other languages do where they live.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { given, open, server } from './support.mjs';

const home = join(given('AGENTMESH_TEST_SOURCE'), 'bindings', 'scenarios');
const scenarios = readdirSync(home).filter((name) => name.endsWith('.json'));

test('scenarios', async (t) => {
  assert.ok(scenarios.length >= 4);
  const { page } = await open(t);
  for (const place of scenarios) {
    await t.test(place, async (t) => {
      const urls = await server(t);
      const scenario = JSON.parse(readFileSync(join(home, place), 'utf8'));
      const played = await page.evaluate(
        ([scenario, place, urls]) =>
          globalThis.outcome(async () => {
            const { AgentMeshClient, IndexedDbStorage } = globalThis.sdk;
            await globalThis.play(scenario, (name, options) =>
              AgentMeshClient.create({ storage: new IndexedDbStorage(`${place}/${name}`), ...options, ...urls }),
            );
            return 'played';
          }),
        [scenario, place, urls],
      );
      assert.deepEqual(played, { value: 'played' });
    });
  }
});
