// Plays `bindings/scenarios/*.json`, as the other languages do.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { AgentMeshClient, Key, SqliteStorage } from '@agentmesh/sdk';
import { play } from './play.mjs';
import { directory, given, server } from './support.mjs';

const home = join(given('AGENTMESH_TEST_SOURCE'), 'bindings', 'scenarios');
const scenarios = readdirSync(home).filter((name) => name.endsWith('.json'));

test('there are scenarios', () => assert.ok(scenarios.length >= 4));

for (const name of scenarios) {
  test(`scenario ${name}`, async (t) => {
    const [{ urls }, place] = [await server(t), directory(t)];
    await play(JSON.parse(readFileSync(join(home, name), 'utf8')), (name, options) =>
      AgentMeshClient.create({
        storage: new SqliteStorage(join(place, `${name}.db`)),
        key: Key.file(join(place, `${name}.key`)),
        ...options,
        ...urls,
      }),
    );
  });
}
