// The programs in JavaScript of docs/guides, as they are printed, against the server in the process.

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { AgentMeshClient, Identity, MemoryStorage } from '@agentmesh/sdk';
import { UserDataClient } from '@agentmesh/sdk/user-data';
import { administer, after, directory, given, server } from './support.mjs';

const guides = join(given('AGENTMESH_TEST_SOURCE'), 'docs', 'guides');
const printed = (guide) => [...readFileSync(join(guides, guide), 'utf8').matchAll(/^```js\n(.*?)^```$/gms)].map(([, block]) => block);

/** The one program of a guide, as a module of this project. */
async function program(guide) {
  const [block, ...others] = printed(guide);
  assert.deepEqual(others, []);
  const place = join(process.cwd(), 'guides');
  mkdirSync(place, { recursive: true });
  const file = join(place, guide.replace('.md', '.mjs'));
  writeFileSync(file, block);
  return import(pathToFileURL(file));
}

/** What each returns, or leaves behind. */
const RUNS = {
  async 'aiwm.md'({ managed }, t) {
    const running = await server(t, { aiwm: true });
    const { _id: id } = await administer(running, 'POST', '/agents', { name: 'support', description: 'd', status: 'active', settings: { claudeModel: 'm' } });
    const { secret } = await administer(running, 'POST', `/agents/${id}/credentials/regenerate`, {});
    const envFile = join(directory(t), '.env');
    writeFileSync(envFile, `AIWM_ENABLED=true\nAIWM_BASE_URL=${running.url}\nAIWM_AGENT_ID=${id}\nAIWM_AGENT_SECRET=${secret}\n`);
    assert.deepEqual(await managed(envFile, ({ model }, state) => [model, state]), ['m', 'online']);
  },
  'agent-websocket.md': async ({ main }) => assert.equal(await main(), '5'),
  async 'conversations.md'({ converse }, t) {
    const { urls } = await server(t);
    assert.deepEqual(await converse(urls), ['hello', 'there']);
  },
  async 'control.md'({ undisturbed }, t) {
    const client = await AgentMeshClient.create({ storage: new MemoryStorage(), offline: true });
    after(t, () => client.close());
    const unwanted = (await Identity.generate()).amid;
    const during = await undisturbed(client, unwanted, (state) => state);
    assert.deepEqual([during.state, (await client.circuitState()).state], ['paused', 'running']);
    await assert.rejects(client.send(unwanted, 'x'), { code: 'PEER_BLOCKED' });
  },
  async 'signaling.md'({ greet }, t) {
    const { url } = await server(t);
    assert.deepEqual(await Promise.all([greet(url, 'r'), greet(url, 'r')]), [{ type: 'agent-ping' }, { type: 'agent-ping' }]);
  },
  async 'user-data.md'({ debug }, t) {
    t.mock.method(process.stdout, 'write', () => true);
    const { url } = await server(t, { userData: true });
    assert.equal(await debug(url, 'any-key-will-do'), 'Help me debug this issue');
    const { messages } = await new UserDataClient(url, { apiKey: 'any-key-will-do' }).conversation('alice', 'conv-1');
    assert.equal(messages.length, 2);
  },
};

test('every program in JavaScript is run', () => {
  const with_ = readdirSync(guides).filter((guide) => printed(guide).length > 0);
  assert.deepEqual(with_.sort(), Object.keys(RUNS).sort());
});

for (const [guide, run] of Object.entries(RUNS)) {
  test(`the program of ${guide} runs`, async (t) => run(await program(guide), t));
}
