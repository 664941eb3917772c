// A store of your own: everything in one JSON file, replaced at every commit. Small, whole, and slow with many records.

import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentMeshClient, Conflict, CustomStorage, Key, StoreFailure } from '@agentmesh/sdk';

const nameOf = ({ kind, key }) => `${kind}/${Buffer.from(key).toString('hex')}`;

export class JsonStorage extends CustomStorage {
  #path;
  #records;

  constructor(path, options) {
    super(options);
    this.#path = path;
    try {
      // Whoever makes the file has the store. After a crash it is to be removed by hand.
      closeSync(openSync(`${path}.lock`, 'wx'));
    } catch {
      throw new StoreFailure('locked', `${path}.lock is there`);
    }
    this.#records = new Map(existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : []);
  }

  get location() {
    return this.#path;
  }

  #open() {
    if (this.#records === undefined) throw new StoreFailure('closed');
    return this.#records;
  }

  #record([name, [version, sealed]]) {
    const [kind, key] = name.split('/');
    return { kind, key: new Uint8Array(Buffer.from(key, 'hex')), version, sealed: new Uint8Array(Buffer.from(sealed, 'base64')) };
  }

  async load(ids) {
    const records = this.#open();
    return ids.map(nameOf).map((name) => (records.has(name) ? this.#record([name, records.get(name)]) : null));
  }

  async list(kind, after, limit) {
    const from = after === null ? `${kind}/` : nameOf({ kind, key: after });
    const names = [...this.#open()].filter(([name]) => name.startsWith(`${kind}/`) && name > from);
    return names.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit).map((found) => this.#record(found));
  }

  async commit(changes) {
    // Nothing is awaited in here, so commits do not meet.
    const next = new Map(this.#open());
    for (const change of changes) {
      const actual = next.get(nameOf(change))?.[0] ?? 0;
      if (actual !== change.expected) throw new Conflict(change, change.expected, actual);
      if (change.value === null) next.delete(nameOf(change));
      else next.set(nameOf(change), [change.version, Buffer.from(change.value).toString('base64')]);
    }
    const file = openSync(`${this.#path}.new`, 'w');
    writeFileSync(file, JSON.stringify([...next]));
    fsyncSync(file);
    closeSync(file);
    renameSync(`${this.#path}.new`, this.#path);
    const directory = openSync(dirname(this.#path), 'r');
    fsyncSync(directory);
    closeSync(directory);
    this.#records = next;
  }

  async close() {
    this.#records = undefined;
    rmSync(`${this.#path}.lock`, { force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const home = mkdtempSync(join(tmpdir(), 'agentmesh-'));
  const [path, key] = [join(home, 'agent.json'), Key.random()];
  const amids = [];
  for (let run = 0; run < 2; run++) {
    const client = await AgentMeshClient.create({ storage: new JsonStorage(path, { key }), offline: true });
    amids.push(client.amid);
    await client.close();
  }
  console.log(amids[0] === amids[1]);
  rmSync(home, { recursive: true });
}
