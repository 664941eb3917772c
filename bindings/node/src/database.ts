// IndexedDB as a store needs it: opened with a known layout, or refused with what to do; transactions as promises; and its errors as
// those of stores.

import { AgentMeshError, type ErrorKind } from './errors';
import { StoreFailure, type StoreFailureKind } from './storage';

/** The layout. One more when it changes. */
const LAYOUT = 1;
/** The records: `{ kind, key, version, sealed }`. */
export const RECORDS = 'records';
/** Which store this is, who has it, and its key. */
export const META = 'meta';
const FORMAT = 'agentmesh-store 1';

const RETRYABLE = new Set(['STORAGE_LOCKED', 'STORAGE_FULL', 'STORAGE_UNREACHABLE']);

/** A store that cannot be opened. */
export function refused(code: string, kind: ErrorKind, message: string, cause?: unknown): AgentMeshError {
  return new AgentMeshError(message, { code, kind, retryable: RETRYABLE.has(code), cause });
}

const REFUSALS: Record<StoreFailureKind, [code: string, kind: ErrorKind]> = {
  conflict: ['STORAGE_CONFLICT', 'conflict'],
  closed: ['STORAGE_CLOSED', 'closed'],
  full: ['STORAGE_FULL', 'storage'],
  locked: ['STORAGE_LOCKED', 'conflict'],
  unreachable: ['STORAGE_UNREACHABLE', 'storage'],
  corrupt: ['STORAGE_CORRUPT', 'storage'],
};

/** What a failure is for who opens a store. */
export function opening(location: string, error: unknown): unknown {
  if (!(error instanceof StoreFailure)) return error;
  const [code, kind] = REFUSALS[error.failure];
  return refused(code, kind, `${location}: ${error.message}`, error.cause);
}

function nameOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'name' in error ? String(error.name) : '';
}

/** What a transaction that failed means. It was undone, whatever the reason. */
function failed(error: unknown): StoreFailure {
  if (error instanceof StoreFailure) return error;
  const name = nameOf(error);
  const say = (kind: 'full' | 'closed' | 'corrupt' | 'unreachable', message: string): StoreFailure =>
    new StoreFailure(kind, message, { cause: error });
  if (name === 'QuotaExceededError') return say('full', "the browser's quota for this origin is used up");
  if (name === 'InvalidStateError') return say('closed', 'the browser has closed the database');
  if (name === 'NotFoundError') return say('corrupt', 'a part of the database is missing');
  if (name === 'NotReadableError' || name === 'DataError') return say('corrupt', 'the browser cannot read a record');
  return say('unreachable', `the browser has undone the transaction (${name || 'no reason'})`);
}

/** What comes of a request. */
export function asked<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * One transaction over both halves; when this resolves, what it wrote is on the disk. `work` awaits nothing but {@link asked}; if it
 * throws, nothing was written.
 */
export async function transact<T>(db: IDBDatabase, mode: IDBTransactionMode, work: (t: IDBTransaction) => Promise<T>): Promise<T> {
  let t: IDBTransaction;
  try {
    t = db.transaction([RECORDS, META], mode, mode === 'readwrite' ? { durability: 'strict' } : {});
  } catch (error) {
    throw failed(error);
  }
  const done = new Promise<void>((resolve, reject) => {
    t.oncomplete = () => resolve();
    t.onabort = () => reject(t.error ?? new DOMException('aborted', 'AbortError'));
  });
  done.catch(() => undefined);
  let result: T;
  try {
    result = await work(t);
  } catch (error) {
    try {
      t.abort();
    } catch {
      // It is undone already.
    }
    await done.catch(() => undefined);
    throw failed(error instanceof StoreFailure ? error : (t.error ?? error));
  }
  await done.catch((error: unknown) => {
    throw failed(error);
  });
  return result;
}

/** Opens the database, and makes it if it is not there and never was, as far as anybody remembers. */
export async function openDatabase(name: string, location: string, timeoutMs: number): Promise<IDBDatabase> {
  const db = await connect(name, location, timeoutMs);
  try {
    const ours = [RECORDS, META].every((store) => db.objectStoreNames.contains(store));
    const format = ours ? await transact(db, 'readonly', (t) => asked<unknown>(t.objectStore(META).get('format'))) : undefined;
    if (format !== FORMAT) {
      const hint = 'it belongs to something else; give the store another name';
      throw refused('STORAGE_NOT_A_STORE', 'invalid_input', `the IndexedDB database ${name} is not a store: ${hint}`);
    }
    return db;
  } catch (error) {
    db.close();
    if (!(error instanceof StoreFailure)) throw error;
    throw refused('STORAGE_CORRUPT', 'storage', `${location} cannot be read: ${error.message}; restore a backup`, error);
  }
}

function connect(name: string, location: string, timeoutMs: number): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    let request: IDBOpenDBRequest;
    try {
      request = indexedDB.open(name, LAYOUT);
    } catch (error) {
      reject(unopened(location, error));
      return;
    }
    let lost: AgentMeshError | undefined;
    let waiting = true;
    // A connection that does not make room for a change holds up all others. What it blocks is not always told, so time tells.
    const timer = setTimeout(() => {
      waiting = false;
      const who = 'another tab, with another release of the application, keeps the database from being opened; close it';
      reject(refused('STORAGE_LOCKED', 'conflict', `${location} is in use: ${who}`));
    }, timeoutMs);
    request.onupgradeneeded = (event) => {
      const t = request.transaction as IDBTransaction;
      if (event.oldVersion === 0 && ((event as { dataLoss?: string }).dataLoss === 'total' || isRemembered(location))) {
        const hint = 'restore a backup, or call IndexedDbStorage.delete to start afresh';
        lost = refused('STORAGE_CORRUPT', 'storage', `${location} was there and is gone: ${hint}`);
        t.abort();
        return;
      }
      request.result.createObjectStore(RECORDS, { keyPath: ['kind', 'key'] });
      request.result.createObjectStore(META).put(FORMAT, 'format');
    };
    request.onsuccess = () => {
      clearTimeout(timer);
      if (waiting) resolve(request.result);
      else request.result.close();
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(lost ?? unopened(location, request.error));
    };
  });
}

function unopened(location: string, error: unknown): AgentMeshError {
  const name = nameOf(error);
  if (name === 'VersionError') {
    const hint = 'reload the page to get the newer release of the application';
    return refused('STORAGE_FOREIGN_VERSION', 'storage', `${location} was written by a newer release: ${hint}`, error);
  }
  if (name === 'QuotaExceededError') return refused('STORAGE_FULL', 'storage', `no space is left for ${location}`, error);
  if (name === 'SecurityError' || name === 'InvalidStateError') {
    const hint = 'the browser does not let this page keep anything (such as in a private window, or in a frame of another site)';
    return refused('STORAGE_PERMISSION_DENIED', 'storage', `open ${location}: ${hint}`, error);
  }
  return refused('STORAGE_IO', 'storage', `open ${location}: ${name}`, error);
}

/** Deletes a database; waits until others have closed it, or fails. */
export function deleteDatabase(name: string, location: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    const who = 'another tab has the database open; it is deleted when that one is closed';
    const timer = setTimeout(() => reject(refused('STORAGE_LOCKED', 'conflict', `${location} is in use: ${who}`)), timeoutMs);
    request.onsuccess = () => {
      clearTimeout(timer);
      resolve();
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(unopened(location, request.error));
    };
  });
}

/** Which stores there were, beside IndexedDB: a database that the browser has lost looks like one that never was. Pages only. */
function memory<T>(use: (storage: globalThis.Storage) => T): T | undefined {
  try {
    return typeof localStorage === 'undefined' ? undefined : use(localStorage);
  } catch {
    return undefined;
  }
}

const mark = (location: string): string => `agentmesh:${location}`;

function isRemembered(location: string): boolean {
  return memory((storage) => storage.getItem(mark(location)) !== null) ?? false;
}

/** From now on, the store is missed if it is not there. */
export function remember(location: string): void {
  memory((storage) => storage.setItem(mark(location), '1'));
}

/** It is missed no more. */
export function forget(location: string): void {
  memory((storage) => storage.removeItem(mark(location)));
}
