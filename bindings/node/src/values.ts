// Plain values: what calls take and return. Moments are `Date`, spans are milliseconds.

import { argument } from './errors';
import type { Content } from './engine';

/** How far a message has come: in our own outbox on disk; on the relay's disk; decrypted by the peer and on its disk; handled by it. */
export type Stage = 'queued' | 'stored' | 'delivered' | 'handled';
/** How a session is to be used. */
export type SessionType = 'one-shot' | 'streaming' | 'persistent';
/** How well the registry knows who is behind an agent. Not a cryptographic fact. */
export type Tier = 'anonymous' | 'verified' | 'organization';

/** What came of a message by the time that sending it returned. */
export interface Sent {
  /** Its id. */
  id: string;
  /** The recipient. */
  to: string;
  /** How far it came, at least as far as was asked for. */
  stage: Stage;
}

/** Where the chains of a session stand. */
export interface SessionChains {
  /** Messages sent in the current chain. */
  sent: number;
  /** Messages sent in the chain before. */
  previous: number;
  /** Number of the next message expected; `null` before the peer's first. */
  received: number | null;
  /** Whether the next message sent begins a new chain. */
  turnDue: boolean;
  /** Keys kept for messages that were overtaken. */
  skipped: number;
}

/** A session, without anything secret. */
export interface SessionSummary {
  /** The session. */
  id: string;
  /** The agent at the other end. */
  peer: string;
  /** The suite's name, such as `x25519-mlkem768`. */
  suite: string;
  /** When this end was made. */
  createdAt: Date;
  /** Whether we opened it. */
  initiator: boolean;
  /** Whether it was accepted, as far as this end knows. */
  accepted: boolean;
  /** Whether the peer has shown that it has the session. */
  confirmed: boolean;
  /** Whether the next message to the peer goes here. */
  sending: boolean;
  /** Where its chains stand; `null` in 0.2. */
  chains: SessionChains | null;
}

/** The circuit breakers as they stand. */
export interface CircuitStatus {
  /** Whether the agent works; paused, it rejects new sessions, stopped, it does nothing. */
  state: 'running' | 'paused' | 'stopped';
  /** Since when; `null` if it never was otherwise. */
  since: Date | null;
  /** Who is shut out, and since when. */
  blocked: Map<string, Date>;
}

/** A message in the outbox. */
export interface OutboxItem {
  id: string;
  to: string;
  stage: Stage;
  queuedAt: Date;
  /** When it is given up if nobody confirms it. */
  expiresAt: Date;
  /** Bytes kept for it. */
  size: number;
  /** How often it was handed to the relay since the agent was opened. */
  attempts: number;
  /** The code of what went wrong last. */
  lastError: string | null;
  /** Of a payload in parts: how many the recipient has, and how many there are. */
  parts: [number, number] | null;
}

/** A message that came in and is not handled. */
export interface InboxItem {
  id: string;
  from: string;
  kind: string;
  inReplyTo: string | null;
  sentAt: Date;
  receivedAt: Date;
  /** Bytes of the payload that are here. */
  size: number;
  /** What it waits for: a handler, a decision on its sender's KNOCK, or the rest of its parts. */
  waitsFor: 'handler' | 'decision' | 'parts';
  parts: [number, number] | null;
}

/** A stream that has not ended. */
export interface OpenStream {
  peer: string;
  /** The request; it names the stream. */
  id: string;
  /** Whether we read it; otherwise we send it. */
  reading: boolean;
  /** Sender: chunks queued. Reader: chunks consumed. */
  position: number;
}

/** How full a limit on sending is. */
export interface Bucket {
  /** Messages that may be sent at once, now. */
  available: number;
  /** Messages that may be sent at once, at most. */
  burst: number;
  /** Messages a second in the long run. */
  perSecond: number;
}

/** How full the limits on sending are. */
export interface RateStatus {
  overall: Bucket | null;
  peer: Bucket | null;
  /** Peers that are counted. */
  peers: number;
}

/** What the registry says of an agent. Only the signing key is proven: the AMID is its hash. */
export interface Listing {
  amid: string;
  signingKey: Uint8Array;
  exchangeKey: Uint8Array;
  displayName: string | null;
  organization: string | null;
  tier: Tier | (string & {});
  capabilities: string[];
  /** Whether it says it can be reached: `online`, `away`, `offline`, `dnd`. */
  status: string;
  /** 0 to 1. */
  reputation: number;
  lastSeen: Date | null;
}

/** A page of search results. */
export interface SearchPage {
  /** By reputation, then by last sign of life. */
  agents: Listing[];
  /** How many the registry counts on all pages. */
  total: number;
  /** Where the next page begins; `null` if this one was the last. */
  nextOffset: number | null;
  /** Entries left out, because their key is not that of their AMID. */
  rejected: number;
}

/** A wish, and what is granted for it. */
export interface CapabilityMatch {
  wanted: string;
  offered: string;
  fit: 'exact' | 'wildcard' | 'prefix';
}

/** What a peer grants of what it was asked for. */
export interface Agreement {
  agreed: CapabilityMatch[];
}

/** Something that happened to an agent besides messages. New types may come with every release. */
export interface AgentEvent {
  /** What: `online`, `progress`, `sessionEstablished` and so on. */
  type: string;
  /** Everything else that is known of it. */
  details: Record<string, unknown>;
  /** What a peer says, of `status` events. */
  payload: unknown;
}

const STAGES: readonly Stage[] = ['queued', 'stored', 'delivered', 'handled'];

export function stageNumber(stage: Stage): number {
  const number = STAGES.indexOf(stage);
  if (number < 0) throw argument(`there is no stage ${String(stage)}: queued, stored, delivered, handled`);
  return number;
}

export function stageOf(number: number): Stage {
  return STAGES[number] ?? 'handled';
}

type Raw = Record<string, unknown>;

/** `some_name` as `someName`. */
export function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The members of an object in JavaScript's spelling, one level deep; moments, which end in `_at`, as `Date`. */
export function members<T>(value: unknown): T {
  const made: Raw = {};
  for (const [name, member] of Object.entries(value as Raw)) {
    made[camel(name)] = name.endsWith('_at') && typeof member === 'number' ? new Date(member) : member;
  }
  return made as T;
}

export function list<T>(json: string, each: (value: Raw) => T): T[] {
  return (JSON.parse(json) as Raw[]).map(each);
}

export const sent = (json: string): Sent => {
  const value = JSON.parse(json) as Raw;
  return { ...(value as unknown as Sent), stage: stageOf(value['stage'] as number) };
};

export const session = (value: Raw): SessionSummary => {
  const made = members<SessionSummary>(value);
  return { ...made, chains: made.chains && members<SessionChains>(made.chains) };
};

export const outboxItem = (value: Raw): OutboxItem => ({
  ...members<OutboxItem>(value),
  stage: stageOf(value['stage'] as number),
});

export const inboxItem = (value: Raw): InboxItem => {
  const { sender, ...rest } = value;
  return { ...members<InboxItem>(rest), from: sender as string };
};

export const circuitStatus = (json: string): CircuitStatus => {
  const value = JSON.parse(json) as { state: CircuitStatus['state']; since: number; blocked: [string, number][] };
  return {
    state: value.state,
    since: value.since === 0 ? null : new Date(value.since),
    blocked: new Map(value.blocked.map(([peer, at]) => [peer, new Date(at)])),
  };
};

export const rateStatus = (json: string): RateStatus => {
  const value = JSON.parse(json) as { overall: Raw | null; peer: Raw | null; peers: number };
  return {
    overall: value.overall && members<Bucket>(value.overall),
    peer: value.peer && members<Bucket>(value.peer),
    peers: value.peers,
  };
};

export const listing = (value: Raw): Listing => ({
  ...members<Listing>(value),
  signingKey: Uint8Array.from(value['signing_key'] as number[]),
  exchangeKey: Uint8Array.from(value['exchange_key'] as number[]),
  lastSeen: value['last_seen'] === null ? null : new Date(value['last_seen'] as number),
});

export const searchPage = (json: string): SearchPage => {
  const value = JSON.parse(json) as Raw;
  return { ...members<SearchPage>(value), agents: (value['agents'] as Raw[]).map(listing) };
};

/** Bytes, whatever they come in. */
export function bytes(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return new Uint8Array(value);
}

/** A payload as the engine takes it: `undefined` is nothing at all, bytes are bytes, everything else is JSON. */
export function encode(payload: unknown): Content | null {
  if (payload === undefined) return null;
  if (ArrayBuffer.isView(payload)) return bytes(payload);
  if (payload instanceof ArrayBuffer) return new Uint8Array(payload);
  return json(payload);
}

/** JSON; what JSON cannot say is an error, and so are functions and symbols, which it would leave out. */
export function json(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError('a payload is JSON, bytes, or undefined');
  return text;
}

/** A payload as the application gets it. */
export function decode(payload: Content | null | undefined): unknown {
  if (payload === null || payload === undefined) return undefined;
  return typeof payload === 'string' ? JSON.parse(payload) : payload;
}

/** Whole seconds out of milliseconds, at least one. */
export function wholeSeconds(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.max(1, Math.round(ms / 1000));
}

/** A span of time for a setting. */
export function span(ms: number | undefined): number | undefined {
  if (ms === undefined) return undefined;
  if (!(ms >= 0 && ms < Infinity)) throw argument('a span of time is a number of milliseconds, not negative and finite');
  return Math.round(ms);
}

/** Settings as JSON, without what was left out; nothing if all was. */
export function given(settings: Raw): string | null {
  const text = JSON.stringify(settings);
  return text === '{}' ? null : text;
}
