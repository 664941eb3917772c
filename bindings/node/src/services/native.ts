// What the services need beneath them. They are the native module's only, so far: sockets, files and headers of their own.

import type { EngineCanceller, EngineIdentity } from '../engine';
import { setEngine } from '../engine';
import { native } from '../native';

setEngine(native);

/** kind, and an object as JSON */
export interface NativeItem {
  kind: string;
  details: string;
}

export interface NativeItems {
  next(canceller?: EngineCanceller): Promise<NativeItem | null>;
}

export interface NativeCredentials {
  id: string;
  token: string;
  headerAuth: boolean;
}

export interface NativeSignalingClient {
  send(to: string, signal: string, canceller?: EngineCanceller): Promise<void | null>;
  events(): NativeItems;
  id(): string | null;
  room(): string;
  peers(): string[];
  iceServers(): string;
  isOnline(): boolean;
  credentials(): NativeCredentials | null;
  leave(urgent: boolean): Promise<void>;
}

export interface NativeNegotiator {
  received(signal: string): boolean;
  handle(input: string): void;
  tick(): void;
  nextWake(): number | null;
  takeActions(): NativeItem[];
  isPolite(): boolean;
  isClosed(): boolean;
}

export interface NativeAgentWebSocketClient {
  query(content: string, deadline: number | null, canceller?: EngineCanceller): Promise<string | null>;
  queryStream(content: string, deadline: number | null, canceller?: EngineCanceller): Promise<NativeItems | null>;
  command(command: string, canceller?: EngineCanceller): Promise<void | null>;
  humanFeedback(content: string, metadata: string | null, canceller?: EngineCanceller): Promise<void | null>;
  events(): NativeItems;
  session(): string;
  close(): Promise<void>;
}

export interface NativeChatCall {
  readonly messages: string;
  readonly wantsDeltas: boolean;
  delta(text: string): Promise<void>;
  answer(text: string): void;
  fail(message: string): void;
  gone(): Promise<void>;
}

export interface NativeAgentWebSocketService {
  readonly url: string;
  next(canceller?: EngineCanceller): Promise<NativeChatCall | null>;
  notify(session: string, message: string): void;
  stats(): string;
  shutdown(): Promise<void>;
}

export interface NativeAiwmConnection {
  readonly answer: string;
}

export interface NativeAiwmClient {
  connect(canceller?: EngineCanceller): Promise<NativeAiwmConnection | null>;
  heartbeat(
    connection: NativeAiwmConnection,
    status: string,
    metrics: string | null,
    canceller?: EngineCanceller,
  ): Promise<void | null>;
  disconnect(connection: NativeAiwmConnection, reason: string, canceller?: EngineCanceller): Promise<void | null>;
}

export interface NativeAiwmSupervisor {
  config(): string;
  state(): string;
  events(): NativeItems;
  setStatus(status: string): void;
  status(): string;
  setMetrics(metrics: string | null): void;
  health(): string;
  counters(): string;
  respond(path: string): { status: number; contentType: string; body: string };
  shutdown(): Promise<void>;
}

export interface NativeSetup {
  answer: string;
  sessionToken?: string | null;
}

export interface NativeUserDataClient {
  putSkill(user: string, name: string, content: string, canceller?: EngineCanceller): Promise<string | null>;
  listSkills(user: string, canceller?: EngineCanceller): Promise<string | null>;
  skill(user: string, name: string, canceller?: EngineCanceller): Promise<string | null>;
  deleteSkill(user: string, name: string, canceller?: EngineCanceller): Promise<string | null>;
  saveConversation(user: string, body: string, canceller?: EngineCanceller): Promise<string | null>;
  conversation(user: string, id: string, canceller?: EngineCanceller): Promise<string | null>;
  listConversations(user: string, canceller?: EngineCanceller): Promise<string | null>;
  deleteConversation(user: string, id: string, canceller?: EngineCanceller): Promise<string | null>;
  putSettings(user: string, name: string, value: string, canceller?: EngineCanceller): Promise<string | null>;
  settings(user: string, name: string, canceller?: EngineCanceller): Promise<string | null>;
  deleteSettings(user: string, name: string, canceller?: EngineCanceller): Promise<string | null>;
  setup(session: string, user: string | null, canceller?: EngineCanceller): Promise<NativeSetup | null>;
  destroySandbox(session: string, canceller?: EngineCanceller): Promise<void | null>;
  health(canceller?: EngineCanceller): Promise<string | null>;
}

export interface NativeHookQuestion {
  readonly request: string;
  answer(decision?: string | null): void;
}

export interface NativeUserDataChannel {
  send(prompt: string, how: string, canceller?: EngineCanceller): Promise<NativeItems | null>;
  start(how: string, canceller?: EngineCanceller): Promise<void | null>;
  interrupt(reason: string | null, canceller?: EngineCanceller): Promise<void | null>;
  history(canceller?: EngineCanceller): Promise<string | null>;
  clear(canceller?: EngineCanceller): Promise<void | null>;
  diagnostics(canceller?: EngineCanceller): Promise<string | null>;
  save(user: string, conversation: string, canceller?: EngineCanceller): Promise<string | null>;
  events(): NativeItems;
  setup(): NativeSetup | null;
  conversation(): string | null;
  isConnected(): boolean;
  close(): Promise<void>;
}

export interface NativeServices {
  readonly Negotiator: new (local: string, remote: string, offers: boolean, mode: string | null) => NativeNegotiator;
  readonly AiwmClient: new (how: string, secret: string) => NativeAiwmClient;
  readonly UserDataClient: new (how: string, key: string | null) => NativeUserDataClient;
  joinSignaling(
    how: string,
    joinKey: string | null,
    resume: NativeCredentials | null,
    signWith: EngineIdentity | null,
    wait: boolean,
    canceller?: EngineCanceller,
  ): Promise<NativeSignalingClient | null>;
  connectAgentWebSocket(
    how: string,
    bearer: string | null,
    wait: boolean,
    canceller?: EngineCanceller,
  ): Promise<NativeAgentWebSocketClient | null>;
  startAgentWebSocketService(how: string, tokens: string[]): Promise<NativeAgentWebSocketService>;
  startAiwmSupervisor(
    controller: string | null,
    secret: string | null,
    how: string,
    canceller?: EngineCanceller,
  ): Promise<NativeAiwmSupervisor | null>;
  openUserDataChannel(
    client: NativeUserDataClient,
    how: { settings: string; key: string; token?: string; onHook?: (question: NativeHookQuestion) => void },
    canceller?: EngineCanceller,
  ): Promise<NativeUserDataChannel | null>;
}

export const services = native as unknown as NativeServices;
