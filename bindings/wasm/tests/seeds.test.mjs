// The code blocks of the guide for Workers, as they are printed, run in workerd with real R2, KV and Durable Objects, beside a real
// relay. That they compile under `tsc --strict` is tested beside Node's half of the package.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { answer, bundle, directory, given, server, STORE_KEY, workerd } from './support.mjs';

const blocks = join(given('AGENTMESH_TEST_SOURCE'), 'tests', 'seeds', 'moltworker-integration');

/** Imports that the document leaves out, by block; its own lines are not touched. */
const IMPORTS = {
  '03': 'AgentMeshClient',
  '04': '',
  '05': '',
  '06': '',
  '07': 'Identity, R2Storage',
  '08': '',
  '09': 'Identity',
  '10': 'Identity, PrekeyManager, R2Storage',
  '11': '',
  '12': '',
};

function sources() {
  const place = join(import.meta.dirname, 'seeds');
  mkdirSync(place, { recursive: true });
  for (const [number, names] of Object.entries(IMPORTS)) {
    const target = join(place, `${number}.ts`);
    copyFileSync(join(blocks, `${number}.ts`), target);
    const patches = readdirSync(blocks).filter((name) => name.startsWith(`${number}-`) && name.endsWith('.patch'));
    for (const patch of patches) execFileSync('patch', ['--quiet', target, join(blocks, patch)]);
    const prelude = names ? `import { ${names} } from '@agentmesh/sdk';\n` : '';
    const exported = number === '09' ? '\nexport { AgentDO };\n' : '';
    writeFileSync(target, prelude + readFileSync(target, 'utf8') + exported);
  }
  copyFileSync(join(place, '11.ts'), join(place, '11-again.ts'));
  copyFileSync(join(import.meta.dirname, 'seeds.worker.mjs'), join(place, 'worker.mjs'));
  return join(place, 'worker.mjs');
}

test('every block of TypeScript in the document is here', () => {
  const printed = readdirSync(blocks).filter((name) => name.endsWith('.ts')).map((name) => name.slice(0, 2));
  assert.deepEqual(Object.keys(IMPORTS).sort(), printed.sort());
});

test('the blocks of the guide run in workerd', async (t) => {
  const mf = await workerd(t, {
    ...(await bundle(sources(), directory(t))),
    bindings: { AGENTMESH_STORE_KEY: STORE_KEY, ...(await server(t)) },
    r2Buckets: ['AGENT_STORAGE'],
    kvNamespaces: ['AGENT_KV'],
    durableObjects: {
      AGENT_SESSION: { className: 'AgentSession', useSQLite: true },
      RELAY: { className: 'RelayConnection', useSQLite: true },
      CACHE: { className: 'Cache', useSQLite: true },
      BOB: { className: 'Bob', useSQLite: true },
    },
  });
  const ask = (path, body) => mf.dispatchFetch(`http://worker.test${path}`, body && { method: 'POST', body: JSON.stringify(body) });
  const get = async (path, body) => answer(await ask(path, body));

  await t.test('03: a worker with an agent in R2 answers with its AMID, always the same', async () => {
    const answers = [await (await ask('/03/')).text(), await (await ask('/03/')).text()];
    assert.match(answers[0], /^Agent AMID: \w{20,}$/);
    assert.equal(answers[0], answers[1]);
    assert.ok(await (await mf.getR2Bucket('AGENT_STORAGE')).head('agent-data/head'));
  });

  await t.test('04: presence goes into KV', async () => {
    assert.deepEqual(await get('/04/'), { status: 'online' });
  });

  await t.test('05: three requests, one of them with a failing bucket, give one AMID; a message is sent', async () => {
    const first = await get('/05/info');
    const broken = await ask('/05/info?broken');
    assert.equal(broken.status, 500);
    assert.match(await broken.text(), /^STORAGE_/);
    const second = await get('/05/info');
    assert.deepEqual(second, { amid: first.amid, capabilities: [] });
    const bob = await get('/bob/start');
    const next = get('/bob/next');
    assert.deepEqual(await get('/05/send', { to: bob, message: { hello: 'from a worker' } }), { success: true });
    assert.deepEqual(await next, { from: first.amid, payload: { hello: 'from a worker' }, inSession: true });
    assert.equal((await get(`/bob/lookup/${first.amid}`)).displayName, 'MoltWorker Agent');
    assert.equal((await ask('/05/send')).status, 405);
    assert.equal((await ask('/05/nothing')).status, 404);
  });

  await t.test('06: two Durable Objects open a session and talk', async () => {
    await ask('/06/nothing');
    const { amid } = await get('/06-amid/');
    const peer = await get('/06-peer/');
    const begun = await get('/06/session/initiate', peer);
    const accepted = await get('/06-bob/session/accept', { peerAmid: amid, x3dhMessage: begun.x3dhMessage });
    assert.equal(accepted.sessionId, begun.sessionId);
    assert.equal(accepted.ratchetKey.length, 32);
    const { envelope } = await get('/06/message/encrypt', { sessionId: begun.sessionId, plaintext: { hello: 'wörld' } });
    const { plaintext } = await get('/06-bob/message/decrypt', { sessionId: accepted.sessionId, envelope });
    assert.deepEqual(plaintext, { hello: 'wörld' });
  });

  await t.test('07: a Durable Object passes on what relay and client say', async () => {
    assert.equal((await ask('/07/')).status, 400);
    const { webSocket } = await mf.dispatchFetch('http://worker.test/07/', { headers: { Upgrade: 'websocket' } });
    const heard = new Promise((resolve, reject) => {
      webSocket.addEventListener('message', ({ data }) => resolve(JSON.parse(data)));
      webSocket.addEventListener('close', () => reject(new Error('closed')));
    });
    webSocket.accept();
    // The relay took the signature of the identity in R2, and says so.
    assert.equal((await heard).type, 'connected');
    const pong = new Promise((resolve) => webSocket.addEventListener('message', ({ data }) => resolve(JSON.parse(data))));
    webSocket.send(JSON.stringify({ type: 'ping', timestamp: new Date().toISOString() }));
    assert.equal((await pong).type, 'pong');
    webSocket.close();
  });

  await t.test('08: connecting does not hold up the answer', async () => {
    assert.match((await get('/08/')).amid, /^\w{20,}$/);
  });

  await t.test('09: an identity is cached in the storage of a Durable Object', async () => {
    const first = await get('/09/');
    assert.equal(first.cached, true);
    assert.deepEqual(await get('/09/'), first);
  });

  await t.test('10: prekeys are replenished on schedule', async () => {
    const { outcome } = await (await mf.getWorker()).scheduled();
    assert.equal(outcome, 'ok');
    assert.ok((await get('/10/')).oneTimePrekeys >= 50);
  });

  await t.test('11: errors are printed, and a fallback is used', async () => {
    assert.deepEqual(await get('/11/'), { errors: [['AgentMesh error:', 'AGENT_CLOSED']] });
  });

  await t.test('12: what comes in is logged', async () => {
    await get('/bob/start');
    const { entry, session, peer } = await get('/bob/logged');
    assert.ok(Date.parse(entry.timestamp) > 0);
    assert.deepEqual(
      [entry.type, entry.severity, entry.message, entry.fields],
      ['MESSAGE_RECEIVED', 'DEBUG', 'Received message', { peerAmid: peer, sessionId: session }],
    );
  });
});
