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
import { agent, directory, given, server } from './support.mjs';

const source = given('AGENTMESH_TEST_SOURCE');
// Here the package is found.
const examples = join(process.cwd(), 'examples');
cpSync(join(source, 'examples', 'node'), examples, { recursive: true });

const print = async (path) => promisify(execFile)(process.execPath, [path], { timeout: 60_000 });

for (const [name, output] of [
  ['quickstart.mjs', "{ echo: { hello: 'wörld' } }\n"],
  ['llm-agent.mjs', 'You said: hello world \nYou said: all at once \n'],
  ['custom-storage.mjs', 'true\n'],
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
