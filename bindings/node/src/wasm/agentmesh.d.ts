// What wasm-bindgen makes of bindings/wasm, as far as this directory uses it.

import type { Engine, EngineAgent, EngineBackup, EngineCanceller, EngineIdentity, EngineKnockQuestion, EngineStorage } from '../engine';

type Same =
  | 'Canceller'
  | 'SealedStore'
  | 'PrekeyManager'
  | 'SessionManager'
  | 'KnockProtocol'
  | 'Storage'
  | 'Identity'
  | 'Backup'
  | 'loadIdentity'
  | 'loadOrGenerateIdentity'
  | 'verifySignature'
  | 'safetyNumber'
  | 'policyPreset'
  | 'normalizePolicy'
  | 'evaluatePolicy';

/** What the module needs of its platform. Whatever comes of a call is told later, never at once. */
export interface Lender {
  startTimer(id: number, ms: number): void;
  stopTimer(id: number): void;
  fetch(id: number, method: string, url: string, headers: string[], body: Uint8Array | undefined, limit: number): void;
  stopFetch(id: number): void;
  openSocket(id: number, url: string): void;
  sendText(id: number, text: string): void;
  sendBytes(id: number, bytes: Uint8Array): void;
  closeSocket(id: number): void;
  dropSocket(id: number): void;
}

export interface AgentOpening {
  key(kind: string, key: string | Uint8Array | undefined): void;
  identity(identity: EngineIdentity): void;
  backup(backup: EngineBackup): void;
  onKnock(ask: (question: EngineKnockQuestion) => void): void;
  open(canceller?: EngineCanceller): Promise<EngineAgent | null>;
}

export interface Glue extends Pick<Engine, Same> {
  version(): string;
  readonly AgentOpening: new (storage: EngineStorage, mode: string, settings: string) => AgentOpening;
  installHost(lender: Lender): void;
  timerFired(id: number): void;
  fetched(id: number, status: number, headers: string[], body: Uint8Array): void;
  /** Without a reason, the answer was too long. */
  fetchFailed(id: number, reason?: string): void;
  socketOpened(id: number): void;
  socketText(id: number, text: string): void;
  socketBytes(id: number, bytes: Uint8Array): void;
  socketClosed(id: number, code?: number): void;
  socketFailed(id: number, reason: string): void;
}

export function initSync(how: { module: unknown }): unknown;
