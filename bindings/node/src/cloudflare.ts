// Stores of Cloudflare. Written against what they do, not against the runtime: any object with these methods will do.

import { CustomStorage, Conflict, StoreFailure } from './storage';
import type { Change, Durability, RecordId, StorageOptions, StoredRecord } from './storage';

/** What {@link R2Storage} needs of an R2 bucket. */
export interface R2BucketLike {
  get(key: string): Promise<{ readonly etag: string; arrayBuffer(): Promise<ArrayBuffer> } | null>;
  put(
    key: string,
    value: ArrayBuffer | ArrayBufferView | string,
    options: { onlyIf: { etagMatches?: string; etagDoesNotMatch?: string } },
  ): Promise<{ readonly etag: string } | null>;
}

/** What {@link KVStorage} needs of a KV namespace. */
export interface KVNamespaceLike {
  get(key: string, type: 'arrayBuffer'): Promise<ArrayBuffer | null>;
  put(key: string, value: ArrayBuffer | ArrayBufferView | string, options?: { expirationTtl?: number }): Promise<void>;
  delete(key: string): Promise<void>;
  list(options: { prefix: string; cursor?: string | null }): Promise<{
    readonly keys: readonly { readonly name: string }[];
    readonly list_complete: boolean;
    readonly cursor?: string;
  }>;
}

interface Head {
  etag: string | null;
  commit: string;
  /** By {@link nameOf}. */
  records: Map<string, StoredRecord>;
}

/** How often a commit is tried again that others were faster than, with other records. */
const ATTEMPTS = 32;

/**
 * A bucket of R2. Everything is in one object, replaced by conditional puts: of two writers that began with the same state R2
 * refuses one, which then looks again and either goes on or is told of the conflict. So any number of isolates may share an
 * identity; none of them can fork a ratchet.
 *
 * Its object, `head`, is where `S3Storage` has its own below the same prefix. Each refuses what the other wrote, so that no place
 * holds two agents.
 */
export class R2Storage extends CustomStorage {
  readonly #bucket: R2BucketLike;
  readonly #name: string;
  #known: Head | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** `prefix` comes before the name of everything that is stored. */
  constructor(bucket: R2BucketLike, prefix = '', options: StorageOptions = {}) {
    super(options);
    this.#bucket = bucket;
    this.#name = `${prefix}head`;
  }

  override get location(): string {
    return `r2:${this.#name}`;
  }

  override async load(ids: readonly RecordId[]): Promise<(StoredRecord | null)[]> {
    const { records } = await this.#head();
    return ids.map((id) => records.get(nameOf(id)) ?? null);
  }

  override async list(kind: string, after: Uint8Array | null, limit: number): Promise<StoredRecord[]> {
    const { records } = await this.#head();
    const from = after === null ? `${kind}/` : nameOf({ kind, key: after });
    const names = [...records.keys()].filter((name) => name.startsWith(`${kind}/`) && name > from);
    return names.sort().slice(0, limit).flatMap((name) => records.get(name) ?? []);
  }

  override commit(changes: readonly Change[]): Promise<void> {
    // One after the other: this isolate does not compete with itself.
    const done = this.#queue.then(() => this.#commit(changes));
    this.#queue = done.catch(() => {});
    return done;
  }

  async #commit(changes: readonly Change[]): Promise<void> {
    this.#open();
    // What we know may be old; a conflict is told only of what was read for this commit.
    let fresh = this.#known === undefined;
    let head = this.#known ?? (await this.#head());
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const conflict = changes.find((change) => (head.records.get(nameOf(change))?.version ?? 0) !== change.expected);
      if (conflict !== undefined) {
        if (fresh) throw new Conflict(conflict, conflict.expected, head.records.get(nameOf(conflict))?.version ?? 0);
        head = await this.#head();
        fresh = true;
        continue;
      }
      const next = { etag: null, commit: crypto.randomUUID(), records: new Map(head.records) };
      for (const { kind, key, version, value } of changes) {
        if (value === null) next.records.delete(nameOf({ kind, key }));
        else next.records.set(nameOf({ kind, key }), { kind, key, version, sealed: value });
      }
      const etag = await this.#put(head, next);
      if (etag !== null) {
        this.#known = { ...next, etag };
        return;
      }
      head = await this.#head();
      fresh = true;
      if (head.commit === next.commit) return;
    }
    throw new StoreFailure('unreachable', 'too many others write to the same object');
  }

  async #put(head: Head, next: Head): Promise<string | null> {
    const onlyIf = head.etag === null ? { etagDoesNotMatch: '*' } : { etagMatches: head.etag };
    try {
      const put = await this.#bucket.put(this.#name, serialized(next), { onlyIf });
      return put?.etag ?? null;
    } catch (error) {
      // Whether it was written, the object says. One that is still the old one may yet be replaced: unknown.
      const found = await this.#head();
      if (found.commit === next.commit) return found.etag;
      throw error;
    }
  }

  #open(): void {
    if (this.#closed) throw new StoreFailure('closed', 'the store is closed');
  }

  /** What is in the bucket now. */
  async #head(): Promise<Head> {
    this.#open();
    let found: { etag: string; body: ArrayBuffer } | null;
    try {
      const object = await this.#bucket.get(this.#name);
      found = object && { etag: object.etag, body: await object.arrayBuffer() };
    } catch (cause) {
      throw new StoreFailure('unreachable', 'R2 cannot be reached', { cause });
    }
    if (found === null) return (this.#known = { etag: null, commit: '', records: new Map() });
    if (found.etag !== this.#known?.etag) this.#known = parsed(found.etag, found.body);
    return this.#known;
  }

  override async close(): Promise<void> {
    await this.#queue;
    this.#closed = true;
    this.#known = undefined;
  }
}

function nameOf(id: RecordId): string {
  return `${id.kind}/${hex(id.key)}`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const MAGIC = 'agentmesh-store 1';
/** How the head of `S3Storage` begins. */
const OTHER = 'AMs3head';

/** A line of JSON that says what follows, then the sealed bytes of all records, one after the other. */
function serialized(head: Head): Uint8Array {
  const records = [...head.records.values()];
  const index = [...head.records].map(([name, { version, sealed }]) => [name, version, sealed.length]);
  const line = new TextEncoder().encode(`${JSON.stringify({ format: MAGIC, commit: head.commit, records: index })}\n`);
  const out = new Uint8Array(line.length + records.reduce((sum, r) => sum + r.sealed.length, 0));
  out.set(line);
  let at = line.length;
  for (const { sealed } of records) {
    out.set(sealed, at);
    at += sealed.length;
  }
  return out;
}

function parsed(etag: string, body: ArrayBuffer): Head {
  const all = new Uint8Array(body);
  const end = all.indexOf(10);
  const corrupt = (): StoreFailure => new StoreFailure('corrupt', 'the object is not a store of this version, or damaged');
  if (new TextDecoder().decode(all.subarray(0, OTHER.length)) === OTHER) {
    throw new StoreFailure('corrupt', 'the store in this place is that of S3Storage, which R2Storage cannot read: take another prefix');
  }
  let said: { format?: unknown; commit?: unknown; records?: unknown };
  try {
    said = JSON.parse(new TextDecoder().decode(all.subarray(0, Math.max(end, 0)))) as typeof said;
  } catch {
    throw corrupt();
  }
  if (said.format !== MAGIC || typeof said.commit !== 'string' || !Array.isArray(said.records)) throw corrupt();
  const records: Head['records'] = new Map();
  let at = end + 1;
  for (const [name, version, length] of said.records as [string, number, number][]) {
    const [, kind, digits] = /^([a-z_]+)\/((?:[0-9a-f]{2}){16})$/.exec(name) ?? [];
    if (kind === undefined || digits === undefined || !(at + length <= all.length)) throw corrupt();
    const key = Uint8Array.from(digits.match(/../g) ?? [], (byte) => parseInt(byte, 16));
    records.set(name, { kind, key, version, sealed: all.slice(at, at + length) });
    at += length;
  }
  if (at !== all.length) throw corrupt();
  return { etag, commit: said.commit, records };
}

/**
 * A KV namespace: fast and eventually consistent, so that readers may get what was there a minute ago. Fine for presence and
 * caches, with {@link set} and {@link get}. As the store of an agent it is refused: an older state repeats message keys. Use
 * {@link R2Storage} for that.
 */
export class KVStorage extends CustomStorage {
  override readonly durability: Durability = 'eventually consistent';
  readonly #namespace: KVNamespaceLike;
  readonly #prefix: string;

  constructor(namespace: KVNamespaceLike, prefix = '') {
    super();
    this.#namespace = namespace;
    this.#prefix = prefix;
  }

  /** What was set; `null` if nothing was, or not yet here. */
  async get(key: string): Promise<Uint8Array | null> {
    const found = await this.#namespace.get(this.#prefix + key, 'arrayBuffer');
    return found && new Uint8Array(found);
  }

  /** Sets a value; with `ttlMs` it vanishes after that time, which KV takes from a minute on. */
  async set(key: string, value: Uint8Array, options: { ttlMs?: number } = {}): Promise<void> {
    const { ttlMs } = options;
    const how = ttlMs === undefined ? undefined : { expirationTtl: Math.max(60, Math.ceil(ttlMs / 1000)) };
    await this.#namespace.put(this.#prefix + key, value, how);
  }

  async delete(key: string): Promise<void> {
    await this.#namespace.delete(this.#prefix + key);
  }

  /** The keys that begin with something. */
  async keys(prefix = ''): Promise<string[]> {
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<KVNamespaceLike['list']>> = await this.#namespace.list({
        prefix: this.#prefix + prefix,
        cursor,
      });
      names.push(...page.keys.map((key) => key.name.slice(this.#prefix.length)));
      cursor = page.list_complete ? null : (page.cursor ?? null);
    } while (cursor !== null);
    return names;
  }

  /** Fails: agents refuse this store before they would call it. */
  override load(): Promise<never> {
    return Promise.reject(new StoreFailure('corrupt', 'KV does not keep the state of agents: use R2Storage'));
  }

  /** Fails. */
  override list(): Promise<never> {
    return this.load();
  }

  /** Fails. */
  override commit(): Promise<never> {
    return this.load();
  }

  /** Does nothing. */
  override async close(): Promise<void> {}
}
