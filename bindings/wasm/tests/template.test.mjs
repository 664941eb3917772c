// The template of a Worker with an agent (examples/cloudflare-worker): what wrangler makes of it, and what it does beside a relay, with
// an agent in Rust as the other side.

import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { answer, bundle, directory, given, rust, server, STORE_KEY, template, workerd, wranglerDev, wranglerDryRun } from './support.mjs';

const KEY = 'an-api-key-for-tests';
const headers = { Authorization: `Bearer ${KEY}` };

test('wrangler deploys the template, and serves it: an agent that talks with one in Rust', async (t) => {
  const home = template(t, 'cloudflare-worker');
  await wranglerDryRun(home);
  const uploaded = readFileSync(join(home, 'dist', 'index.js'), 'utf8');
  assert.match(uploaded, /import \w+ from "\.\/[\w-]+\.wasm"/, 'the module is a file beside the program');
  assert.ok(statSync(join(home, 'dist', 'index.js')).size < 1 << 20, 'and not in it');

  const urls = await server(t);
  const settings = { AGENTMESH_STORE_KEY: STORE_KEY, API_KEY: KEY, AGENT_POLICY: 'permissive', AGENT_RELAY_TRANSPORT: 'websocket', ...urls };
  const example = readFileSync(join(home, '.dev.vars.example'), 'utf8');
  assert.deepEqual(example.match(/^\w+(?==)/gm).sort(), Object.keys(settings).sort(), 'the example names every setting');
  writeFileSync(join(home, '.dev.vars'), Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join(''));
  const url = await wranglerDev(t, home, '--test-scheduled');
  const get = async (path) => answer(await fetch(url + path, { headers }));
  const post = async (path, body) => answer(await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body ?? null) }));

  const { amid, capabilities } = await get('/info');
  assert.deepEqual([await get('/info'), await get('/health')], [{ amid, capabilities: ['worker/api'] }, { status: 'healthy', amid }]);
  assert.deepEqual(capabilities, ['worker/api']);
  for (const [method, path] of [['POST', '/send'], ['POST', '/request'], ['POST', '/receive'], ['GET', '/messages'], ['GET', '/relay'], ['GET', '/sessions/a/session/bundle']]) {
    assert.equal((await fetch(url + path, { method })).status, 401, path);
  }

  const peer = rust(t, urls);
  const [{ amid: other }] = await peer.does('identity', 'new');
  const [heard, tell] = peer.runs('listen', '--stdin');
  const hears = async (text) => {
    for (;;) {
      const { value, done } = await heard.next();
      assert.ok(!done, 'the agent in Rust ended');
      if (value.includes(text)) return value;
    }
  };
  const sent = await post('/send', { to: other, message: { hello: 'from a Wörker' } });
  assert.deepEqual([sent.success, sent.stage], [true, 'stored']);
  assert.ok((await hears('from a Wörker')).includes(amid));
  assert.equal((await get('/presence')).status, 'online');

  tell({ to: amid, payload: { hello: 'from Rust' } });
  let received = [];
  while (received.length === 0) received = await post('/receive');
  assert.deepEqual(received.map(({ from, payload }) => [from, payload]), [[other, { hello: 'from Rust' }]]);
  await fetch(`${url}/messages/${encodeURIComponent(received[0].id)}`, { method: 'DELETE', headers });

  // By schedule it comes online, too, and takes what waits.
  await hears('"handled"');
  tell({ to: amid, payload: 'second' });
  await hears('"stored"');
  assert.equal((await fetch(`${url}/__scheduled?cron=*+*+*+*+*`)).status, 200);
  received = [];
  while (received.length === 0) received = await get('/messages');
  assert.deepEqual(received.map(({ payload }) => payload), ['second']);
  await post('/send', { to: other, message: 'the last one' });
  await hears('the last one');
});

/** The template in workerd, with a bucket that fails when asked to, and with no sockets if there are to be none. */
async function inMiniflare(t, more, sockets = 'sockets') {
  const place = join(import.meta.dirname, 'cloudflare-worker');
  if (!existsSync(place)) cpSync(join(given('AGENTMESH_TEST_SOURCE'), 'examples', 'cloudflare-worker'), place, { recursive: true });
  return workerd(t, {
    ...(await bundle(join(import.meta.dirname, 'template.worker.mjs'), directory(t))),
    bindings: { AGENTMESH_STORE_KEY: STORE_KEY, API_KEY: KEY, AGENT_POLICY: 'permissive', SOCKETS: sockets, ...more },
    r2Buckets: ['AGENT_STORAGE'],
    kvNamespaces: ['AGENT_KV'],
    durableObjects: Object.fromEntries(
      [['AGENT', 'Agent'], ['AGENT_SESSION', 'AgentSession'], ['RELAY_CONNECTION', 'RelayConnection']].map(([name, className]) => [name, { className, useSQLite: true }]),
    ),
  });
}

test('three requests, one of them with a failing bucket, give one AMID', async (t) => {
  const mf = await inMiniflare(t, await server(t));
  const ask = (path, init = {}) => mf.dispatchFetch(`http://worker.test${path}`, { ...init, headers });
  const post = async (path, body) => answer(await ask(path, { method: 'POST', body: JSON.stringify(body) }));

  const first = await answer(await ask('/info'));
  const broken = await ask('/info?broken');
  assert.equal(broken.status, 503);
  assert.match((await broken.json()).error, /^STORAGE_/);
  assert.deepEqual(await answer(await ask('/info')), first);
  const objects = await (await mf.getR2Bucket('AGENT_STORAGE')).list();
  assert.deepEqual(objects.objects.map(({ key }) => key), ['worker-agent/head']);

  await t.test('isolates that begin at the same time agree', async () => {
    await (await mf.getR2Bucket('AGENT_STORAGE')).delete('worker-agent/head');
    const all = await Promise.all(Array.from({ length: 4 }, async () => answer(await ask('/info'))));
    assert.equal(new Set(all.map(({ amid }) => amid)).size, 1);
  });

  await t.test('two sessions objects talk, and their prekeys are replenished', async () => {
    const bundle = await answer(await ask('/sessions/bob/session/bundle'));
    const { peerAmid } = await answer(await ask('/sessions/alice/session/bundle'));
    const { sessionId, x3dhMessage } = await post('/sessions/alice/session/initiate', bundle);
    const accepted = await post('/sessions/bob/session/accept', { peerAmid, x3dhMessage });
    assert.deepEqual([accepted.sessionId, accepted.ratchetKey.length], [sessionId, 32]);
    const { envelope } = await post('/sessions/alice/message/encrypt', { sessionId, plaintext: { hello: 'wörld' } });
    assert.deepEqual(await post('/sessions/bob/message/decrypt', { sessionId, envelope }), { plaintext: { hello: 'wörld' } });
    assert.equal((await ask('/sessions/alice/nothing')).status, 404);
  });

  await t.test('the relay is passed on', async () => {
    assert.equal((await ask('/relay')).status, 400);
    const { webSocket } = await mf.dispatchFetch('http://worker.test/relay', { headers: { ...headers, Upgrade: 'websocket' } });
    const heard = [];
    const pong = new Promise((resolve, reject) => {
      webSocket.addEventListener('message', ({ data }) => {
        heard.push(JSON.parse(data).type);
        if (heard.at(-1) === 'pong') resolve();
      });
      webSocket.addEventListener('close', () => reject(new Error(`closed after ${heard}`)));
    });
    webSocket.accept();
    // Before the relay is there: it waits its turn.
    webSocket.send(JSON.stringify({ type: 'ping', timestamp: new Date().toISOString() }));
    await pong;
    assert.deepEqual(heard.slice(0, 1), ['connected']);
    webSocket.close();
  });

  await t.test('what is wrong with a request is said', async () => {
    assert.equal((await ask('/send', { method: 'POST', body: '{}' })).status, 400);
    assert.equal((await ask('/send')).status, 405);
    assert.equal((await ask('/nothing')).status, 404);
    const nobody = await ask('/request', { method: 'POST', body: JSON.stringify({ to: 'nobody', message: 1 }) });
    assert.ok(nobody.status >= 500 && /^[A-Z_]+$/.test((await nobody.json()).error));
  });
});

test('without sockets the template sends and collects by requests', async (t) => {
  const urls = await server(t);
  const mf = await inMiniflare(t, { ...urls, AGENT_RELAY_TRANSPORT: 'polling' }, 'no sockets');
  const ask = async (path, body) => answer(await mf.dispatchFetch(`http://worker.test${path}`, { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) }));
  const { amid } = await ask('/info');
  const peer = rust(t, urls);
  const [{ amid: other }] = await peer.does('identity', 'new');
  const [heard, tell] = peer.runs('listen', '--stdin');
  const hears = async (text) => {
    for await (const line of { [Symbol.asyncIterator]: () => ({ next: () => heard.next() }) }) if (line.includes(text)) return;
    assert.fail('the agent in Rust ended');
  };
  assert.equal((await ask('/send', { to: other, message: 'by requests' })).stage, 'stored');
  await hears('by requests');
  tell({ to: amid, payload: 'an answer' });
  await hears('"stored"');
  assert.deepEqual((await ask('/receive', {})).map(({ payload }) => payload), ['an answer']);
  await hears('"handled"');
  tell({ to: amid, payload: 'another one' });
  await hears('"stored"');
  await (await mf.getWorker()).scheduled({ cron: '* * * * *' });
  const all = [];
  while (all.length < 2) all.splice(0, all.length, ...(await ask('/messages')));
  assert.deepEqual(all.map(({ payload }) => payload), ['an answer', 'another one']);
});
