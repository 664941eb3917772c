// IndexedDbStorage in Chromium: its key, and what goes wrong.

import assert from 'node:assert/strict';
import test from 'node:test';
import { directory, launch, open, origin, ownBrowser, tab } from './support.mjs';

test('an agent is there again after a reload, and after the browser was closed', async (t) => {
  const [profile, url] = [directory(t), await origin(t)];
  const first = await launch(profile);
  const page = await tab(first, url);
  const { value: amid } = await page.evaluate(() => globalThis.amid('agent'));
  assert.match(amid, /^\w{20,}$/);
  await page.reload();
  assert.deepEqual(await (await tab(first, url)).evaluate(() => globalThis.amid('agent', {}, { mode: 'load' })), { value: amid });
  await first.close();
  const again = await tab(await ownBrowser(t, profile), url);
  assert.deepEqual(await again.evaluate(() => globalThis.amid('agent', {}, { mode: 'load' })), { value: amid });
  // Two stores are two agents.
  assert.notEqual((await again.evaluate(() => globalThis.amid('other'))).value, amid);
});

test('the key cannot be read out, and none is made in place of one that is gone', async (t) => {
  const { page } = await open(t);
  const { value: amid } = await page.evaluate(() => globalThis.amid('agent'));
  const kept = await page.evaluate(() => globalThis.raw('agent', 'meta', (meta) => meta.get('key')).then(async ({ wrapping }) => ({
    extractable: wrapping.extractable,
    exported: await crypto.subtle.exportKey('raw', wrapping).then(() => 'exported', (error) => error.name),
  })));
  assert.deepEqual(kept, { extractable: false, exported: 'InvalidAccessError' });
  const broken = await page.evaluate(async () => {
    const key = await globalThis.raw('agent', 'meta', (meta) => meta.get('key'));
    const records = () => globalThis.raw('agent', 'records', (store) => store.count());
    const before = await records();
    const found = [];
    for (const instead of [undefined, { ...key, sealed: key.sealed.toReversed() }, 'no key']) {
      await globalThis.raw('agent', 'meta', (meta) => (instead === undefined ? meta.delete('key') : meta.put(instead, 'key')));
      found.push((await globalThis.amid('agent')).code);
    }
    await globalThis.raw('agent', 'meta', (meta) => meta.put(key, 'key'));
    return { found, changed: (await records()) - before, amid: (await globalThis.amid('agent')).value };
  });
  assert.deepEqual(broken, { found: Array(3).fill('STORAGE_CORRUPT'), changed: 0, amid });
});

test('the key is the application’s if it brings one', async (t) => {
  const { page } = await open(t);
  const result = await page.evaluate(async () => {
    const { Key } = globalThis.sdk;
    const [right, wrong] = [Key.random(), Key.random()];
    const codes = [];
    const { value } = await globalThis.amid('mine', { key: right });
    codes.push((await globalThis.amid('mine', { key: right })).value === value);
    codes.push((await globalThis.amid('mine', { key: wrong })).code);
    codes.push((await globalThis.amid('mine')).code);
    const said = (passphrase) => globalThis.amid('said', { key: Key.passphrase(passphrase) });
    const first = await said('correct horse');
    codes.push((await said('correct horse')).value === first.value);
    codes.push((await said('wrong')).code !== undefined);
    const kept = await globalThis.raw('said', 'meta', (meta) => meta.getAllKeys());
    return { codes, kept };
  });
  assert.deepEqual(result, { codes: [true, 'STATE_WRONG_STORE_KEY', 'STORAGE_CORRUPT', true, true], kept: ['format', 'holder'] });
});

test('what is newer, foreign, damaged or gone is an error, and never a fresh start', async (t) => {
  const { page } = await open(t);
  const codes = await page.evaluate(async () => {
    const codes = {};
    const code = async (name) => (await globalThis.amid(name)).code ?? 'none';
    const made = (name, version, upgrade) =>
      new Promise((resolve) => {
        const request = indexedDB.open(name, version);
        request.onupgradeneeded = () => upgrade(request.result);
        request.onsuccess = () => resolve(request.result.close());
      });
    await globalThis.amid('agent');
    await made('foreign', 1, (db) => db.createObjectStore('records'));
    codes.foreign = await code('foreign');
    await made('newer', 2, (db) => db.createObjectStore('whatever'));
    codes.newer = await code('newer');

    const [row] = await globalThis.raw('agent', 'records', (records) => records.getAll(IDBKeyRange.bound(['identity'], ['identity', []])));
    await globalThis.raw('agent', 'records', (records) => records.put({ ...row, sealed: 'not bytes' }));
    codes.damaged = await code('agent');
    await globalThis.raw('agent', 'records', (records) => records.put(row));
    codes.mended = await code('agent');

    await globalThis.done(indexedDB.deleteDatabase('agent'));
    codes.gone = await code('agent');
    codes.goneStill = await code('agent');
    await globalThis.sdk.IndexedDbStorage.delete('agent');
    codes.deleted = await code('agent');
    return codes;
  });
  assert.deepEqual(codes, {
    foreign: 'STORAGE_NOT_A_STORE',
    newer: 'STORAGE_FOREIGN_VERSION',
    damaged: 'STORAGE_CORRUPT',
    mended: 'none',
    gone: 'STORAGE_CORRUPT',
    goneStill: 'STORAGE_CORRUPT',
    deleted: 'none',
  });
});

test('a quota that is used up is told, nothing was written, and it goes on when there is room', async (t) => {
  const { page } = await open(t);
  // What a browser does then, played: it undoes the transaction and says why.
  const result = await page.evaluate(async () => {
    const store = new globalThis.sdk.IndexedDbStorage('full');
    await store.commit([globalThis.change(1)]);
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...all) {
      const request = put.apply(this, all);
      if (all[0].kind !== undefined && all[0].key[0] !== 2) {
        Object.defineProperty(this.transaction, 'error', { value: new DOMException('', 'QuotaExceededError') });
        this.transaction.abort();
      }
      return request;
    };
    const refused = await globalThis.outcome(() => store.commit([globalThis.change(2), globalThis.change(3)]));
    // Of an agent it is the error of all stores.
    const agent = await globalThis.amid('another');
    IDBObjectStore.prototype.put = put;
    await store.commit([globalThis.change(4)]);
    const keys = (await store.list('meta', null, 10)).map(({ key }) => key[0]);
    return { refused: refused.code, agent: [agent.code, agent.retryable], keys, again: (await globalThis.amid('another')).code ?? 'none' };
  });
  assert.deepEqual(result, { refused: 'full', agent: ['STORAGE_FULL', true], keys: [1, 4], again: 'none' });
});

test('a commit is one strict transaction, and one that the browser undoes wrote nothing', async (t) => {
  const { page } = await open(t);
  const result = await page.evaluate(async () => {
    const store = new globalThis.sdk.IndexedDbStorage('agent');
    await store.load([]);
    const asked = [];
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (stores, mode, options) {
      asked.push([mode, options.durability]);
      return transaction.call(this, stores, mode, options);
    };
    await store.commit([globalThis.change(1), globalThis.change(2)]);
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...all) {
      const request = put.apply(this, all);
      if (all[0].key[0] === 4) this.transaction.abort();
      return request;
    };
    const undone = await globalThis.outcome(() => store.commit([globalThis.change(3), globalThis.change(4)]));
    IDBObjectStore.prototype.put = put;
    await store.commit([globalThis.change(5)]);
    const keys = (await store.list('meta', null, 10)).map(({ key }) => key[0]);
    await store.close();
    return { asked: asked[0], undone: undone.code, keys };
  });
  assert.deepEqual(result, { asked: ['readwrite', 'strict'], undone: 'unreachable', keys: [1, 2, 5] });
});

test('a connection that makes no room is told after a while; ours makes room, and says so', async (t) => {
  const { page } = await open(t);
  const blocked = await page.evaluate(async () => {
    await globalThis.amid('agent');
    const other = await globalThis.done(indexedDB.open('agent'));
    const deleting = globalThis.done(indexedDB.deleteDatabase('agent'));
    const { code, retryable } = await globalThis.amid('agent', { openTimeoutMs: 200 });
    other.close();
    await deleting;
    return { code, retryable };
  });
  assert.deepEqual(blocked, { code: 'STORAGE_LOCKED', retryable: true });
  const lost = await page.evaluate(async () => {
    let reason;
    const lost = new Promise((resolve) => (reason = resolve));
    const store = new globalThis.sdk.IndexedDbStorage('victim', { onLost: reason });
    const client = await globalThis.sdk.AgentMeshClient.create({ storage: store, offline: true });
    const before = await globalThis.outcome(() => globalThis.sdk.IndexedDbStorage.delete('victim'));
    await globalThis.done(indexedDB.deleteDatabase('victim'));
    const result = [before.code, await lost, (await globalThis.outcome(() => client.pauseNew())).code];
    await client.close();
    return result;
  });
  assert.deepEqual(lost, ['STORAGE_LOCKED', 'closed', 'AGENT_CLOSED']);
});

test('a page that is not secure is told what it lacks', async (t) => {
  const { context, url } = await open(t);
  const page = await tab(context, url.replace('127.0.0.1', 'insecure.test'));
  const { code, message } = await page.evaluate(() => globalThis.amid('agent'));
  assert.equal(code, 'BINDING_ARGUMENT');
  assert.match(message, /https/);
});
