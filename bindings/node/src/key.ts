// The key that seals what is stored.

import { argument } from './errors';
import type { EngineOpenArguments } from './engine';

declare const process: { env?: Record<string, string | undefined> } | undefined;

let variables = (name: string): string | undefined => (typeof process === 'undefined' ? undefined : process.env?.[name]);

/** Where variables come from, on platforms that have them elsewhere. */
export function setVariables(lookup: (name: string) => string | undefined): void {
  variables = lookup;
}

/** An environment variable, where there are any. */
export function variable(name: string): string | undefined {
  return variables(name) || undefined;
}

/** Names the variable that a key comes from if nobody says otherwise. */
export const KEY_VARIABLE = 'AGENTMESH_STORE_KEY';

/** Where the key comes from that seals what is stored: 32 bytes. Lost, the store is lost. */
export class Key {
  /** @internal */
  readonly kind: EngineOpenArguments['keyKind'];
  readonly #value: string | Uint8Array | undefined;

  private constructor(kind: EngineOpenArguments['keyKind'], value?: string | Uint8Array) {
    this.kind = kind;
    this.#value = value;
  }

  /** 32 bytes. */
  static bytes(bytes: Uint8Array): Key {
    if (!(bytes instanceof Uint8Array) || bytes.length !== 32) throw argument('the key of a store has 32 bytes');
    return new Key('bytes', Uint8Array.from(bytes));
  }

  /** A file, made together with a new identity and readable by its owner only. In Node. */
  static file(path: string): Key {
    return new Key('file', path);
  }

  /** An environment variable with 32 bytes in base64. */
  static variable(name: string): Key {
    return new Key('variable', name);
  }

  /** A passphrase for a key that is made with a new identity and kept in the store. Opening takes a tenth of a second. */
  static passphrase(passphrase: string): Key {
    return new Key('passphrase', passphrase);
  }

  /** A fresh key that is kept nowhere: for stores in memory. */
  static random(): Key {
    return new Key('bytes', crypto.getRandomValues(new Uint8Array(32)));
  }

  /** @internal */
  static of(key: Key | Uint8Array): Key {
    return key instanceof Key ? key : Key.bytes(key);
  }

  /** @internal The key, for the engine. */
  opening(): Pick<EngineOpenArguments, 'keyKind' | 'key'> {
    return this.#value === undefined ? { keyKind: this.kind } : { keyKind: this.kind, key: this.#value };
  }

  /** @internal The 32 bytes, for what has no identity to make a key with. */
  sealing(): Uint8Array {
    if (this.kind === 'bytes') return this.#value as Uint8Array;
    if (this.kind !== 'variable') throw argument('here, a key is 32 bytes or Key.variable()');
    const text = variable(this.#value as string);
    if (text === undefined) throw argument(`the environment variable ${String(this.#value)} is not set`);
    let bytes: Uint8Array;
    try {
      bytes = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
    } catch {
      bytes = new Uint8Array();
    }
    if (bytes.length !== 32) throw argument(`the environment variable ${String(this.#value)} does not hold 32 bytes in base64`);
    return bytes;
  }
}
