// IndexedDbStorage in Chromium under the conformance suite of all stores, which runs here, in Node.

import assert from 'node:assert/strict';
import test from 'node:test';
import { Conflict, CustomStorage, StoreFailure } from '@agentmesh/sdk';
import { checkStorage, STORAGE_TESTS } from '@agentmesh/sdk/testing';
import { open } from './support.mjs';

const text = (bytes) => bytes && Buffer.from(bytes).toString('base64');
const record = (row) => row && { kind: row[0], key: Buffer.from(row[1], 'base64'), version: row[2], sealed: Buffer.from(row[3], 'base64') };

/** A store in a page, under the suite here. */
class Remote extends CustomStorage {
  static #made = 0;
  #name = String(++Remote.#made);

  constructor(page) {
    super();
    this.page = page;
  }

  static async open(page, name) {
    const store = new Remote(page);
    await store.#call('open', name, { whenInUse: 'fail' });
    return store;
  }

  async #call(...call) {
    const { value, failure, message, conflict } = await this.page.evaluate((all) => globalThis.remote(...all), [this.#name, ...call]);
    if (conflict) throw new Conflict({ kind: conflict[0], key: Buffer.from(conflict[1], 'base64') }, conflict[2], conflict[3]);
    if (failure === 'failed') throw new Error(message);
    if (failure) throw new StoreFailure(failure, message);
    return value;
  }

  async load(ids) {
    return (await this.#call('load', ids.map(({ kind, key }) => [kind, text(key)]))).map(record);
  }

  async list(kind, after, limit) {
    return (await this.#call('list', kind, text(after), limit)).map(record);
  }

  commit(changes) {
    return this.#call('commit', changes.map((c) => [c.kind, text(c.key), c.expected, text(c.value), c.version]));
  }

  close() {
    return this.#call('close');
  }
}

test('the conformance suite of all stores', async (t) => {
  assert.ok(STORAGE_TESTS.length >= 10);
  const { page } = await open(t);
  for (const rule of STORAGE_TESTS) await t.test(rule, () => checkStorage(() => Remote.open(page, rule), rule));
});
