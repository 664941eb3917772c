// The storage of a Durable Object: SQLite, beside the object that uses it, with one writer by nature.

import { Conflict, CustomStorage, StoreFailure } from './storage';
import type { Change, RecordId, StorageOptions, StoredRecord } from './storage';

/** What {@link DurableObjectStorage} needs of the `storage` of a Durable Object. */
export interface DurableObjectStorageLike {
  readonly sql: { exec(query: string, ...values: (string | number | ArrayBuffer)[]): { toArray(): Record<string, unknown>[] } };
  transactionSync<T>(work: () => T): T;
  sync(): Promise<void>;
}

const TABLE = `CREATE TABLE IF NOT EXISTS agentmesh_records
  (kind TEXT NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID`;

/**
 * The storage of a Durable Object whose class is declared with `new_sqlite_classes`: the recommended home of an agent in Workers.
 * A commit is one transaction, which has reached the disk when it returns; after an eviction everything is as it was.
 *
 * ```ts
 * export class Agent extends DurableObject<Env> {
 *   client = AgentMeshClient.create({ storage: new DurableObjectStorage(this.ctx.storage) });
 * }
 * ```
 */
export class DurableObjectStorage extends CustomStorage {
  readonly #storage: DurableObjectStorageLike;
  #ready = false;
  #closed = false;

  constructor(storage: DurableObjectStorageLike, options: StorageOptions = {}) {
    super(options);
    this.#storage = storage;
  }

  override get location(): string {
    return 'durable-object:agentmesh_records';
  }

  #prepare(): void {
    if (this.#closed) throw new StoreFailure('closed', 'the store is closed');
    if (!this.#ready) this.#storage.sql.exec(TABLE);
    this.#ready = true;
  }

  #rows(query: string, ...values: (string | number | ArrayBuffer)[]): Record<string, unknown>[] {
    this.#prepare();
    try {
      return this.#storage.sql.exec(query, ...values).toArray();
    } catch (cause) {
      if (/SQLITE_FULL/.test(String(cause))) throw new StoreFailure('full', 'the storage is full', { cause });
      throw cause;
    }
  }

  #find({ kind, key }: RecordId): StoredRecord | null {
    const [row] = this.#rows('SELECT version, sealed FROM agentmesh_records WHERE kind = ? AND key = ?', kind, exact(key));
    return row === undefined ? null : record(kind, key, row);
  }

  override async load(ids: readonly RecordId[]): Promise<(StoredRecord | null)[]> {
    return ids.map((id) => this.#find(id));
  }

  override async list(kind: string, after: Uint8Array | null, limit: number): Promise<StoredRecord[]> {
    const rows = this.#rows(
      'SELECT key, version, sealed FROM agentmesh_records WHERE kind = ? AND key > ? ORDER BY key LIMIT ?',
      kind,
      exact(after ?? new Uint8Array()),
      limit,
    );
    return rows.map((row) => record(kind, new Uint8Array(row['key'] as ArrayBuffer), row));
  }

  override async commit(changes: readonly Change[]): Promise<void> {
    // Not inside of the transaction, which may be undone.
    this.#prepare();
    this.#storage.transactionSync(() => {
      for (const change of changes) {
        const actual = this.#find(change)?.version ?? 0;
        if (actual !== change.expected) throw new Conflict(change, change.expected, actual);
      }
      for (const { kind, key, version, value } of changes) {
        if (value === null) this.#rows('DELETE FROM agentmesh_records WHERE kind = ? AND key = ?', kind, exact(key));
        else this.#rows('INSERT OR REPLACE INTO agentmesh_records VALUES (?, ?, ?, ?)', kind, exact(key), version, exact(value));
      }
    });
    await this.#storage.sync();
  }

  override async close(): Promise<void> {
    if (!this.#closed) await this.#storage.sync();
    this.#closed = true;
  }
}

function record(kind: string, key: Uint8Array, row: Record<string, unknown>): StoredRecord {
  return { kind, key, version: row['version'] as number, sealed: new Uint8Array(row['sealed'] as ArrayBuffer) };
}

/** A buffer with these bytes and no others. */
function exact(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer as ArrayBuffer;
}
