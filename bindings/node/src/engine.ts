// What the TypeScript half needs beneath it: the native module in Node, the WebAssembly build elsewhere. Values that are not
// on the way of every message are JSON text with the names of the Rust facade; errors are `Error`s whose message is
// `{"agentmesh": {code, kind, message, retryable, details}}`. Knows no rules of the protocol.

/** Text (JSON in payloads) or bytes. */
export type Content = string | Uint8Array;
/** kind, key, version, sealed bytes */
export type RawRecord = [string, Uint8Array, number, Uint8Array];
/** kind, key, the version that is expected, sealed bytes or nothing, the version that it is stored as */
export type RawChange = [string, Uint8Array, number, Uint8Array | null | undefined, number];

/** Gives up calls that it was passed to; their promises resolve with nothing. */
export interface EngineCanceller {
  cancel(): void;
}

export interface EngineStorage {
  readonly location: string;
  load(ids: [string, Uint8Array][]): Promise<(RawRecord | null)[]>;
  list(kind: string, after: Uint8Array | null, limit: number): Promise<RawRecord[]>;
  commit(changes: RawChange[]): Promise<void>;
  close(): Promise<void>;
}

export interface EngineStorageCall {
  asked(): {
    operation: string;
    ids: [string, Uint8Array][];
    kind: string;
    after?: Uint8Array | null;
    limit: number;
    changes: RawChange[];
  };
  answerRecords(found: (RawRecord | null)[]): void;
  answerDone(): void;
  conflict(kind: string, key: Uint8Array, expected: number, actual: number): void;
  fail(kind: string, message: string): void;
}

export interface EngineSealedStore {
  readonly _sealedStore?: never;
}

export interface EngineIdentity {
  readonly amid: string;
  readonly did: string;
  readonly signingKey: Uint8Array;
  readonly exchangeKey: Uint8Array;
  readonly createdAt: number;
  readonly fingerprint: string;
  toJson(): string;
  backUp(passphrase: string): string;
  save(store: EngineSealedStore, path: string): Promise<void>;
  sign(message: Uint8Array): Uint8Array;
  signTimestamp(): [string, string];
}

export interface EngineBackup {
  readonly amid: string;
}

export interface EngineKnockQuestion {
  readonly knock: string | null;
  answer(decision: string): void;
}

export interface EngineMessageContent {
  from: string;
  id: string;
  kind: string;
  seq: number;
  inReplyTo?: string | null;
  sentAt: number;
  receivedAt: number;
  payload?: Content | null;
  attempt: number;
  trace?: string | null;
  schema?: string | null;
  wantsStream: boolean;
}

export interface EngineMessage {
  takeContent(): EngineMessageContent;
  isDone(): boolean;
  ack(): Promise<void>;
  release(): void;
  respond(content: Content | null, options?: string | null, canceller?: EngineCanceller): Promise<string | null>;
  fail(code: string, text: string, retryable: boolean, details?: string | null): Promise<string>;
  status(content: Content | null): Promise<void>;
  stream(): Promise<EngineOutgoingStream>;
}

export interface EngineMessages {
  next(canceller?: EngineCanceller): Promise<EngineMessage | null>;
  /** The end: what came and was not taken is for another reader. */
  leave(): void;
}

export interface EngineChunk {
  number: number;
  data: Content;
}

export interface EngineIncomingStream {
  readonly peer: string;
  readonly id: string;
  readonly position: number;
  readonly metadata: string | null;
  next(canceller?: EngineCanceller): Promise<EngineChunk | null>;
  ack(below: number): void;
  cancel(reason: string): Promise<void>;
  detach(): Promise<void>;
}

export interface EngineOutgoingStream {
  readonly peer: string;
  readonly id: string;
  position(): number;
  isStopped(): boolean;
  send(data: Content, canceller?: EngineCanceller): Promise<number | null>;
  setMetadata(json: string): Promise<void>;
  flush(): Promise<void>;
  finish(): Promise<void>;
  fail(code: string, message: string, retryable: boolean): Promise<void>;
}

export interface EngineEvent {
  kind: string;
  details: string;
  payload?: Content | null;
}

export interface EngineAuditLog {
  log(kind: string, severity: string, message: string, peer?: string | null, metadata?: string | null): void;
  query(conditions: string): Promise<string>;
  verify(anchor?: string | null): Promise<string>;
  anchor(): Promise<string>;
  flush(): Promise<void>;
}

export interface EngineAgent {
  amid(): string;
  publicKeys(): [Uint8Array, Uint8Array];
  connect(displayName: string | null, capabilities: string[] | null, canceller?: EngineCanceller): Promise<void | null>;
  sync(limitMs: number, canceller?: EngineCanceller): Promise<boolean | null>;
  close(): Promise<void>;
  send(to: string, content: Content | null, options: string | null, canceller?: EngineCanceller): Promise<string | null>;
  request(
    to: string,
    content: Content | null,
    deadlineMs: number,
    options: string | null,
    canceller?: EngineCanceller,
  ): Promise<EngineMessage | null>;
  status(to: string, inReplyTo: string | null, content: Content | null): Promise<void>;
  stream(to: string, content: Content | null, options: string | null, canceller?: EngineCanceller): Promise<EngineIncomingStream | null>;
  resumeStream(
    peer: string,
    id: string,
    position: number,
    options: string | null,
    canceller?: EngineCanceller,
  ): Promise<EngineIncomingStream | null>;
  messages(): Promise<EngineMessages>;
  watch(onEvent: (event: EngineEvent | null | undefined) => void): void;
  newId(): string;
  auditLog(): EngineAuditLog | null;
  openStreams(): Promise<string>;
  stage(id: string): Promise<string>;
  cancel(id: string): Promise<void>;
  sessions(): Promise<string>;
  closeSession(peer: string): Promise<void>;
  killSession(peer: string): Promise<void>;
  pauseNew(): Promise<void>;
  resumeNew(): Promise<void>;
  resume(): Promise<void>;
  emergencyStop(): Promise<void>;
  block(peer: string): Promise<void>;
  unblock(peer: string): Promise<void>;
  circuitState(): Promise<string>;
  pendingKnocks(): Promise<string>;
  acceptKnock(session: string, ttlS: number | null): Promise<void>;
  rejectKnock(session: string, reason: string, retryAfterS: number | null): Promise<void>;
  policy(): Promise<string>;
  setPolicy(policy: string): Promise<void>;
  outbox(): Promise<string>;
  inbox(): Promise<string>;
  rateStatus(peer: string | null): Promise<string>;
  waitForCapacity(peer: string, maxMs: number, canceller?: EngineCanceller): Promise<void | null>;
  search(
    capability: string | null,
    minTier: string | null,
    minReputation: number | null,
    limit: number | null,
    offset: number | null,
    canceller?: EngineCanceller,
  ): Promise<string | null>;
  lookup(amid: string, canceller?: EngineCanceller): Promise<string | null>;
  setCapabilities(capabilities: string[], canceller?: EngineCanceller): Promise<void | null>;
  negotiate(peer: string, wanted: string[], deadlineMs: number, canceller?: EngineCanceller): Promise<string | null>;
  backUp(passphrase: string): Promise<string>;
  rotateExchangeKey(): Promise<Uint8Array>;
}

export interface EngineOpenArguments {
  keyKind: 'none' | 'bytes' | 'file' | 'variable' | 'passphrase';
  key?: string | Uint8Array;
  mode: string;
  settings: string;
  onKnock?: (question: EngineKnockQuestion) => void;
}

export interface EnginePrekeyManager {
  loadOrInitialize(): Promise<string>;
  replenishOneTimePrekeys(n: number): Promise<string>;
  rotateSignedPrekey(): Promise<string>;
  bundle(): Promise<string>;
  remaining(): Promise<string>;
  needsReplenishment(): Promise<boolean | string>;
}

export interface EngineOpenedEnvelope {
  from: string;
  id?: string | null;
  kind: string;
  inReplyTo?: string | null;
  sentAt?: number | null;
  payload?: Content | null;
}

export interface EngineSessionManager {
  initiateSession(peer: string, bundle: string, signingKey: Uint8Array, request: string | null): Promise<[string, string]>;
  acceptSession(peer: string, message: string): Promise<string>;
  activateSession(session: string, key: Uint8Array): Promise<void>;
  ratchetPublicKey(session: string): Promise<Uint8Array | null>;
  encryptMessage(session: string, message: Content | null): Promise<string>;
  decryptMessage(session: string, envelope: string): Promise<string>;
  openEnvelope(session: string, envelope: string): Promise<EngineOpenedEnvelope>;
  sessions(): Promise<string>;
  sessionByPeer(peer: string): Promise<string>;
  closeSession(session: string): Promise<void>;
  maintain(): Promise<string>;
}

export interface EngineKnockProtocol {
  judge(peer: string, message: string, tier: string, reputation: number): Promise<[string, string]>;
  answer(peer: string, message: string, decision: string): Promise<[string, string]>;
  verifyAnswer(session: string, envelope: string): Promise<string>;
}

export interface EngineServer {
  readonly registryUrl: string;
  readonly relayUrl: string;
  readonly url: string;
  stop(): Promise<void>;
}

export interface EngineOpenRequest {
  opened(onCall: (call: EngineStorageCall) => void): void;
  fail(kind: string, message: string): void;
}

/** An engine. Members that need files or sockets of a server are optional: not every platform has them. */
export interface Engine {
  readonly VERSION: string;
  readonly Canceller: new () => EngineCanceller;
  readonly SealedStore: new (storage: EngineStorage, key: Uint8Array) => EngineSealedStore;
  readonly PrekeyManager: new (identity: EngineIdentity, store: EngineSealedStore) => EnginePrekeyManager;
  readonly SessionManager: new (prekeys: EnginePrekeyManager, allowLegacy: boolean) => EngineSessionManager;
  readonly KnockProtocol: new (sessions: EngineSessionManager, policy: string) => EngineKnockProtocol;
  readonly Storage: {
    memory(): EngineStorage;
    sqlite?(path: string): EngineStorage;
    directory?(path: string): EngineStorage;
    foreign(location: string, durability: string, onCall: (call: EngineStorageCall) => void): EngineStorage;
  };
  readonly Identity: {
    generate(): EngineIdentity;
    fromJson(text: string): EngineIdentity;
    restore(text: string, passphrase: string): EngineIdentity;
  };
  readonly Backup: { open(text: string, passphrase: string): EngineBackup };
  openAgent(
    storage: EngineStorage,
    identity: EngineIdentity | null,
    backup: EngineBackup | null,
    how: EngineOpenArguments,
    canceller?: EngineCanceller,
  ): Promise<EngineAgent | null>;
  openStorage?(url: string): Promise<EngineStorage>;
  loadIdentity(store: EngineSealedStore, path: string): Promise<EngineIdentity>;
  loadOrGenerateIdentity(store: EngineSealedStore, path: string): Promise<EngineIdentity>;
  verifySignature(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  safetyNumber(one: Uint8Array, other: Uint8Array): string;
  policyPreset(name: string): string;
  normalizePolicy(policy: string): string;
  evaluatePolicy(policy: string, knock: string): string;
  errorCodes?(): string;
  panicForTests?(): void;
  startServer?(settings: string): Promise<EngineServer>;
  conformanceTests?(): string[];
  runConformanceTest?(
    name: string,
    durability: string,
    exclusive: boolean,
    onOpen: (request: EngineOpenRequest) => void,
  ): Promise<string | null>;
}

let chosen: Engine | undefined;

/** The engine of this platform; each entry of the package sets its own before anything else. */
export function setEngine(engine: Engine): void {
  chosen = engine;
}

export function engine(): Engine {
  if (chosen === undefined) throw new Error('@agentmesh/sdk has no engine on this platform');
  return chosen;
}
