// The examples of the repository, and the program of the README.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { promisify } from 'node:util';
import { checkStorage, STORAGE_TESTS } from '@agentmesh/sdk/testing';
import { administer, after, agent, directory, given, server } from './support.mjs';

const source = given('AGENTMESH_TEST_SOURCE');
// Here the package is found.
const examples = join(process.cwd(), 'examples');
cpSync(join(source, 'examples', 'node'), examples, { recursive: true });

const print = async (path) => promisify(execFile)(process.execPath, [path], { timeout: 60_000 });

for (const [name, output] of [
  ['quickstart.mjs', "{ echo: { hello: 'wörld' } }\n"],
  ['llm-agent.mjs', 'You said: hello world \nYou said: all at once \n'],
  ['custom-storage.mjs', 'true\n'],
  ['webrtc-signaling.mjs', 'local offer, remote answer\nremote offer, local answer\n'],
]) {
  test(`the example ${name} prints what it should`, async () => {
    assert.deepEqual(await print(join(examples, name)), { stdout: output, stderr: '' });
  });
}

test('the program of the README runs', async () => {
  const readme = readFileSync(join(source, 'bindings', 'node', 'README.md'), 'utf8');
  const programs = [...readme.matchAll(/```js\n(.*?)```/gs)].map((found) => found[1]);
  assert.equal(programs.length, 1);
  const path = join(examples, 'readme.mjs');
  writeFileSync(path, programs[0]);
  assert.deepEqual(await print(path), { stdout: "{ echo: { hello: 'wörld' } }\n", stderr: '' });
});

// Not those of many or large records: the example writes everything at every commit.
for (const rule of STORAGE_TESTS.filter((name) => !/^(keeps|commits)_/.test(name))) {
  test(`the store of the example: ${rule}`, async (t) => {
    const { JsonStorage } = await import(join(examples, 'custom-storage.mjs'));
    const path = join(directory(t), 'agent.json');
    await checkStorage(() => new JsonStorage(path), rule);
  });
}

/** Starts an example; its lines, one by one. */
function start(t, name, how, environment = {}) {
  const child = spawn(process.execPath, [join(examples, name), ...how], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  after(t, () => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value;
  const stop = async () => {
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    assert.equal(await line(), 'closed');
    assert.deepEqual(await closed, [0, null]);
  };
  return { line, stop };
}

test('the web application is an agent', async (t) => {
  const { urls } = await server(t);
  const app = start(t, 'http-app.mjs', [], {
    AGENT_HOME: join(directory(t), 'home'),
    AGENTMESH_REGISTRY_URL: urls.registryUrl,
    AGENTMESH_RELAY_URL: urls.relayUrl,
    PORT: '0',
  });
  const url = await app.line();
  const post = (path, body) => fetch(url + path, { method: 'POST', body: JSON.stringify(body) });
  const peer = await agent(t, urls);
  peer.onRequest(async function* ({ payload }) {
    for (const word of payload.prompt.split(' ')) yield `${word} `;
  });
  const { amid } = await (await fetch(`${url}/agent`)).json();
  assert.equal(await (await post(`/ask/${peer.amid}`, { prompt: 'a b' })).json(), 'a b ');
  assert.equal(await (await post(`/tokens/${peer.amid}`, { prompt: 'c d' })).text(), 'c d ');
  assert.equal((await post('/ask/nobody', {})).status, 404);
  assert.equal((await post('/elsewhere', {})).status, 404);
  const response = await peer.request(amid, { n: 1 });
  assert.deepEqual(response.payload, { from: 'the web application', asked: { n: 1 } });
  assert.equal((await (await fetch(`${url}/agent`)).json()).answered, 1);
  await app.stop();
});

test('the managed agent answers as its controller says', async (t) => {
  const running = await server(t, { aiwm: true });
  const home = directory(t);
  const known = { name: 'support', description: 'd', status: 'active', settings: { claudeModel: 'm' } };
  const { _id: id } = await administer(running, 'POST', '/agents', known);
  const { envConfig } = await administer(running, 'POST', `/agents/${id}/credentials/regenerate`, {});
  writeFileSync(join(home, '.env'), envConfig);
  const { registryUrl, relayUrl } = running.urls;
  const managed = start(t, 'aiwm-agent.mjs', [join(home, 'agent'), join(home, '.env'), registryUrl, relayUrl]);
  const [amid, state] = (await managed.line()).split(' ');
  assert.equal(state, 'online');
  const { payload } = await (await agent(t, running.urls)).request(amid, 'hello');
  assert.deepEqual(payload, { agent: 'support', model: 'm', echo: 'hello' });
  await managed.stop();
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`the echo agent answers, and shuts down at ${signal}`, async (t) => {
    const { urls } = await server(t);
    const [client, home] = [await agent(t, urls), join(directory(t), 'home')];
    const amids = new Set();
    for (let run = 0; run < 2; run++) {
      const command = [join(examples, 'echo-agent.mjs'), home, urls.registryUrl, urls.relayUrl];
      const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
      const lines = [];
      const out = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
      await once(out, 'line');
      amids.add(lines[0]);
      assert.deepEqual((await client.request(lines[0], { run })).payload, { echo: { run } });
      child.kill(signal);
      assert.deepEqual(await once(child, 'close'), [0, null]);
      assert.equal(lines.at(-1), 'closed');
    }
    assert.equal(amids.size, 1, 'the same agent after a restart');
  });
}
