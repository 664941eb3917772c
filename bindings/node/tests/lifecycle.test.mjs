// Processes that end, threads, clients that are forgotten.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import test from 'node:test';
import { AgentMeshClient, Key, MemoryStorage, Policy, R2Storage, SqliteStorage } from '@agentmesh/sdk';
import { Bucket } from './cloudflare.mjs';
import { agent, directory, next, server } from './support.mjs';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');

/** Runs a module in a process of its own, in this directory; what it printed. */
async function run(program, ...said) {
  const options = { timeout: 60_000, cwd: process.cwd() };
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, ...said], options);
  return stdout.trim();
}

const OPEN = `
  import { AgentMeshClient, MemoryStorage, Policy } from '@agentmesh/sdk';
  const [registryUrl, relayUrl] = process.argv.slice(1);
  const client = await AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), registryUrl, relayUrl });
  await client.connect();
`;

test('a process with an open client ends by itself', async (t) => {
  const { urls } = await server(t);
  assert.equal(await run(`${OPEN} client.on('offline', () => {}); console.log('end');`, urls.registryUrl, urls.relayUrl), 'end');
});

test('a process that exits while calls are under way does so', async (t) => {
  const { urls } = await server(t);
  const program = `${OPEN} client.onMessage(() => {}); setTimeout(() => { console.log('end'); process.exit(); }, 50);`;
  assert.equal(await run(program, urls.registryUrl, urls.relayUrl), 'end');
});

test('a client that waits for messages keeps its process alive', async (t) => {
  const { urls } = await server(t);
  const alice = await agent(t, urls);
  const running = run(
    `${OPEN} await client.send(${JSON.stringify(alice.amid)}, 'here');
     for await (const m of client.messages()) { await m.ack(); console.log(m.payload); break; }
     await client.close();`,
    urls.registryUrl,
    urls.relayUrl,
  );
  const hello = await next(alice.messages());
  await alice.send(hello.from, 'go', { wait: 'handled' });
  assert.equal(await running, 'go');
});

test('an unhandled failure of a client ends the process as any other does', async () => {
  const program = `
    import { AgentMeshClient, Key, SqliteStorage } from '@agentmesh/sdk';
    AgentMeshClient.create({ storage: new SqliteStorage('/dev/null/a.db'), key: Key.random() });`;
  await assert.rejects(run(program), (error) => /AgentMeshError/.test(error.stderr) && error.code === 1);
});

test('clients work in worker threads, also in several, and threads can be terminated', async (t) => {
  const { urls } = await server(t);
  const alice = await agent(t, urls);
  const program = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { AgentMeshClient, MemoryStorage, Policy } from '@agentmesh/sdk';
    const { urls, to, stay } = workerData;
    const client = await AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), ...urls });
    await client.connect();
    parentPort.postMessage((await client.request(to, client.amid)).payload === client.amid);
    if (stay) client.onMessage(() => {});
    else await client.close();`;
  alice.onRequest(({ payload }) => payload);
  const file = join(process.cwd(), 'worker.mjs');
  writeFileSync(file, program);
  const start = (stay) => new Worker(file, { workerData: { urls, to: alice.amid, stay } });
  const workers = [start(true), start(false), start(true)];
  for (const answer of await Promise.all(workers.map((worker) => once(worker, 'message')))) assert.deepEqual(answer, [true]);
  await Promise.all(workers.map((worker) => worker.terminate()));
  // This thread's client is none the worse.
  assert.ok((await alice.getSessions()).length >= 3);
});

test('a client that was forgotten is closed: its store can be opened again', async (t) => {
  const place = join(directory(t), 'agent.db');
  const key = Key.random();
  let forgotten = await AgentMeshClient.create({ storage: new SqliteStorage(place), key, offline: true });
  const { amid } = forgotten;
  forgotten = undefined;
  let again;
  for (let attempt = 0; again === undefined; attempt++) {
    assert.ok(attempt < 2000, 'never collected');
    gc();
    await turn();
    again = await AgentMeshClient.create({ storage: new SqliteStorage(place), key, offline: true }).catch((error) => {
      assert.equal(error.code, 'STORAGE_LOCKED');
    });
  }
  assert.equal(again.amid, amid);
  await again.close();
});

test('calls under way keep what they need: a client and a store that were forgotten meanwhile', async (t) => {
  const { urls } = await server(t);
  const bob = await agent(t, urls);
  const messages = bob.messages();
  const collected = [];
  const registry = new FinalizationRegistry((name) => collected.push(name));
  async function send() {
    const storage = new R2Storage(new Bucket(), '', { key: Key.random() });
    registry.register(storage, 'storage');
    const client = await agent(t, urls, { storage }, { close: false });
    return { sending: client.send(bob.amid, 'hello', { wait: 'handled' }) };
  }
  const { sending } = await send();
  const { value: message } = await messages.next();
  for (let n = 0; n < 20; n++) {
    gc();
    await turn();
  }
  assert.deepEqual(collected, []);
  await message.ack();
  assert.equal((await sending).stage, 'handled');
  for (let n = 0; collected.length === 0; n++) {
    assert.ok(n < 2000, 'the store is never collected');
    gc();
    await turn();
  }
});

test('a client disposes of itself', async () => {
  const client = await AgentMeshClient.create({ storage: new MemoryStorage(), offline: true, policy: Policy.permissive() });
  await client[Symbol.asyncDispose]();
  assert.equal(client.isClosed, true);
});

test('calls and aborted connects leave nothing behind', async (t) => {
  const { urls } = await server(t);
  const client = await agent(t, urls);
  const nowhere = { registryUrl: 'http://127.0.0.1:9/v1', relayUrl: 'ws://127.0.0.1:9/v1/connect' };
  async function round(times) {
    for (let n = 0; n < times; n++) {
      await Promise.all([client.getSessions(), client.outbox(), client.circuitState()]);
      if (n % 50 === 0) {
        const other = await AgentMeshClient.create({ storage: new MemoryStorage(), ...nowhere });
        await assert.rejects(other.connect({ signal: AbortSignal.timeout(1) }));
        await other.close();
      }
    }
    for (let n = 0; n < 5; n++) {
      gc();
      await turn();
    }
    return process.memoryUsage().rss;
  }
  await round(2000);
  const before = await round(2000);
  const after = await round(4000);
  assert.ok(after - before < 32 << 20, `${after - before} bytes more after 12 000 calls and 80 connects`);
});
