// In the page: the package, the player of scenarios, and stores that are called from outside.

import * as sdk from '@agentmesh/sdk';
import { play } from './play.mjs';

const stores = new Map();
const bytes = (text) => (text === null ? null : Uint8Array.fromBase64(text));
const id = ([kind, key]) => ({ kind, key: bytes(key) });
const row = (record) => record && [record.kind, record.key.toBase64(), record.version, record.sealed.toBase64()];

const calls = {
  // The first call opens it.
  open: (store) => store.load([]),
  load: async (store, ids) => (await store.load(ids.map(id))).map(row),
  list: async (store, kind, after, limit) => (await store.list(kind, bytes(after), limit)).map(row),
  commit: (store, changes) =>
    store.commit(changes.map(([kind, key, expected, value, version]) => ({ kind, key: bytes(key), expected, value: bytes(value), version }))),
  close: (store) => store.close(),
};

/** What came of a call, as JSON. */
async function remote(name, operation, ...args) {
  try {
    if (operation === 'open') stores.set(name, new sdk.IndexedDbStorage(...args));
    return { value: await calls[operation](stores.get(name), ...args) };
  } catch (error) {
    const { failure, code, message } = error;
    const conflict = error instanceof sdk.Conflict && [error.id.kind, error.id.key.toBase64(), error.expected, error.actual];
    return { failure: failure ?? { STORAGE_LOCKED: 'locked', STORAGE_CLOSED: 'closed' }[code] ?? 'failed', message, conflict };
  }
}

/** What came of something: its value, or the code of its error. */
async function outcome(work) {
  try {
    return { value: await work() };
  } catch (error) {
    return { code: error.code ?? error.failure ?? error.name, message: error.message, retryable: error.retryable };
  }
}

/** An agent that is not online, by its address; closed again. */
function amid(name, options = {}, opening = {}) {
  return outcome(async () => {
    const client = await sdk.AgentMeshClient.create({ storage: new sdk.IndexedDbStorage(name, options), offline: true, ...opening });
    await client.close();
    return client.amid;
  });
}

/** A request of IndexedDB, behind the store's back. */
const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** One transaction, behind the store's back. */
async function raw(name, store, work) {
  const db = await done(indexedDB.open(name));
  const result = await done(work(db.transaction(store, 'readwrite').objectStore(store)));
  db.close();
  return result;
}

/** A record that is written for the first time. */
const change = (n, size = 1) => ({ kind: 'meta', key: new Uint8Array(16).fill(n), expected: 0, value: new Uint8Array(size).fill(n), version: 1 });

Object.assign(globalThis, { sdk, play, remote, outcome, amid, done, raw, change });

// How often a page of this origin was loaded, for those who wonder whether one was kept.
localStorage.setItem('loaded', String(Number(localStorage.getItem('loaded')) + 1));
