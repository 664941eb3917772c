// One agent whose state goes from language to language: Python, Node, a Durable Object in workerd, Rust. The same session, the same
// records. workerd and the module for it are those of `scripts/wasm.sh`. In CI they and Python must be there.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { AgentMeshClient, Key, Policy, SqliteStorage } from '@agentmesh/sdk';
import { both, peer, Python, python, skip as noPython } from './peer.mjs';
import { after, agent, directory, given, next, serverProcess } from './support.mjs';

const run = promisify(execFile);
const tools = join(given('AGENTMESH_TEST_SOURCE'), 'target', 'npm-wasm', 'tools');
const module = join(process.cwd(), 'node_modules', '@agentmesh', 'sdk', 'dist', 'web', 'wasm', 'agentmesh.wasm');
const missing = [tools, module].find((path) => !existsSync(path));
if (missing && process.env.CI === 'true') throw new Error(`${missing} is missing: run scripts/wasm.sh before scripts/node.sh`);
const skip = noPython || (missing && 'there is no module for workerd: run scripts/wasm.sh before');

/** Every kind of record, as SQLite stores number them from 1. */
const KINDS = ['identity', 'prekeys', 'peer', 'session', 'outbox', 'inbox', 'seen', 'meta', 'value', 'managed', 'assembly', 'chunk', 'stream'];
const hex = (bytes) => Buffer.from(bytes).toString('hex');
/** What records are equal by, short enough to be printed. */
const sorted = (records) =>
  records.map(([kind, key, version, sealed]) => `${kind} ${key} ${version} ${createHash('sha256').update(sealed).digest('hex').slice(0, 32)}`).sort();

/** All records of a home, sealed as they are. */
async function exported(path) {
  const store = new SqliteStorage(path);
  const all = [];
  for (const kind of KINDS) {
    for (const { key, version, sealed } of await store.list(kind, null, 10_000)) all.push([kind, hex(key), version, hex(sealed)]);
  }
  await store.close();
  return all;
}

/** Puts records into a home, in the place of all that was there: byte by byte, as a store that is copied would be. */
async function imported(home, records) {
  const rows = records.map(([kind, ...rest]) => [KINDS.indexOf(kind) + 1, ...rest]);
  const said = execFileSync(python, [peer, home, 'replace'], { input: JSON.stringify(rows), encoding: 'utf8' });
  assert.deepEqual(JSON.parse(said), { records: rows.length });
}

/** A Durable Object with room for an agent; calls its methods. */
async function workerd(t, out) {
  const of = createRequire(join(tools, 'package.json'));
  const [{ build }, { Miniflare }] = [of('esbuild'), of('miniflare')];
  await build({
    entryPoints: { worker: join(import.meta.dirname, 'handover.worker.mjs') },
    outdir: out,
    bundle: true,
    format: 'esm',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*'],
    loader: { '.wasm': 'copy' },
    logLevel: 'error',
  });
  const mf = new Miniflare({
    cf: false,
    modules: true,
    scriptPath: join(out, 'worker.js'),
    modulesRoot: out,
    modulesRules: [{ type: 'CompiledWasm', include: ['**/*.wasm'] }],
    compatibilityDate: '2026-04-01',
    durableObjects: { HOME: { className: 'Home', useSQLite: true } },
  });
  after(t, () => mf.dispose());
  return async (...call) => {
    const response = await mf.dispatchFetch('http://home.test', { method: 'POST', body: JSON.stringify(call) });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text);
  };
}

test('an agent that began in Python goes on in Node, in workerd, and then in Rust: the same session, the same records', { skip }, async (t) => {
  const root = directory(t);
  const urls = await serverProcess(t, root);
  const home = join(root, 'home');
  mkdirSync(home);
  const database = join(home, 'agent.db');
  /** The records of sessions, as Python finds them on the disk. */
  const records = async () => JSON.parse((await run(python, [peer, home])).stdout).records;
  const cli = async (...command) => {
    const how = ['--home', home, '--registry', urls.registryUrl, '--relay', urls.relayUrl, '--json'];
    const { stdout } = await run(given('AGENTMESH_TEST_CLI'), [...how, ...command], { timeout: 60_000 });
    return stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  };
  const open = (options) =>
    AgentMeshClient.create({
      storage: new SqliteStorage(database),
      key: Key.file(join(home, 'store.key')),
      policy: Policy.permissive(),
      mode: 'load',
      ...options,
    });
  const other = await agent(t, urls);
  const messages = other.messages();

  const began = await Python.start(t, home, urls);
  const { amid } = began;
  const [first] = await both(next(messages), began.does({ do: 'send', to: other.amid, payload: 'Python' }));
  const [id] = (await began.does({ do: 'sessions' })).sessions;
  await began.stop();
  const ofPython = await records();
  assert.equal(ofPython.length, 1);

  // Opened and closed, nothing of the session is written anew: what Python wrote is what Node would have written.
  const looked = await open({ offline: true });
  assert.deepEqual([looked.amid, (await looked.getSessions()).map((session) => session.id)], [amid, [id]]);
  await looked.close();
  assert.deepEqual(await records(), ofPython);

  const node = await open(urls);
  await node.connect();
  const [second] = await both(next(messages), node.send(other.amid, 'Node', { wait: 'handled' }));
  const [, answer] = await both(other.send(amid, 'to Node', { wait: 'handled' }), next(node.messages()));
  assert.equal(answer.payload, 'to Node');
  await node.close();
  const ofNode = await records();
  assert.notDeepEqual(ofNode, ofPython);

  // Every record moves as it is, sealed. The key is all that has to be told.
  const key = hex(Buffer.from(readFileSync(join(home, 'store.key'), 'utf8'), 'base64'));
  const moved = await exported(database);
  const object = await workerd(t, join(root, 'bundle'));
  await object('take', moved);
  assert.deepEqual(sorted(await object('records', KINDS)), sorted(moved));
  const of = (kind, all) => sorted(all.filter(([which]) => which === kind));
  assert.deepEqual(await object('look', key), { amid, sessions: [id] });
  assert.deepEqual(of('session', await object('records', KINDS)), of('session', moved), 'looked at, and not written anew');
  const [third] = await both(next(messages), object('say', key, urls, other.amid, 'workerd'));
  const ofWorkerd = await object('records', KINDS);
  assert.notDeepEqual(of('session', ofWorkerd), of('session', moved));
  await imported(home, ofWorkerd);
  assert.deepEqual(sorted(await exported(database)), sorted(ofWorkerd));

  const status = await cli('sessions');
  assert.ok(JSON.stringify(status).includes(id), JSON.stringify(status));
  const found = (await records()).map((record) => ['session', ...record]);
  assert.deepEqual(sorted(found), of('session', ofWorkerd), 'what workerd wrote is what Rust finds');
  const [fourth] = await both(next(messages), cli('send', other.amid, '"Rust"', '--wait', 'handled'));

  assert.deepEqual(
    [first, second, third, fourth].map(({ payload, from, seq }) => [payload, from, seq - first.seq]),
    [['Python', amid, 0], ['Node', amid, 1], ['workerd', amid, 2], ['Rust', amid, 3]],
  );
  assert.deepEqual((await other.getSessions()).map((session) => session.id), [id], 'one session all the way');
});
