// `node --expose-gc --max-semi-space-size=1 main.mjs calls|connects NUMBER`: what it found goes to standard output, and is the exit code. The server runs in a
// process of its own: the command `agentmesh` that the package installs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import * as calls from './calls.mjs';
import * as connects from './connects.mjs';

/** Bytes that a call may leave: a megabyte in a million, which is what pools and the measuring itself move by. */
const MOST = 1;

const [what, text] = process.argv.slice(2);
const [number, home, start] = [Number(text), mkdtempSync(join(tmpdir(), 'agentmesh-soak-')), Date.now()];
const command = join(dirname(createRequire(import.meta.url).resolve('@agentmesh/sdk')), 'bin.js');
const server = spawn(process.execPath, [command, '--json', 'dev', '--listen', '127.0.0.1:0'], {
  env: { ...process.env, HOME: home, TMPDIR: home },
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const lines = createInterface({ input: server.stdout });
  const [line] = await once(lines, 'line');
  const { registry: registryUrl, relay: relayUrl } = JSON.parse(line);
  const urls = { registryUrl, relayUrl };
  let said;
  let good;
  if (what === 'calls') {
    const growth = await calls.run(number, urls, home);
    const most = MOST * calls.ROUND + calls.REMEMBERED / calls.EVERY;
    [said, good] = [`${number} calls: ${growth}`, growth.slope < most];
  } else if (what === 'connects') {
    const left = await connects.run(number, urls);
    said = `${number} connects, ${left.aborted} aborted under way: ${left.growth}; ${left.sockets} sockets and ${left.threads} threads left`;
    good = left.sockets <= 0 && left.threads <= 0 && left.growth.slope < 1024;
  } else throw new Error('calls or connects');
  console.log(`${said} (${Math.round((Date.now() - start) / 1000)} s)`);
  process.exitCode = good ? 0 : 1;
} finally {
  const ended = once(server, 'exit');
  if (server.exitCode === null && server.kill()) await ended;
  rmSync(home, { recursive: true, force: true });
}
