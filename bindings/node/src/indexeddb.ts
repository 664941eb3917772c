// The store of a browser: IndexedDB, one tab at a time.

import { Conflict, CustomStorage, StoreFailure } from './storage';
import type { Change, RecordId, StorageOptions, StoredRecord } from './storage';
import type { EngineStorage } from './engine';
import { asked, deleteDatabase, forget, META, openDatabase, opening, RECORDS, remember, transact } from './database';
import { argument } from './errors';
import { Key } from './key';
import { Page, takeTurn, type Release } from './tabs';
import { freshKey, keptKey } from './wrapped';

/** Why a tab has its store no more. `taken`: another one has it; `closed`: the browser or a script has deleted or closed the database. */
export type LostReason = 'taken' | 'closed';

/** How {@link IndexedDbStorage} is opened. */
export interface IndexedDbOptions extends StorageOptions {
  /** While another tab has the store: wait for it to close, or fail with `STORAGE_LOCKED`. Default: `wait`. */
  whenInUse?: 'wait' | 'fail' | undefined;
  /** Gives up waiting for the other tab. Without effect once the store is open. */
  signal?: AbortSignal | undefined;
  /** Told, once, that the store is this tab's no more, while it was open: close its clients, and open them again to wait for a turn. */
  onLost?: ((reason: LostReason) => void) | undefined;
  /** How long the browser may take to open the database. Default: 10 seconds. */
  openTimeoutMs?: number | undefined;
}

/** What is open: a connection, and the turn that it stands on. */
interface Held {
  db: IDBDatabase;
  release: Release;
}

const OPEN_TIMEOUT = 10_000;
/** Longer pages than IndexedDB can say. */
const LONGEST_PAGE = 0xffff_ffff;

/**
 * IndexedDB. A commit is one transaction with strict durability. One tab at a time has the store, by a lock of the browser: the next
 * one waits, and goes on where the first has ended, even if it crashed. A page that the browser puts away (back/forward cache,
 * frozen tabs) gives its turn up, and takes it again when it is back, unless another one was faster: see `onLost`.
 *
 * Without a key of the application, one is made with the store and kept in it, wrapped by a key of WebCrypto that cannot be read out.
 * That protects copies of the browser's profile as far as the browser protects its keys there, and nothing more: any script of the
 * origin can use it. `key: Key.passphrase(…)` keeps the key out of the browser.
 *
 * ```ts
 * await navigator.storage.persist(); // Else the browser may throw the identity away when space runs out.
 * const client = await AgentMeshClient.create({ storage: new IndexedDbStorage('agent') });
 * ```
 */
export class IndexedDbStorage extends CustomStorage {
  readonly #name: string;
  readonly #options: IndexedDbOptions;
  /** One opening: whoever writes is whom the database knows as its holder. */
  #instance = '';
  #stop = new AbortController();
  #page: Page | undefined;
  #opening: Promise<Held> | undefined;
  #held: Held | undefined;
  #left: Promise<void> = Promise.resolve();
  #ended: StoreFailure | undefined;
  /** Transactions under way. */
  readonly #busy = new Set<Promise<unknown>>();
  #isRemembered = false;

  /** The store of a name, of this origin. */
  constructor(name = 'agentmesh', options: IndexedDbOptions = {}) {
    super(options);
    if (typeof name !== 'string' || name === '') throw argument('a store has a name');
    this.#name = name;
    this.#options = { ...options };
  }

  /** Deletes a store that no tab has open, with the identity in it, for ever. `STORAGE_LOCKED` if one has. */
  static async delete(name = 'agentmesh'): Promise<void> {
    const location = locationOf(name);
    checkPlatform(location);
    const release = await takeTurn(location, undefined, () => undefined);
    if (release === null) throw inUse(location);
    try {
      await deleteDatabase(name, location, OPEN_TIMEOUT);
      forget(location);
    } finally {
      release();
    }
  }

  override get location(): string {
    return locationOf(this.#name);
  }

  /** @internal */
  protected override readonly isAwaited = true;

  /** @internal */
  protected override async make(signal?: AbortSignal): Promise<EngineStorage> {
    this.#reopen();
    try {
      await this.#open(signal);
    } catch (error) {
      throw opening(this.location, error);
    }
    return super.make();
  }

  /** @internal */
  protected override async defaultKey(): Promise<Key> {
    try {
      const kept = await this.#transact('readonly', (t) => asked<unknown>(t.objectStore(META).get('key')));
      const key = await keptKey(this.location, kept ?? (await this.#makeKey()));
      if (key === undefined) throw new StoreFailure('corrupt', 'the key that was kept beside the records is damaged; restore a backup');
      return Key.bytes(key);
    } catch (error) {
      throw opening(this.location, error);
    }
  }

  async #makeKey(): Promise<unknown> {
    const fresh = await freshKey(this.location);
    return this.#transact('readwrite', async (t) => {
      const meta = t.objectStore(META);
      const other = await asked<unknown>(meta.get('key'));
      if (other !== undefined) return other;
      // With a new key nothing of it could be read, and the identity would be another one.
      if ((await asked(t.objectStore(RECORDS).count())) > 0) {
        const hint = 'pass the key with which it was made; if that was none, restore a backup';
        throw new StoreFailure('corrupt', `the records are there, and no key that opens them: ${hint}`);
      }
      await asked(meta.put(fresh, 'key'));
      return fresh;
    });
  }

  /** One that was closed since an agent could not be opened in it can be tried again. */
  #reopen(): void {
    if (!this.#stop.signal.aborted) return;
    this.#stop = new AbortController();
    this.#page = this.#opening = this.#ended = undefined;
  }

  #open(signal?: AbortSignal): Promise<Held> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#opening === undefined) {
      const opening = this.#take(signal, false);
      this.#opening = opening;
      // One that failed can be tried again.
      opening.catch(() => {
        if (this.#opening === opening) this.#opening = undefined;
      });
    }
    return this.#opening;
  }

  /** Takes a turn, and connects; `again` after the page was away, only if nobody else had one in the meantime. */
  async #take(given: AbortSignal | undefined, again: boolean): Promise<Held> {
    checkPlatform(this.location);
    const { whenInUse = 'wait', signal } = this.#options;
    const stop = anyOf(this.#stop.signal, ...(again ? [] : [signal, given]));
    stop.throwIfAborted();
    const page = (this.#page ??= new Page(() => this.#putAway()));
    for (;;) {
      await page.back;
      stop.throwIfAborted();
      const { here } = page;
      let release: Release | null;
      try {
        const waiting = whenInUse === 'wait' && !again ? anyOf(stop, here) : undefined;
        release = await takeTurn(this.location, waiting, () => this.#lose('taken'));
      } catch (error) {
        // A page that is away must not get a turn.
        if (here.aborted && !stop.aborted) continue;
        throw error;
      }
      if (release === null) throw again ? new StoreFailure('locked', TAKEN) : inUse(this.location);
      const held = await this.#connect(release, again);
      if (!here.aborted && !stop.aborted) return (this.#held = held);
      disconnect(held);
    }
  }

  async #connect(release: Release, again: boolean): Promise<Held> {
    let db: IDBDatabase | undefined;
    try {
      db = await openDatabase(this.#name, this.location, this.#options.openTimeoutMs ?? OPEN_TIMEOUT);
      // Somebody deletes it, or a newer release changes it: who does not make room holds them up.
      db.onversionchange = () => this.#lose('closed');
      db.onclose = () => this.#lose('closed');
      // From now on nobody else's commits count, should somebody still believe to have the store.
      await transact(db, 'readwrite', async (t) => {
        if (again) await this.#check(t);
        else await asked(t.objectStore(META).put((this.#instance = crypto.randomUUID()), 'holder'));
      });
      return { db, release };
    } catch (error) {
      db?.close();
      release();
      throw error;
    }
  }

  async #check(t: IDBTransaction): Promise<void> {
    if ((await asked<unknown>(t.objectStore(META).get('holder'))) !== this.#instance) throw new StoreFailure('locked', TAKEN);
  }

  /** Gives the turn up once that is done which is under way. */
  #leave(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    this.#left = (async () => {
      while (this.#busy.size > 0) await Promise.allSettled(this.#busy);
      disconnect(held);
    })();
  }

  #putAway(): void {
    if (this.#held === undefined) return;
    this.#leave();
    const again = this.#left.then(() => this.#take(undefined, true));
    // Calls wait for it.
    this.#opening = again;
    again.catch((error: unknown) => this.#lose(error instanceof StoreFailure && error.failure === 'locked' ? 'taken' : 'closed'));
  }

  #lose(reason: LostReason): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason === 'taken' ? new StoreFailure('locked', TAKEN) : new StoreFailure('closed', 'the browser has closed the database');
    this.#finish();
    if (this.#options.onLost !== undefined) this.#options.onLost(reason);
    else console.warn(`agentmesh: ${this.location} is lost to this tab: ${this.#ended.message}`);
  }

  #finish(): void {
    this.#stop.abort(this.#ended);
    this.#page?.leave();
    this.#leave();
  }

  async #transact<T>(mode: IDBTransactionMode, work: (t: IDBTransaction) => Promise<T>): Promise<T> {
    const { db } = await this.#open();
    if (this.#ended !== undefined) throw this.#ended;
    const run = transact(db, mode, async (t) => {
      if (mode === 'readwrite') await this.#check(t);
      return work(t);
    });
    this.#busy.add(run);
    try {
      return await run;
    } catch (error) {
      if (error instanceof StoreFailure && error.failure === 'locked') this.#lose('taken');
      throw error;
    } finally {
      this.#busy.delete(run);
    }
  }

  override load(ids: readonly RecordId[]): Promise<(StoredRecord | null)[]> {
    return this.#transact('readonly', async (t) => {
      const records = t.objectStore(RECORDS);
      const found = ids.map(({ kind, key }) => asked<unknown>(records.get([kind, exact(key)])));
      return (await Promise.all(found)).map((row) => (row === undefined ? null : record(row)));
    });
  }

  override list(kind: string, after: Uint8Array | null, limit: number): Promise<StoredRecord[]> {
    if (limit === 0) return Promise.resolve([]);
    // A list comes after all bytes.
    const range = IDBKeyRange.bound([kind, exact(after ?? new Uint8Array())], [kind, []], true, true);
    return this.#transact('readonly', async (t) => {
      const rows = await asked<unknown[]>(t.objectStore(RECORDS).getAll(range, Math.min(limit, LONGEST_PAGE)));
      return rows.map(record);
    });
  }

  override async commit(changes: readonly Change[]): Promise<void> {
    await this.#transact('readwrite', async (t) => {
      const records = t.objectStore(RECORDS);
      const found = await Promise.all(changes.map(({ kind, key }) => asked<unknown>(records.get([kind, exact(key)]))));
      changes.forEach((change, at) => {
        const actual = found[at] === undefined ? 0 : record(found[at]).version;
        if (actual !== change.expected) throw new Conflict(change, change.expected, actual);
      });
      const writes = changes.map(({ kind, key, version, value }): Promise<unknown> => {
        if (value === null) return asked(records.delete([kind, exact(key)]));
        return asked(records.put({ kind, key: exact(key), version, sealed: exact(value) }));
      });
      await Promise.all(writes);
    });
    // A store that nothing was ever written to may be made again.
    if (!this.#isRemembered) remember(this.location);
    this.#isRemembered = true;
  }

  override async close(): Promise<void> {
    this.#ended ??= new StoreFailure('closed', 'the store is closed');
    this.#finish();
    await this.#opening?.catch(() => undefined);
    await this.#left;
  }
}

const TAKEN = 'another tab has the store now';

function locationOf(name: string): string {
  return `indexeddb:${name}`;
}

function inUse(location: string): unknown {
  return opening(location, new StoreFailure('locked', 'another tab of this browser has the store open'));
}

function checkPlatform(location: string): void {
  if (typeof indexedDB === 'undefined') throw argument('there is no IndexedDB on this platform');
  if (navigator.locks === undefined || crypto.subtle === undefined) {
    throw argument(`${location} needs a secure context: https, or http on localhost`);
  }
}

function anyOf(...signals: (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

function disconnect({ db, release }: Held): void {
  db.onversionchange = null;
  db.onclose = null;
  db.close();
  release();
}

/** A copy with these bytes and no others: a view of a larger buffer would be stored with all of it. */
function exact(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes);
}

function record(row: unknown): StoredRecord {
  const { kind, key, version, sealed } = row as Partial<StoredRecord>;
  const fits = typeof kind === 'string' && key instanceof Uint8Array && typeof version === 'number' && sealed instanceof Uint8Array;
  if (!fits || key.length !== 16 || !Number.isSafeInteger(version)) {
    throw new StoreFailure('corrupt', 'a record is damaged; restore a backup');
  }
  return { kind, key, version, sealed };
}
