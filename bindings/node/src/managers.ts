// The low-level API, for applications that move bytes themselves. Bundles, X3DH messages and envelopes are plain objects, to be
// passed on as JSON.

import { later, now } from './calls';
import { engine, type EngineKnockProtocol, type EnginePrekeyManager, type EngineSessionManager } from './engine';
import { argument } from './errors';
import type { Identity } from './identity';
import { decisionJson, decisionOf, knockOf, requestJson, type Decision, type Knock, type KnockRequest } from './knock';
import type { Policy } from './policy';
import { storageOf, type Storage } from './storage';
import { bytes, decode, encode, json, list, members, session, type SessionSummary, type Tier } from './values';

/** A public one-time prekey. Bytes are base64. */
export interface OneTimePrekey {
  id: number;
  key: string;
  signature?: string;
}

/** Public prekeys: what a peer needs to open a session. Bytes are base64. Native peers believe only what is signed in `native`. */
export interface PrekeyBundle {
  identityKey: string;
  signedPrekey: string;
  signedPrekeySignature: string | null;
  signedPrekeyId: number;
  oneTimePrekeys: OneTimePrekey[];
  uploadedAt?: string;
  native?: { bundle: string; kopks: OneTimePrekey[] };
}

/** Opens a session: what the initiator gives, for the responder. To be passed on as JSON, with its keys as arrays of numbers or base64. */
export interface X3DHMessage {
  identityKey: Uint8Array;
  ephemeralKey: Uint8Array;
  signedPrekeyId: number;
  oneTimePrekeyId?: number;
  /** The whole handshake, in base64. It alone counts; the members above repeat what it says. */
  native?: string;
}

/** One encrypted message, to be passed on as JSON. */
export interface Envelope {
  session_id: string;
  type: 'encrypted';
  suite?: number;
  header: { dh_public_key: string; pn: number; n: number };
  ciphertext: string;
}

/** A message that was decrypted, of whatever type. */
export interface Incoming {
  from: string;
  id: string | null;
  kind: string;
  inReplyTo: string | null;
  sentAt: Date | null;
  payload: unknown;
}

function bundleOf(text: string): PrekeyBundle {
  return members<PrekeyBundle>(JSON.parse(text));
}

/** JSON in which bytes are arrays of numbers, which every peer reads. */
function portable(value: object): string {
  return JSON.stringify(value, (_, member: unknown) => (ArrayBuffer.isView(member) ? Array.from(bytes(member)) : member));
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** The prekeys of an identity. Keeps nothing in memory; a restart between two calls changes nothing. */
export class PrekeyManager {
  readonly #make: () => Promise<EnginePrekeyManager>;
  #engine: Promise<EnginePrekeyManager> | undefined;
  /** @internal */
  readonly identity: Identity;
  /** @internal */
  readonly storage: Storage;

  constructor(identity: Identity, storage: Storage | string) {
    const store = storageOf(storage);
    this.identity = identity;
    this.storage = store;
    this.#make = async () => {
      const sealed = await store.sealed();
      return now(() => new (engine().PrekeyManager)(identity.inner, sealed));
    };
  }

  /** @internal */
  opened(): Promise<EnginePrekeyManager> {
    return (this.#engine ??= this.#make().catch((error: unknown) => {
      this.#engine = undefined;
      throw error;
    }));
  }

  async #call<T>(call: (prekeys: EnginePrekeyManager) => Promise<T>): Promise<T> {
    const prekeys = await this.opened();
    return later(() => call(prekeys), this);
  }

  /** The bundle to publish, with all unused one-time keys. Makes the first prekeys if there are none. */
  async loadOrInitialize(): Promise<PrekeyBundle> {
    return bundleOf(await this.#call((prekeys) => prekeys.loadOrInitialize()));
  }

  /** Adds one-time prekeys; the bundle with all of them. */
  async replenishOneTimePrekeys(count: number): Promise<PrekeyBundle> {
    return bundleOf(await this.#call((prekeys) => prekeys.replenishOneTimePrekeys(count)));
  }

  /** Replaces the signed prekey; the bundle with the new one. */
  async rotateSignedPrekey(): Promise<PrekeyBundle> {
    return bundleOf(await this.#call((prekeys) => prekeys.rotateSignedPrekey()));
  }

  /** The bundle as it is. */
  async bundle(): Promise<PrekeyBundle> {
    return bundleOf(await this.#call((prekeys) => prekeys.bundle()));
  }

  /** One-time prekeys that are left. */
  async remaining(): Promise<number> {
    return Number(await this.#call((prekeys) => prekeys.remaining()));
  }

  /** Whether it is time to add some. */
  async needsReplenishment(): Promise<boolean> {
    return (await this.#call((prekeys) => prekeys.needsReplenishment())) === true;
  }
}

/** Ratchet keys that {@link SessionManager.getRatchetPublicKey} remembers. */
const REMEMBERED = 1024;

/** The sessions of one identity. Every call loads, computes and commits before it resolves; what failed has changed nothing. */
export class SessionManager {
  readonly #prekeys: PrekeyManager;
  readonly #allowLegacy: boolean;
  readonly #keys = new Map<string, Uint8Array>();
  #engine: Promise<EngineSessionManager> | undefined;

  /** Identity and storage are those of the prekey manager: with others, sessions could not be opened. */
  constructor(identity: Identity, storage: Storage, prekeys: PrekeyManager, options: { allowLegacy?: boolean } = {}) {
    if (identity.amid !== prekeys.identity.amid || storage !== prekeys.storage) {
      throw argument('a session manager has the identity and the storage of its prekey manager');
    }
    this.#prekeys = prekeys;
    this.#allowLegacy = options.allowLegacy ?? false;
  }

  /** @internal */
  opened(): Promise<EngineSessionManager> {
    this.#engine ??= this.#prekeys
      .opened()
      .then((prekeys) => now(() => new (engine().SessionManager)(prekeys, this.#allowLegacy)))
      .catch((error: unknown) => {
        this.#engine = undefined;
        throw error;
      });
    return this.#engine;
  }

  async #call<T>(call: (sessions: EngineSessionManager) => Promise<T>): Promise<T> {
    const sessions = await this.opened();
    return later(() => call(sessions), this);
  }

  async #remember(sessionId: string): Promise<void> {
    const key = await this.ratchetPublicKey(sessionId);
    this.#keys.delete(sessionId);
    if (key !== null) this.#keys.set(sessionId, key);
    for (const oldest of this.#keys.keys()) {
      if (this.#keys.size <= REMEMBERED) break;
      this.#keys.delete(oldest);
    }
  }

  /** Opens a session with a peer whose bundle and signing key came from wherever the application trusts. */
  async initiateSession(
    peerAmid: string,
    peerBundle: PrekeyBundle | object,
    peerSigningKey: Uint8Array,
    request?: KnockRequest,
  ): Promise<{ sessionId: string; x3dhMessage: X3DHMessage }> {
    const asked = request === undefined ? null : json(requestJson(request));
    const begun = await this.#call((s) => s.initiateSession(peerAmid, portable(peerBundle), peerSigningKey, asked));
    const said = members<Record<string, unknown>>(JSON.parse(begun[1]));
    const x3dhMessage = {
      ...said,
      identityKey: fromBase64(said['identityKey'] as string),
      ephemeralKey: fromBase64(said['ephemeralKey'] as string),
    } as X3DHMessage;
    await this.#remember(begun[0]);
    return { sessionId: begun[0], x3dhMessage };
  }

  /** Opens our end of a session that a peer initiated; the session. */
  async acceptSession(peerAmid: string, x3dhMessage: X3DHMessage | object): Promise<string> {
    const sessionId = await this.#call((s) => s.acceptSession(peerAmid, portable(x3dhMessage)));
    await this.#remember(sessionId);
    return sessionId;
  }

  /** Hands the initiator the responder's ratchet key; only 0.2 needs it. */
  async activateSession(sessionId: string, ratchetKey: Uint8Array): Promise<void> {
    await this.#call((s) => s.activateSession(sessionId, ratchetKey));
  }

  /** The public half of our current ratchet key, as of now; `null` if the session has none. */
  async ratchetPublicKey(sessionId: string): Promise<Uint8Array | null> {
    return this.#call((s) => s.ratchetPublicKey(sessionId));
  }

  /**
   * The same without waiting, for sessions that this object opened: as of when it initiated or accepted them, which is what 0.2's
   * responder gives the initiator. `null` for others.
   */
  getRatchetPublicKey(sessionId: string): Uint8Array | null {
    return this.#keys.get(sessionId) ?? null;
  }

  /** Encrypts JSON or bytes. The session is stored before the envelope is returned. */
  async encryptMessage(sessionId: string, message: unknown): Promise<Envelope> {
    const content = encode(message);
    return JSON.parse(await this.#call((s) => s.encryptMessage(sessionId, content))) as Envelope;
  }

  /** Decrypts a message of the application; its JSON. A message returned once is not decrypted again. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  async decryptMessage(sessionId: string, envelope: Envelope | object): Promise<any> {
    return JSON.parse(await this.#call((s) => s.decryptMessage(sessionId, portable(envelope))));
  }

  /** Decrypts a message of whatever type, bytes for one. */
  async openEnvelope(sessionId: string, envelope: Envelope | object): Promise<Incoming> {
    const opened = await this.#call((s) => s.openEnvelope(sessionId, portable(envelope)));
    return {
      from: opened.from,
      id: opened.id ?? null,
      kind: opened.kind,
      inReplyTo: opened.inReplyTo ?? null,
      sentAt: opened.sentAt == null ? null : new Date(opened.sentAt),
      payload: decode(opened.payload),
    };
  }

  /** All sessions, oldest first. */
  async getSessions(): Promise<SessionSummary[]> {
    return list(await this.#call((s) => s.sessions()), session);
  }

  /** The session in which messages to a peer go, if there is one. */
  async getSessionByPeer(peerAmid: string): Promise<SessionSummary | null> {
    const found = JSON.parse(await this.#call((s) => s.sessionByPeer(peerAmid))) as Record<string, unknown> | null;
    return found && session(found);
  }

  /** Ends a session here; its keys are deleted. The peer is not told. */
  async closeSession(sessionId: string): Promise<void> {
    this.#keys.delete(sessionId);
    await this.#call((s) => s.closeSession(sessionId));
  }

  /** Deletes what has served; to be called every few hours. How many records. */
  async maintain(): Promise<number> {
    return Number(await this.#call((s) => s.maintain()));
  }
}

/** KNOCKs and their answers: who opens a session says what for, and the policy of the other end decides. */
export class KnockProtocol {
  readonly #sessions: SessionManager;
  readonly #policy: string;
  #engine: Promise<EngineKnockProtocol> | undefined;

  constructor(sessions: SessionManager, policy: Policy) {
    this.#sessions = sessions;
    this.#policy = json(policy);
  }

  async #call<T>(call: (knocks: EngineKnockProtocol) => Promise<T>): Promise<T> {
    this.#engine ??= this.#sessions
      .opened()
      .then((sessions) => now(() => new (engine().KnockProtocol)(sessions, this.#policy)))
      .catch((error: unknown) => {
        this.#engine = undefined;
        throw error;
      });
    const knocks = await this.#engine;
    return later(() => call(knocks), this);
  }

  /** Knocks: opens a session that says what it is wanted for. */
  async createKnock(
    peerAmid: string,
    peerBundle: PrekeyBundle | object,
    peerSigningKey: Uint8Array,
    request: KnockRequest,
  ): Promise<{ sessionId: string; x3dhMessage: X3DHMessage }> {
    return this.#sessions.initiateSession(peerAmid, peerBundle, peerSigningKey, request);
  }

  /** Believes a KNOCK, changes nothing, and asks the policy about it; with what the registry says of the peer. */
  async judge(
    peerAmid: string,
    x3dhMessage: X3DHMessage | object,
    registry: { tier?: Tier | (string & {}); reputation?: number } = {},
  ): Promise<{ knock: Knock; decision: Decision }> {
    const { tier = 'anonymous', reputation = 0 } = registry;
    const found = await this.#call((k) => k.judge(peerAmid, portable(x3dhMessage), tier, reputation));
    return { knock: knockOf(JSON.parse(found[0]) as Record<string, unknown>), decision: decisionOf(found[1]) };
  }

  /** Answers a KNOCK. Accepting opens our end of the session; rejecting uses the KNOCK up. */
  async answer(
    peerAmid: string,
    x3dhMessage: X3DHMessage | object,
    decision: Decision,
  ): Promise<{ sessionId: string; envelope: Envelope }> {
    const found = await this.#call((k) => k.answer(peerAmid, portable(x3dhMessage), decisionJson(decision)));
    return { sessionId: found[0], envelope: JSON.parse(found[1]) as Envelope };
  }

  /** Believes the answer to a KNOCK of ours. A rejected session is closed. */
  async verifyAnswer(sessionId: string, envelope: Envelope | object): Promise<Decision> {
    return decisionOf(await this.#call((k) => k.verifyAnswer(sessionId, portable(envelope))));
  }
}
