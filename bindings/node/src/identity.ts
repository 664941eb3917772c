// Identities and their backups.

import { later, now } from './calls';
import { engine, type EngineBackup, type EngineIdentity } from './engine';
import { storageOf, type Storage } from './storage';
import { json } from './values';

/** The identity file of `agentmesh/0.2`. **Holds the private keys in the clear.** */
export interface IdentityJSON {
  amid: string;
  signing_private_key: string;
  signing_public_key: string;
  exchange_private_key: string;
  exchange_public_key: string;
  created_at: string;
  framework?: string;
  framework_version?: string;
}

/**
 * An agent's private identity: the key that is the agent, and the one it receives handshakes with.
 *
 * **`JSON.stringify(identity)` writes the private keys in the clear**, by {@link toJSON}: never log or answer with an object that
 * holds one. To keep a copy, use {@link backUp}. `console.log` shows the address only.
 */
export class Identity {
  readonly #engine: EngineIdentity;

  /** @internal Use {@link generate}, {@link load}, {@link restore} or {@link fromJSON}. */
  constructor(made: EngineIdentity) {
    this.#engine = made;
  }

  /** A fresh identity. */
  static async generate(): Promise<Identity> {
    return new Identity(now(() => engine().Identity.generate()));
  }

  /** The identity that was saved under a path, or that of the agent in this store. `IDENTITY_NOT_FOUND` only if nothing is there. */
  static async load(storage: Storage | string, path: string): Promise<Identity> {
    const store = storageOf(storage);
    const sealed = await store.sealed();
    return new Identity(await later(() => engine().loadIdentity(sealed, path), store));
  }

  /** Loads the identity at a path; makes one and saves it only if nothing is there. Two that do it at once get the same one. */
  static async loadOrGenerate(storage: Storage | string, path: string): Promise<Identity> {
    const store = storageOf(storage);
    const sealed = await store.sealed();
    return new Identity(await later(() => engine().loadOrGenerateIdentity(sealed, path), store));
  }

  /** Writes the identity under a path; never over another one (`IDENTITY_EXISTS`). */
  async save(storage: Storage | string, path: string): Promise<void> {
    const store = storageOf(storage);
    const sealed = await store.sealed();
    await later(() => this.#engine.save(sealed, path), store);
  }

  /** Opens a backup for the identity alone. Blocks for a tenth of a second. */
  static async restore(backup: string, passphrase: string): Promise<Identity> {
    return new Identity(now(() => engine().Identity.restore(backup, passphrase)));
  }

  /** Reads the identity file of `agentmesh/0.2`. Public keys and address are checked against the private keys. */
  static fromJSON(file: IdentityJSON | object): Identity {
    return new Identity(now(() => engine().Identity.fromJson(json(file))));
  }

  /** The identity as that file, **with the private keys in the clear**. What `JSON.stringify` writes, too. */
  toJSON(): IdentityJSON {
    return JSON.parse(now(() => this.#engine.toJson())) as IdentityJSON;
  }

  /** Seals the identity under a passphrase, as text that can be printed and pasted. Blocks for a tenth of a second. */
  async backUp(passphrase: string): Promise<string> {
    return now(() => this.#engine.backUp(passphrase));
  }

  /** The address: the hash of the signing key. */
  get amid(): string {
    return this.#engine.amid;
  }

  /** The DID, `did:agentmesh:` and the AMID. */
  get did(): string {
    return this.#engine.did;
  }

  /** The public signing key, 32 bytes. */
  get signingPublicKey(): Uint8Array {
    return this.#engine.signingKey;
  }

  /** The public exchange key, 32 bytes. */
  get exchangePublicKey(): Uint8Array {
    return this.#engine.exchangeKey;
  }

  /** The public signing key in base64, as 0.2 relays take it. */
  get signingPublicKeyB64Raw(): string {
    return base64(this.#engine.signingKey);
  }

  /** The same with the prefix `ed25519:`. */
  get signingPublicKeyB64(): string {
    return `ed25519:${this.signingPublicKeyB64Raw}`;
  }

  /** The public exchange key in base64. */
  get exchangePublicKeyB64Raw(): string {
    return base64(this.#engine.exchangeKey);
  }

  /** The same with the prefix `x25519:`. */
  get exchangePublicKeyB64(): string {
    return `x25519:${this.exchangePublicKeyB64Raw}`;
  }

  /** When the identity was made. */
  get createdAt(): Date {
    return new Date(this.#engine.createdAt);
  }

  /** Six groups of five digits to read aloud. */
  get fingerprint(): string {
    return this.#engine.fingerprint;
  }

  /** Signs bytes of the application's choosing. Bytes that the protocol itself signs are refused (`IDENTITY_RESERVED_INPUT`). */
  async sign(message: Uint8Array): Promise<Uint8Array> {
    return now(() => this.#engine.sign(message));
  }

  /** A timestamp for servers of `agentmesh/0.2`, and the base64 of its signature. No two are the same. */
  async signTimestamp(): Promise<[timestamp: string, signature: string]> {
    return now(() => this.#engine.signTimestamp());
  }

  toString(): string {
    return `Identity ${this.amid}`;
  }

  /** What `console.log` shows in Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }

  /** @internal */
  get inner(): EngineIdentity {
    return this.#engine;
  }
}

/** A backup that was opened, for one new store: the option `backup` of `AgentMeshClient`. */
export class Backup {
  readonly #engine: EngineBackup;

  /** Opens a backup. Blocks for a tenth of a second. */
  constructor(text: string, passphrase: string) {
    this.#engine = now(() => engine().Backup.open(text, passphrase));
  }

  /** Whose backup it is. */
  get amid(): string {
    return this.#engine.amid;
  }

  /** @internal */
  get inner(): EngineBackup {
    return this.#engine;
  }
}

/** Whether a signature over a message is that of a key. */
export function verify(signingKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return now(() => engine().verifySignature(signingKey, message, signature));
}

/** The safety number of two signing keys, the same whoever computes it: 60 digits to compare on a call. */
export function safetyNumber(one: Uint8Array, other: Uint8Array): string {
  return now(() => engine().safetyNumber(one, other));
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
