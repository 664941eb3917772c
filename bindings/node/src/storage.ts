// Where agents keep their state: in memory, SQLite, a directory, a bucket, or a class of your own. A store sees ids that say
// nothing and bytes that are already sealed; it never sees a key.

import { following, later, now } from './calls';
import { engine, type EngineSealedStore, type EngineStorage, type EngineStorageCall, type RawRecord } from './engine';
import { argument } from './errors';
import { Key, KEY_VARIABLE, variable } from './key';

/** What a commit that returned survives. Agents refuse the first: an older state repeats message keys. */
export type Durability = 'eventually consistent' | 'volatile' | 'process' | 'synced';

/** Names a record. */
export interface RecordId {
  /** What the record is about, such as `session`. */
  kind: string;
  /** 16 bytes that say nothing. */
  key: Uint8Array;
}

/** A stored record. */
export interface StoredRecord extends RecordId {
  /** 1 when first written, one more with every write. */
  version: number;
  /** Its content, sealed. */
  sealed: Uint8Array;
}

/** One write of a batch. */
export interface Change extends RecordId {
  /** The version that the record must be at; 0 says that it must be absent. */
  expected: number;
  /** The new sealed bytes; `null` deletes the record. With `expected` 0 it only demands that the record be absent. */
  value: Uint8Array | null;
  /** The version that the value is stored as: `expected + 1`, but for records that come from another store. */
  version: number;
}

/** What every store takes. */
export interface StorageOptions {
  /** Seals what is stored; default: the environment variable `AGENTMESH_STORE_KEY`, 32 bytes in base64. */
  key?: Key | Uint8Array | undefined;
}

/** A store: one of this package, or a {@link CustomStorage}. Agents close theirs; one agent at a time uses a store. */
export abstract class Storage {
  /** Seals what is stored, if the agent does not say otherwise. */
  protected defaultKey(): Key | undefined | Promise<Key | undefined> {
    return variable(KEY_VARIABLE) === undefined ? undefined : Key.variable(KEY_VARIABLE);
  }

  readonly #key: Key | undefined;
  #engine: Promise<EngineStorage> | undefined;
  #sealed: Promise<EngineSealedStore> | undefined;

  constructor(options: StorageOptions = {}) {
    this.#key = options.key === undefined ? undefined : Key.of(options.key);
  }

  /** Which store this is, for people. Errors name it. Without secrets. */
  get location(): string {
    return this.constructor.name;
  }

  /** @internal */
  protected abstract make(signal?: AbortSignal): EngineStorage | Promise<EngineStorage>;

  /** @internal The engine's object, one for all that use this store. The signal is that of whoever asks for it first. */
  opened(signal?: AbortSignal): Promise<EngineStorage> {
    // One that failed can be tried again.
    this.#engine ??= later(async () => this.make(signal)).catch((error: unknown) => {
      this.#engine = undefined;
      throw error;
    });
    return this.#engine;
  }

  /** @internal Whether others wait for it while it is open. */
  protected readonly isAwaited: boolean = false;

  /** @internal Opens it for something that may fail, and then holds up nobody. */
  async opening<T>(signal: AbortSignal | undefined, stop: AbortController, work: (store: EngineStorage) => Promise<T>): Promise<T> {
    const store = await following(signal, stop, (either) => this.opened(either));
    try {
      return await work(store);
    } catch (error) {
      if (this.isAwaited) {
        this.#engine = undefined;
        this.#sealed = undefined;
        await store.close();
      }
      throw error;
    }
  }

  /** @internal Of a store that is open. */
  async key(): Promise<Key> {
    const key = this.#key ?? (await this.defaultKey());
    if (key !== undefined) return key;
    throw argument(`nobody said what seals ${this.location}: pass a key, or set ${KEY_VARIABLE}`);
  }

  /** @internal This store and its key, for identities and managers. */
  sealed(): Promise<EngineSealedStore> {
    this.#sealed ??= (async () => {
      const store = await this.opened();
      const key = (await this.key()).sealing();
      return now(() => new (engine().SealedStore)(store, key));
    })().catch((error: unknown) => {
      this.#sealed = undefined;
      throw error;
    });
    return this.#sealed;
  }
}

/** The records of a store of this package, as they are stored: sealed. For tests and tools. */
abstract class BuiltIn extends Storage {
  async load(ids: readonly RecordId[]): Promise<(StoredRecord | null)[]> {
    const store = await this.opened();
    const found = await later(() => store.load(ids.map((id) => [id.kind, id.key])));
    return found.map((record) => record && record_(record));
  }

  /** At most `limit` records of a kind by ascending key, from the first key greater than `after`. */
  async list(kind: string, after: Uint8Array | null = null, limit = 256): Promise<StoredRecord[]> {
    const store = await this.opened();
    return (await later(() => store.list(kind, after, limit))).map(record_);
  }

  /** Writes the whole batch or nothing of it. */
  async commit(changes: readonly Change[]): Promise<void> {
    const store = await this.opened();
    await later(() => store.commit(changes.map((c) => [c.kind, c.key, c.expected, c.value, c.version])));
  }

  /** Releases files and locks. Again is fine. */
  async close(): Promise<void> {
    const store = await this.opened();
    await later(() => store.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Nothing survives the process. Sealed with a key that nobody knows, unless one is given. */
export class MemoryStorage extends BuiltIn {
  readonly #random = Key.random();

  protected override defaultKey(): Key {
    return this.#random;
  }

  /** @internal */
  protected override make(): EngineStorage {
    return engine().Storage.memory();
  }
}

/** One SQLite file, made if it is not there. */
export class SqliteStorage extends BuiltIn {
  readonly #path: string;

  constructor(path: string, options: StorageOptions = {}) {
    super(options);
    this.#path = path;
  }

  override get location(): string {
    return this.#path;
  }

  /** @internal */
  protected override make(): EngineStorage {
    const { Storage } = engine();
    if (Storage.sqlite === undefined) throw argument('there is no SQLite on this platform');
    return Storage.sqlite(this.#path);
  }
}

/** One directory with a file a record, made if it is not there. */
export class FileStorage extends BuiltIn {
  readonly #directory: string;

  constructor(directory: string, options: StorageOptions = {}) {
    super(options);
    this.#directory = directory;
  }

  override get location(): string {
    return this.#directory;
  }

  /** @internal */
  protected override make(): EngineStorage {
    const { Storage } = engine();
    if (Storage.directory === undefined) throw argument('there are no files on this platform');
    return Storage.directory(this.#directory);
  }
}

/** The store that a URL names: `sqlite:PATH`, `file:DIR`, `s3://BUCKET/PREFIX`. */
export class UrlStorage extends BuiltIn {
  readonly #url: string;

  constructor(url: string, options: StorageOptions = {}) {
    super(options);
    this.#url = url;
  }

  override get location(): string {
    return this.#url;
  }

  /** @internal */
  protected override make(): Promise<EngineStorage> {
    const open = engine().openStorage;
    if (open === undefined) throw argument('there are no URLs of stores on this platform');
    return open(this.#url);
  }
}

/** A bucket of S3, R2 or MinIO: `s3://BUCKET/PREFIX`. Where and with which credentials, the `AWS_` variables say. */
export class S3Storage extends UrlStorage {}

/** Why a store did not do what it was asked to; see {@link StoreFailure}. */
export type StoreFailureKind = 'conflict' | 'closed' | 'full' | 'locked' | 'unreachable' | 'corrupt';

/**
 * Thrown by a store of your own to say what went wrong: `closed`, `full` (nothing was written), `locked` (somebody else has it
 * open), `unreachable` (nothing was written), `corrupt`; and {@link Conflict}. Anything else that it throws counts as: nobody
 * knows whether a commit was written; the store is not used any more then until it is opened again.
 */
export class StoreFailure extends Error {
  readonly failure: StoreFailureKind;

  constructor(failure: StoreFailureKind, message: string = failure, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreFailure';
    this.failure = failure;
  }
}

/** A record is at another version than was expected. Nothing was written. */
export class Conflict extends StoreFailure {
  constructor(
    readonly id: RecordId,
    readonly expected: number,
    readonly actual: number,
  ) {
    super('conflict', `${id.kind} is at version ${actual}, not ${expected}`);
  }
}

/**
 * A store of your own. Several calls may be under way at a time. What it must get right is {@link commit}: compare *all* expected
 * versions first, write all changes or none, and resolve only when they survive what {@link durability} says.
 * `checkStorage` of `@agentmesh/sdk/testing` tests whether it does.
 */
export abstract class CustomStorage extends Storage {
  /** What a commit that returned survives. */
  readonly durability: Durability = 'synced';

  /** The records with these ids, in their order; `null` for those that are absent. */
  abstract load(ids: readonly RecordId[]): Promise<readonly (StoredRecord | null)[]>;
  /** At most `limit` records of a kind by ascending key, from the first key greater than `after`. */
  abstract list(kind: string, after: Uint8Array | null, limit: number): Promise<readonly StoredRecord[]>;
  /** Writes the whole batch or nothing of it; throws {@link Conflict} for a record at another version. */
  abstract commit(changes: readonly Change[]): Promise<void>;
  /** Finishes the calls under way and releases what it holds. Called once; no calls come after it. */
  abstract close(): Promise<void>;

  /** @internal */
  protected override make(_signal?: AbortSignal): EngineStorage | Promise<EngineStorage> {
    return engine().Storage.foreign(this.location, this.durability, runner(this));
  }
}

function record_([kind, key, version, sealed]: RawRecord): StoredRecord {
  return { kind, key, version, sealed };
}

function raw(record: StoredRecord | null): RawRecord | null {
  return record && [record.kind, record.key, record.version, record.sealed];
}

/**
 * Makes the calls of a store. Holds it weakly: a store that the application has forgotten, with every client that used it, is not
 * kept for ever by the engine that might still call it.
 */
export function runner(store: CustomStorage): (call: EngineStorageCall) => void {
  const weak = new WeakRef(store);
  let closed = false;
  return (call) => {
    void (async () => {
      const asked = call.asked();
      const target = weak.deref();
      if (closed || target === undefined) {
        if (asked.operation === 'close') call.answerDone();
        else call.fail('closed', 'the store is closed');
        return;
      }
      closed = asked.operation === 'close';
      if (asked.operation === 'load') {
        const found = await target.load(asked.ids.map(([kind, key]) => ({ kind, key })));
        call.answerRecords(found.map(raw));
      } else if (asked.operation === 'list') {
        const found = await target.list(asked.kind, asked.after ?? null, asked.limit);
        call.answerRecords(found.map(raw));
      } else if (asked.operation === 'commit') {
        await target.commit(
          asked.changes.map(([kind, key, expected, value, version]) => ({ kind, key, expected, value: value ?? null, version })),
        );
        call.answerDone();
      } else {
        await target.close();
        call.answerDone();
      }
    })().catch((error: unknown) => fail(call, error));
  };
}

function fail(call: EngineStorageCall, error: unknown): void {
  if (error instanceof Conflict) {
    call.conflict(error.id.kind, error.id.key, error.expected, error.actual);
  } else if (error instanceof StoreFailure) {
    call.fail(error.failure === 'conflict' ? 'failed' : error.failure, error.message);
  } else {
    const name = error instanceof Error ? error.name : typeof error;
    console.error('agentmesh: a store failed', error);
    call.fail('failed', `${name} in a store of the application`);
  }
}

/** A store, from what applications may say instead of one. */
export function storageOf(storage: Storage | string): Storage {
  if (storage instanceof Storage) return storage;
  if (typeof storage === 'string') return new UrlStorage(storage);
  throw argument("a storage is a Storage, or a URL such as 'sqlite:agent.db'");
}

