// The soaks, for a moment: that they run, and nothing stays open. How memory grows is seen in long runs.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

function soak(what, number) {
  const command = ['--expose-gc', 'tests/soak/main.mjs', what, String(number)];
  return spawnSync(process.execPath, command, { encoding: 'utf8', timeout: 120_000 });
}

test('calls of every kind', () => {
  const { stdout, stderr } = soak('calls', 400);
  assert.match(stdout, /^400 calls: RSS /, stderr);
});

test('aborted connects leave no sockets', () => {
  const { stdout, stderr } = soak('connects', 20);
  assert.match(stdout, /^20 connects, \d+ aborted under way: .*; 0 sockets/, stdout + stderr);
});
