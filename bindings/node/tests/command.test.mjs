// The `agentmesh` command that the package installs. What it does is tested where it is made; here, that it is there and whole.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { VERSION } from '@agentmesh/sdk';
import { after, directory } from './support.mjs';

const INSTALLED = 'node_modules/.bin/agentmesh';

function environment(home) {
  return { ...process.env, HOME: home, TMPDIR: home };
}

function run(home, ...command) {
  return spawnSync(INSTALLED, command, { env: environment(home), encoding: 'utf8', timeout: 60_000 });
}

test('the command says its version, and its exit codes are kept', (t) => {
  const home = directory(t);
  const said = run(home, '--version');
  assert.deepEqual([said.status, said.stdout, said.stderr], [0, `agentmesh ${VERSION}\n`, '']);
  const help = run(home, 'identity', '--help');
  assert.equal(help.status, 0);
  assert.match(help.stdout, /Usage: agentmesh identity/);
  const unknown = run(home, 'no-such-command');
  assert.deepEqual([unknown.status, unknown.stdout], [2, '']);
  assert.match(unknown.stderr, /no-such-command/);
  assert.equal(run(home, '--json', 'identity', 'show').status, 3);
});

test('the command keeps what it makes', (t) => {
  const home = directory(t);
  const made = run(home, '--json', 'identity', 'new');
  assert.equal(made.status, 0, made.stderr);
  assert.equal(JSON.parse(run(home, '--json', 'identity', 'show').stdout).amid, JSON.parse(made.stdout).amid);
});

for (const stop of ['SIGINT', 'SIGTERM']) {
  test(`a command that stays ends at ${stop}`, async (t) => {
    const home = directory(t);
    const command = ['--json', 'dev', '--listen', '127.0.0.1:0'];
    const child = spawn(INSTALLED, command, { env: environment(home), stdio: ['ignore', 'pipe', 'inherit'] });
    after(t, () => child.kill('SIGKILL'));
    for await (const line of createInterface({ input: child.stdout })) {
      assert.equal(JSON.parse(line).event, 'listening');
      break;
    }
    child.kill(stop);
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
}
