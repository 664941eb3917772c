// The package as browsers get it: bundled without any configuration, the module inside, and nothing of Node.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import vm from 'node:vm';
import { build } from 'esbuild';
import { directory } from './support.mjs';

/** Of the package that is tested. */
const { version: VERSION } = JSON.parse(readFileSync(join(process.cwd(), 'node_modules/@agentmesh/sdk/package.json'), 'utf8'));

const PROGRAM = `
import { Identity, MemoryStorage, Policy, PrekeyManager, SessionManager, VERSION } from '@agentmesh/sdk';

async function end() {
  const [identity, storage] = [await Identity.generate(), new MemoryStorage()];
  const prekeys = new PrekeyManager(identity, storage);
  const bundle = await prekeys.loadOrInitialize();
  return { identity, bundle, sessions: new SessionManager(identity, storage, prekeys) };
}

async function main() {
  const [alice, bob] = [await end(), await end()];
  const { sessionId, x3dhMessage } = await alice.sessions.initiateSession(bob.identity.amid, bob.bundle, bob.identity.signingPublicKey);
  await bob.sessions.acceptSession(alice.identity.amid, x3dhMessage);
  const envelope = await alice.sessions.encryptMessage(sessionId, { hello: 'wörld' });
  const said = await bob.sessions.decryptMessage(sessionId, envelope);
  return { said, version: VERSION, policy: typeof Policy.verified() };
}

main().catch((error) => ({ error: error.code ?? String(error) })).then(finished);
`;

test('a program bundled for browsers runs where there is nothing but what browsers have', async (t) => {
  const place = directory(t);
  writeFileSync(join(place, 'program.mjs'), PROGRAM);
  const { outputFiles } = await build({
    entryPoints: [join(place, 'program.mjs')],
    nodePaths: [join(process.cwd(), 'node_modules')],
    bundle: true,
    format: 'iife',
    platform: 'browser',
    write: false,
    logLevel: 'error',
  });
  const code = outputFiles[0].text;
  assert.ok(!/\beval\(|new Function\(/.test(code), 'nothing is made of strings');
  const names = ['atob', 'btoa', 'crypto', 'console', 'performance', 'queueMicrotask', 'setTimeout', 'clearTimeout', 'TextDecoder', 'TextEncoder', 'WebAssembly'];
  const result = await new Promise((finished) => {
    const globals = { ...Object.fromEntries(names.map((name) => [name, globalThis[name]])), finished };
    vm.runInNewContext(code, globals, { contextCodeGeneration: { strings: false, wasm: true } });
  });
  assert.deepEqual(JSON.parse(JSON.stringify(result)), { said: { hello: 'wörld' }, version: VERSION, policy: 'object' });
});
