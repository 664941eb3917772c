// The code blocks of the guide for Workers, as they are printed, compile under `tsc --strict` and run here in Node. What a
// document leaves undefined is declared before each block (`seeds/prelude.ts` and the table below); the Workers runtime is
// played by `cloudflare.mjs` and by the global objects that this file makes.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { before } from 'node:test';
import { pathToFileURL } from 'node:url';
import * as sdk from '@agentmesh/sdk';
import { Bucket, Namespace } from './cloudflare.mjs';
import { after, agent, given, next, server } from './support.mjs';

const blocks = join(given('AGENTMESH_TEST_SOURCE'), 'tests', 'seeds', 'moltworker-integration');
const place = join(process.cwd(), 'seeds');

/** What each block needs that its document does not say: imports and names. Its own lines are not touched. */
const PRELUDES = {
  '03': ['import { AgentMeshClient } from "@agentmesh/sdk";'],
  '04': ['declare const env: { AGENT_KV: KVNamespace };', 'export {};'],
  '05': [],
  '06': ['interface Env { AGENT_STORAGE: R2Bucket }'],
  '07': [
    'import { Identity, R2Storage } from "@agentmesh/sdk";',
    'interface Env { AGENT_STORAGE: R2Bucket; AGENTMESH_RELAY_URL: string }',
  ],
  '08': [
    'import type { AgentMeshClient } from "@agentmesh/sdk";',
    'interface Env { AGENT_STORAGE: R2Bucket }',
    'declare function loadAgent(env: Env): Promise<AgentMeshClient>;',
    'declare function handleRequest(request: Request, agent: AgentMeshClient): Promise<Response>;',
  ],
  '09': [
    'import { Identity, type R2Storage } from "@agentmesh/sdk";',
    'interface AgentDO { state: DurableObjectState; r2Storage: R2Storage; fetch(request: Request): Promise<Response> }',
  ],
  '10': ['import { Identity, PrekeyManager, R2Storage } from "@agentmesh/sdk";', 'interface Env { AGENT_STORAGE: R2Bucket }'],
  '11': ['import type { AgentMeshClient } from "@agentmesh/sdk";', 'declare const agent: AgentMeshClient;', 'export {};'],
  '12': ['import type { AgentMeshClient } from "@agentmesh/sdk";', 'declare const agent: AgentMeshClient;'],
};

before(() => {
  mkdirSync(place, { recursive: true });
  // In the document, `request.json()` is what it is in TypeScript's own library.
  writeFileSync(join(place, 'ambient.d.ts'), 'interface Request<CfHostMetadata = unknown, Cf = CfProperties<CfHostMetadata>> { json(): Promise<any> }\n');
  for (const [number, prelude] of Object.entries(PRELUDES)) {
    const block = join(blocks, `${number}.ts`);
    const target = join(place, `${number}.ts`);
    writeFileSync(target, readFileSync(block));
    const patches = readdirSync(blocks).filter((name) => name.startsWith(`${number}-`) && name.endsWith('.patch'));
    for (const patch of patches) execFileSync('patch', ['--quiet', target, join(blocks, patch)]);
    writeFileSync(target, `${prelude.join('\n')}\n${readFileSync(target, 'utf8')}`);
  }
  const config = {
    compilerOptions: {
      strict: true,
      target: 'ES2022',
      lib: ['ES2022'],
      types: ['@cloudflare/workers-types'],
      module: 'ES2022',
      moduleResolution: 'Bundler',
      skipLibCheck: false,
      outDir: 'built',
      rootDir: '.',
    },
    files: ['ambient.d.ts', ...Object.keys(PRELUDES).map((number) => `${number}.ts`)],
  };
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify(config));
  writeFileSync(join(place, 'package.json'), '{"type": "module"}');
  execFileSync(join(process.cwd(), 'node_modules/.bin/tsc'), ['-p', place], { stdio: 'inherit' });
  process.env.AGENTMESH_STORE_KEY = Buffer.alloc(32, 9).toString('base64');
});

/** A block, running; names that it takes as given become global. */
const run = (number, names = {}) => {
  Object.assign(globalThis, names);
  return import(`${pathToFileURL(join(place, 'built', `${number}.js`))}?${Math.random()}`);
};

/** What a Worker is given besides the request. */
class Context {
  waiting = [];
  waitUntil(promise) {
    promise.catch(() => undefined);
    this.waiting.push(promise);
  }
}

const ask = (path, body) => new Request(`https://worker.test${path}`, body && { method: 'POST', body: JSON.stringify(body) });

test('every block of TypeScript in the document is here', () => {
  const printed = readdirSync(blocks).filter((name) => name.endsWith('.ts')).map((name) => name.slice(0, 2));
  assert.deepEqual(Object.keys(PRELUDES).sort(), printed.sort());
});

test('03: a worker with an agent in R2 answers with its AMID, always the same', async () => {
  const { default: worker } = await run('03');
  const env = { AGENT_STORAGE: new Bucket(), AGENT_KV: new Namespace() };
  const answers = [await (await worker.fetch(ask('/'), env)).text(), await (await worker.fetch(ask('/'), env)).text()];
  assert.match(answers[0], /^Agent AMID: \w{20,}$/);
  assert.equal(answers[0], answers[1]);
  assert.ok(env.AGENT_STORAGE.objects.has('agent-data/head'));
});

test('04: presence goes into KV', async () => {
  const kv = new Namespace();
  await run('04', { env: { AGENT_KV: kv } });
  assert.equal(Buffer.from(await kv.get('agentmesh:presence:my-amid')).toString(), '{"status":"online"}');
});

test('05: three requests, one of them with a failing bucket, give one AMID; a message is sent', async (t) => {
  const { urls } = await server(t);
  process.env.AGENTMESH_RELAY_URL = urls.relayUrl;
  process.env.AGENTMESH_REGISTRY_URL = urls.registryUrl;
  t.after(() => delete process.env.AGENTMESH_RELAY_URL && delete process.env.AGENTMESH_REGISTRY_URL);
  const { default: worker } = await run('05');
  const env = { AGENT_STORAGE: new Bucket(), AGENTMESH_REGISTRY_URL: urls.registryUrl, AGENTMESH_RELAY_URL: urls.relayUrl };
  const context = new Context();
  const info = async () => (await worker.fetch(ask('/info'), env, context)).json();
  const first = await info();
  env.AGENT_STORAGE.failGet = true;
  await assert.rejects(info(), { kind: 'storage' });
  env.AGENT_STORAGE.failGet = false;
  const second = await info();
  assert.deepEqual(second, { amid: first.amid, capabilities: [] });

  const bob = await agent(t, urls);
  const sent = await worker.fetch(ask('/send', { to: bob.amid, message: { hello: 'from a worker' } }), env, context);
  assert.deepEqual(await sent.json(), { success: true });
  await Promise.all(context.waiting);
  const message = await next(bob.messages());
  assert.deepEqual([message.from, message.payload], [first.amid, { hello: 'from a worker' }]);
  assert.deepEqual((await bob.lookup(first.amid)).displayName, 'MoltWorker Agent');
  assert.equal((await worker.fetch(ask('/send'), env, context)).status, 405);
  assert.equal((await worker.fetch(ask('/nothing'), env, context)).status, 404);
});

test('06: two Durable Objects open a session and talk', async () => {
  const { AgentSession } = await run('06');
  const [alice, bob] = [new Bucket(), new Bucket()].map((AGENT_STORAGE) => new AgentSession({}, { AGENT_STORAGE }));
  const call = async (object, path, body) => (await object.fetch(ask(path, body))).json();
  await alice.fetch(ask('/nothing'));
  await bob.fetch(ask('/nothing'));
  const bundle = await new sdk.PrekeyManager(bob.identity, bob.storage).loadOrInitialize();
  const peer = { peerAmid: bob.identity.amid, peerBundle: bundle, peerSigningKey: Array.from(bob.identity.signingPublicKey) };
  const begun = await call(alice, '/session/initiate', peer);
  const accepted = await call(bob, '/session/accept', { peerAmid: alice.identity.amid, x3dhMessage: begun.x3dhMessage });
  assert.equal(accepted.sessionId, begun.sessionId);
  assert.equal(accepted.ratchetKey.length, 32);
  const { envelope } = await call(alice, '/message/encrypt', { sessionId: begun.sessionId, plaintext: { hello: 'wörld' } });
  const { plaintext } = await call(bob, '/message/decrypt', { sessionId: accepted.sessionId, envelope });
  assert.deepEqual(plaintext, { hello: 'wörld' });
});

/** One end of a `WebSocketPair`. */
class Socket extends EventTarget {
  accept() {}
  send(data) {
    queueMicrotask(() => this.other.dispatchEvent(new MessageEvent('message', { data })));
  }
  close() {
    queueMicrotask(() => this.other.dispatchEvent(new Event('close')));
  }
}

test('07: a Durable Object passes on what relay and client say', async (t) => {
  const bucket = new Bucket();
  const identity = await sdk.Identity.generate();
  await identity.save(new sdk.R2Storage(bucket), 'relay-identity');
  // What Workers have and Node 20 has not, as far as the block goes.
  let relay;
  const heardByRelay = new EventEmitter();
  const { Response: ResponseOfNode, WebSocket: socketOfNode } = globalThis;
  t.after(() => Object.assign(globalThis, { Response: ResponseOfNode, WebSocket: socketOfNode }));
  const workers = {
    WebSocket: class extends EventTarget {
      static OPEN = 1;
      readyState = 1;
      constructor(url) {
        super();
        this.url = url;
        relay = this;
        queueMicrotask(() => this.dispatchEvent(new Event('open')));
      }
      send(data) {
        heardByRelay.emit('message', data);
      }
      close() {
        heardByRelay.emit('close');
      }
    },
    WebSocketPair: class {
      constructor() {
        this[0] = new Socket();
        this[1] = new Socket();
        [this[0].other, this[1].other] = [this[1], this[0]];
      }
    },
    Response: class extends ResponseOfNode {
      constructor(body, init) {
        super(body, init?.status === 101 ? {} : init);
        this.webSocket = init?.webSocket;
      }
    },
  };
  const { RelayConnection } = await run('07', workers);
  const object = new RelayConnection({}, { AGENT_STORAGE: bucket, AGENTMESH_RELAY_URL: 'wss://relay.test/v1/connect' });
  assert.equal((await object.fetch(ask('/'))).status, 400);
  const greeting = once(heardByRelay, 'message');
  const { webSocket: client } = await object.fetch({ headers: new Headers({ Upgrade: 'websocket' }) });
  const { signature, timestamp, ...rest } = JSON.parse((await greeting)[0]);
  assert.deepEqual(rest, {
    type: 'connect',
    protocol: 'agentmesh/0.2',
    amid: identity.amid,
    public_key: identity.signingPublicKeyB64Raw,
  });
  assert.ok(sdk.verify(identity.signingPublicKey, Buffer.from(timestamp), Buffer.from(signature, 'base64')));
  assert.equal(relay.url, 'wss://relay.test/v1/connect');

  const heard = once(client, 'message');
  relay.dispatchEvent(new MessageEvent('message', { data: 'down' }));
  assert.equal((await heard)[0].data, 'down');
  const said = once(heardByRelay, 'message');
  client.send('up');
  assert.deepEqual(await said, ['up']);
  const closed = once(heardByRelay, 'close');
  client.close();
  await closed;
});

test('08: connecting does not hold up the answer', async (t) => {
  const { urls } = await server(t);
  const alice = await sdk.AgentMeshClient.create({ storage: new sdk.MemoryStorage(), ...urls });
  after(t, () => alice.close());
  const { default: worker } = await run('08', {
    loadAgent: async () => alice,
    handleRequest: async (_, { amid }) => new Response(amid),
  });
  const context = new Context();
  assert.equal(await (await worker.fetch(ask('/'), {}, context)).text(), alice.amid);
  await Promise.all(context.waiting);
});

test('09: an identity is cached in the storage of a Durable Object', async () => {
  const source = readFileSync(join(place, 'built', '09.js'), 'utf8');
  writeFileSync(join(place, 'built', '09.js'), `${source}\nexport { AgentDO };\n`);
  const { AgentDO } = await run('09');
  const r2Storage = new sdk.R2Storage(new Bucket());
  const identity = await sdk.Identity.generate();
  await identity.save(r2Storage, 'agent');
  const cache = new Map();
  const storage = { get: async (key) => cache.get(key), put: async (key, value) => void cache.set(key, value) };
  const object = () => Object.assign(new AgentDO(), { state: { storage }, r2Storage });
  assert.equal((await object().getIdentity()).amid, identity.amid);
  assert.ok(cache.has('identity'));
  await r2Storage.close();
  assert.equal((await object().getIdentity()).amid, identity.amid, 'from the cache');
});

test('10: prekeys are replenished on schedule', async (t) => {
  const bucket = new Bucket();
  await (await sdk.Identity.generate()).save(new sdk.R2Storage(bucket), 'agent');
  const said = [];
  t.mock.method(console, 'log', (text) => said.push(text));
  const { default: worker } = await run('10');
  await worker.scheduled({}, { AGENT_STORAGE: bucket }, new Context());
  const storage = new sdk.R2Storage(bucket);
  const { oneTimePrekeys } = await new sdk.PrekeyManager(await sdk.Identity.load(storage, 'agent'), storage).bundle();
  assert.ok(oneTimePrekeys.length >= 50);
  assert.deepEqual(said, said.length ? ['Replenished one-time prekeys'] : []);
});

test('11: errors are printed, and a fallback is used', async (t) => {
  const errors = t.mock.method(console, 'error', () => undefined);
  const alice = await sdk.AgentMeshClient.create({ storage: new sdk.MemoryStorage(), offline: true });
  await run('11', { agent: alice });
  assert.equal(errors.mock.callCount(), 0);
  await alice.close();
  await run('11', { agent: alice });
  assert.equal(errors.mock.calls[0].arguments[1].code, 'AGENT_CLOSED');
});

test('12: what comes in is logged', async (t) => {
  const { urls } = await server(t);
  const [alice, bob] = [await agent(t, urls), await agent(t, urls)];
  const logged = new Promise((resolve) => t.mock.method(console, 'log', (line) => resolve(JSON.parse(line))));
  await run('12', { agent: bob });
  await alice.send(bob.amid, 'secret', { wait: 'handled' });
  const { timestamp, ...entry } = await logged;
  assert.ok(Date.parse(timestamp) > 0);
  const [session] = await bob.getSessions();
  assert.deepEqual(entry, {
    agentAmid: bob.amid,
    type: 'MESSAGE_RECEIVED',
    severity: 'DEBUG',
    message: 'Received message',
    fields: { peerAmid: alice.amid, sessionId: session.id },
  });
});
