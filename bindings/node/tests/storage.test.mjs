import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import {
  AgentMeshClient,
  Conflict,
  CustomStorage,
  FileStorage,
  Identity,
  Key,
  KVStorage,
  MemoryStorage,
  Policy,
  R2Storage,
  SqliteStorage,
  StoreFailure,
} from '@agentmesh/sdk';
import { checkStorage, STORAGE_TESTS } from '@agentmesh/sdk/testing';
import { Bucket, Namespace } from './cloudflare.mjs';
import { agent, directory, next, server } from './support.mjs';

const name = ({ kind, key }) => `${kind}/${Buffer.from(key).toString('hex')}`;

/** A store of an application, in a map that outlives it. */
class MapStorage extends CustomStorage {
  #closed = false;

  constructor(shared, options) {
    super(options);
    if (shared.open) throw new StoreFailure('locked');
    shared.open = true;
    this.shared = shared;
  }

  #records() {
    if (this.#closed) throw new StoreFailure('closed');
    return (this.shared.records ??= new Map());
  }

  async load(ids) {
    const records = this.#records();
    return ids.map((id) => records.get(name(id)) ?? null);
  }

  async list(kind, after, limit) {
    const found = [...this.#records().values()].filter((record) => record.kind === kind);
    found.sort((a, b) => Buffer.compare(a.key, b.key));
    return found.filter((record) => after === null || Buffer.compare(record.key, after) > 0).slice(0, limit);
  }

  async commit(changes) {
    const records = this.#records();
    for (const change of changes) {
      const actual = records.get(name(change))?.version ?? 0;
      if (actual !== change.expected) throw new Conflict(change, change.expected, actual);
    }
    for (const { kind, key, value, version } of changes) {
      if (value === null) records.delete(name({ kind, key }));
      else records.set(name({ kind, key }), { kind, key, version, sealed: value });
    }
  }

  async close() {
    this.#closed = true;
    this.shared.open = false;
  }
}

test('there is a conformance suite', () => assert.ok(STORAGE_TESTS.length >= 10));

for (const rule of STORAGE_TESTS) {
  test(`a store in JavaScript: ${rule}`, async () => {
    const shared = {};
    await checkStorage(() => new MapStorage(shared), rule);
  });

  test(`R2Storage: ${rule}`, async () => {
    const bucket = new Bucket();
    await checkStorage(() => new R2Storage(bucket, 'agents/'), rule, { exclusive: false });
  });
}

test('a store that does it wrong is found out', async () => {
  class Forgetful extends MapStorage {
    async commit() {}
  }
  const shared = {};
  await assert.rejects(checkStorage(() => new Forgetful(shared), 'reads_what_was_committed'), /reads_what_was_committed/);
});

test('an agent lives in a store of the application, over restarts', async (t) => {
  const { urls } = await server(t);
  const [shared, key] = [{}, Key.random()];
  const open = () => agent(t, urls, { storage: new MapStorage(shared, { key }) });
  const [first, bob] = [await open(), await agent(t, urls)];
  const { amid } = first;
  await first.send(bob.amid, 1);
  await first.close();
  assert.equal(shared.open, false);
  const second = await open();
  assert.equal(second.amid, amid);
  assert.equal((await second.getSessions()).length, 1);
  const messages = bob.messages();
  assert.equal((await next(messages)).payload, 1);
  await second.send(bob.amid, 2, { wait: 'delivered' });
  assert.equal((await next(messages)).payload, 2);
});

test('a store that fails is an error of the agent, and says which', async (t) => {
  t.mock.method(console, 'error', () => undefined);
  class Broken extends MapStorage {
    async load() {
      throw new RangeError('secret of the application');
    }
  }
  const opening = AgentMeshClient.create({ storage: new Broken({}), key: Key.random(), offline: true });
  await assert.rejects(opening, (error) => {
    assert.equal(error.kind, 'storage');
    assert.match(error.message, /Broken/);
    assert.ok(!error.message.includes('secret'));
    return true;
  });
});

test('SQLite and directories keep an agent, and are locked while it is open', async (t) => {
  const home = directory(t);
  for (const make of [() => new SqliteStorage(join(home, 'a.db')), () => new FileStorage(join(home, 'files'))]) {
    const key = Key.file(join(home, `${make().constructor.name}.key`));
    const storage = make();
    const client = await AgentMeshClient.create({ storage, key, offline: true });
    const { amid } = client;
    await assert.rejects(AgentMeshClient.create({ storage: make(), key, offline: true }), { code: 'STORAGE_LOCKED' });
    await client.close();
    const again = await AgentMeshClient.create({ storage: make(), key, offline: true, mode: 'load' });
    assert.equal(again.amid, amid);
    await again.close();
    const wrong = AgentMeshClient.create({ storage: make(), key: Key.random(), offline: true });
    await assert.rejects(wrong, (error) => error.kind === 'authentication' || error.kind === 'storage');
  }
});

test('sealed records go from one store into another', async () => {
  const [from, to] = [new MemoryStorage(), new MemoryStorage()];
  const identity = await Identity.generate();
  await identity.save(from, 'me');
  const kinds = ['identity', 'meta', 'managed', 'value'];
  let moved = 0;
  for (const kind of kinds) {
    const records = await from.list(kind).catch(() => []);
    await to.commit(records.map(({ version, sealed, ...id }) => ({ ...id, expected: 0, value: sealed, version })));
    const found = await to.load(records);
    assert.deepEqual(found.map((record) => record.sealed), records.map((record) => record.sealed));
    moved += records.length;
  }
  assert.ok(moved > 0);
  await from.close();
});

test('the key of a store comes from the environment if nobody says otherwise', async (t) => {
  t.after(() => delete process.env.AGENTMESH_STORE_KEY);
  const bucket = new Bucket();
  const identity = await Identity.generate();
  await assert.rejects(identity.save(new R2Storage(bucket), 'me'), /AGENTMESH_STORE_KEY/);
  process.env.AGENTMESH_STORE_KEY = Buffer.alloc(32, 7).toString('base64');
  await identity.save(new R2Storage(bucket), 'me');
  const same = new R2Storage(bucket, '', { key: new Uint8Array(32).fill(7) });
  assert.equal((await Identity.load(same, 'me')).amid, identity.amid);
  process.env.AGENTMESH_STORE_KEY = 'too short';
  await assert.rejects(Identity.load(new R2Storage(bucket), 'me'), { code: 'BINDING_ARGUMENT' });
});

test('two that share a bucket: one wins each commit, nothing is lost', async () => {
  const bucket = new Bucket();
  const [one, two] = [new R2Storage(bucket), new R2Storage(bucket)];
  const id = { kind: 'meta', key: new Uint8Array(16).fill(1) };
  let conflicts = 0;
  async function count(store, times) {
    for (let done = 0; done < times; ) {
      const [record] = await store.load([id]);
      const [version, number] = [record?.version ?? 0, record ? new DataView(record.sealed.slice().buffer).getUint32(0) : 0];
      const value = new Uint8Array(4);
      new DataView(value.buffer).setUint32(0, number + 1);
      try {
        await store.commit([{ ...id, expected: version, value, version: version + 1 }]);
        done += 1;
      } catch (error) {
        assert.ok(error instanceof Conflict, error);
        conflicts += 1;
      }
    }
  }
  await Promise.all([count(one, 250), count(two, 250)]);
  const [record] = await one.load([id]);
  assert.deepEqual([record.version, new DataView(record.sealed.slice().buffer).getUint32(0)], [500, 500]);
  assert.ok(conflicts > 0);
});

test('an answer of R2 that was lost is not a commit that was', async () => {
  const bucket = new Bucket();
  const store = new R2Storage(bucket);
  const change = (n) => ({ kind: 'meta', key: new Uint8Array(16).fill(n), expected: 0, value: new Uint8Array([n]), version: 1 });
  bucket.loseAnswer = true;
  await store.commit([change(1)]);
  bucket.failPut = true;
  await assert.rejects(store.commit([change(2)]), /network/);
  await store.commit([change(3)]);
  const found = await new R2Storage(bucket).list('meta', null, 10);
  assert.deepEqual(found.map((record) => record.sealed[0]), [1, 3]);
  bucket.failGet = true;
  await assert.rejects(new R2Storage(bucket).load([]), (error) => error instanceof StoreFailure && error.failure === 'unreachable');
  bucket.failGet = false;
  bucket.objects.set('head', { etag: 'x', body: Buffer.from('{"format":"something else"}\n') });
  await assert.rejects(new R2Storage(bucket).load([]), (error) => error.failure === 'corrupt');
  // What S3Storage keeps in the same place is neither read nor replaced by a fresh agent.
  bucket.objects.set('head', { etag: 'y', body: Buffer.from('AMs3head and what follows') });
  await assert.rejects(new R2Storage(bucket).load([]), (error) => error.failure === 'corrupt' && /S3Storage/.test(error.message));
  const opening = AgentMeshClient.create({ storage: new R2Storage(bucket), key: Key.random(), offline: true });
  await assert.rejects(opening, { kind: 'storage' });
  assert.equal(bucket.objects.get('head').etag, 'y');
});

test('KV keeps presence, and is refused as the store of an agent', async () => {
  const kv = new KVStorage(new Namespace(), 'agentmesh:');
  await kv.set('presence:me', new TextEncoder().encode('{"status":"online"}'), { ttlMs: 1 });
  assert.deepEqual(JSON.parse(new TextDecoder().decode(await kv.get('presence:me'))), { status: 'online' });
  assert.deepEqual(await kv.keys('presence:'), ['presence:me']);
  await kv.delete('presence:me');
  assert.equal(await kv.get('presence:me'), null);
  const opening = AgentMeshClient.create({ storage: kv, key: Key.random(), policy: Policy.permissive(), offline: true });
  await assert.rejects(opening, (error) => {
    assert.match(error.message, /eventually consistent/);
    return true;
  });
});

test('a damaged record is told, with what is behind it', async () => {
  const shared = {};
  const key = Key.random();
  const made = await AgentMeshClient.create({ storage: new MapStorage(shared), key, offline: true });
  await made.close();
  const [damaged] = [...shared.records.values()].filter(({ kind }) => kind === 'prekeys');
  damaged.sealed = Uint8Array.from(damaged.sealed, (byte, at) => (at === damaged.sealed.length - 1 ? byte ^ 1 : byte));
  await assert.rejects(AgentMeshClient.create({ storage: new MapStorage(shared), key, offline: true }), (error) => {
    assert.equal(error.code, 'STATE_VAULT');
    assert.ok(error.cause instanceof Error && error.message.includes(error.cause.message), String(error.cause));
    return true;
  });
});
