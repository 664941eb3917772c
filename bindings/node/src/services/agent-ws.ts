/// <reference lib="esnext.disposable" preserve="true" />
// Questions and answers with one agent over a plain WebSocket, each text frame a JSON object: who asks.

import { abortable, later, now, type Abortable } from '../calls';
import type { EngineCanceller } from '../engine';
import type { AgentMeshError } from '../errors';
import { camel, json, members, span } from '../values';
import { errorOf, Items, settings } from './items';
import { services, type NativeAgentWebSocketClient, type NativeItems } from './native';

export { AgentWebSocketService } from './agent-ws-service';
export type { ChatHandler, Question, Said, ServiceOptions, ServiceStats } from './agent-ws-service';

/** What is known of a session. */
export interface SessionInfo {
  /** How the server talks: `documented`, `deployed`, or `unknown` if no welcome came. */
  dialect: string;
  /** The session's id, if the welcome names it. */
  sessionId: string | null;
  /** What the agent calls itself, if it says so. */
  agent: string | null;
  /** The server says which query an answer belongs to, so that several can be under way and commands can overtake. */
  correlates: boolean;
}

/** A message from a server. Nothing in it is verified: show `content` as text, never as HTML. */
export interface AgentMessage {
  /** What it is: `response`, `response_delta`, `status`, `notification`, `error`, or something newer. */
  kind: string;
  /** Its text. What was not a string is JSON again. */
  content: string;
  /** When the server says that it was written, or else when it came. */
  timestamp: Date;
  /** Who wrote it, if the server says so. */
  sender: string | null;
  /** The id of the query that it belongs to, if the server says so. */
  correlationId: string | null;
  /** The session, in a welcome. */
  sessionId: string | null;
  /** When to try again, of an error about the rate. */
  retryAfterMs: number | null;
  /** The number of a piece, of a streamed answer. */
  index: number | null;
}

/** A part of an answer that is shown as it comes: pieces of its text, and the whole at the end. */
export type AnswerPart = { type: 'delta'; content: string; message: AgentMessage } | { type: 'answer'; content: string; message: AgentMessage };

/** What happens besides answers. */
export type AgentWebSocketEvent =
  | { type: 'connected'; session: SessionInfo }
  /** After a lost connection: the server has begun anew, and knows nothing of before. */
  | { type: 'newSession'; session: SessionInfo }
  /** How far the agent is. */
  | { type: 'status'; message: AgentMessage }
  | { type: 'notification'; message: AgentMessage }
  /** An answer that nobody waits for, such as to a query that was given up. */
  | { type: 'unmatched'; message: AgentMessage }
  /** A message of a kind that this version knows nothing of. */
  | { type: 'other'; message: AgentMessage }
  /** A frame that could not be read. The connection stays. */
  | { type: 'unreadable'; reason: string }
  /** The connection was lost, or could not be made; the next attempt follows. */
  | { type: 'disconnected'; error: AgentMeshError; retryInMs: number }
  /** The end: nothing follows. */
  | { type: 'closed'; error: AgentMeshError }
  /** The reader was too slow for so many events. */
  | { type: 'lagged'; missed: number }
  | { type: 'unknown' };

function messageOf(value: Record<string, unknown>): AgentMessage {
  const { timestamp_ms, ...rest } = value;
  return { ...members<AgentMessage>(rest), timestamp: new Date(timestamp_ms as number) };
}

function eventOf(kind: string, details: Record<string, unknown>): AgentWebSocketEvent {
  const type = camel(kind);
  if (type === 'connected' || type === 'newSession') return { type, session: members<SessionInfo>(details) };
  if ('timestamp_ms' in details) return { type, message: messageOf(details) } as AgentWebSocketEvent;
  const { error, ...rest } = members<Record<string, unknown>>(details);
  return { type, ...rest, ...(error !== undefined && { error: errorOf(error) }) } as AgentWebSocketEvent;
}

/** An answer as it comes: an asynchronous iterator of pieces, the whole answer last. */
export class AnswerStream extends Items<AnswerPart> {
  /** @internal */
  constructor(items: NativeItems, owner: object, signal?: AbortSignal) {
    const part = (kind: string, details: Record<string, unknown>): AnswerPart => {
      const message = messageOf(details);
      return { type: kind as AnswerPart['type'], content: message.content, message };
    };
    super(items, part, owner, signal);
  }

  /** Waits for the whole answer, and leaves out what comes before. */
  async answer(): Promise<AgentMessage> {
    for await (const part of this) if (part.type === 'answer') return part.message;
    throw new Error('the answer was read, or left, before');
  }
}

/** How an agent is reached. */
export interface AgentWebSocketOptions extends Abortable {
  /** A token for `Authorization`. */
  bearer?: string;
  /** With `false`, returns at once and tries on; otherwise rejects with what the first attempt failed with. */
  wait?: boolean;
  connectTimeoutMs?: number;
  /** How long to wait for a welcome; without one the server is used all the same. */
  welcomeTimeoutMs?: number;
  /** Default: 90 seconds. */
  queryTimeoutMs?: number;
  /** The pause before the first attempt to connect again. */
  reconnectPauseMs?: number;
  /** Queries that wait or are under way, at most. */
  maxWaiting?: number;
  /** Connects again even after the server closed for inactivity. */
  reconnectOnTimeout?: boolean;
  /** So many questions and answers of a lost session are told to the new one, in a query of its own, which costs a call of the agent's model. */
  replayContext?: number;
}

/** How a question is asked. */
export interface QueryOptions extends Abortable {
  /** How long to wait for the answer. */
  timeoutMs?: number;
}

/**
 * A conversation with one agent over a WebSocket. **Nothing is encrypted end to end**: whoever runs the server reads everything.
 *
 * ```ts
 * await using client = await AgentWebSocketClient.connect('ws://127.0.0.1:8766');
 * console.log((await client.query('What is a WebSocket?')).content);
 * for await (const part of await client.queryStream('And more?')) if (part.type === 'delta') process.stdout.write(part.content);
 * ```
 *
 * It connects again by itself when the connection is lost, and its events say so; a query that was under way then fails
 * (`AGENT_WS_CONNECTION_LOST`), because nobody knows whether the agent worked on it.
 */
export class AgentWebSocketClient {
  readonly #client: NativeAgentWebSocketClient;

  private constructor(made: NativeAgentWebSocketClient) {
    this.#client = made;
  }

  /** Connects. `url` begins with `ws` or `wss`. */
  static async connect(url: string, options: AgentWebSocketOptions = {}): Promise<AgentWebSocketClient> {
    const { bearer, wait, maxWaiting, reconnectOnTimeout, replayContext, signal } = options;
    const how = settings(
      { url, max_waiting: maxWaiting, reconnect_on_timeout: reconnectOnTimeout, replay_context: replayContext },
      {
        open_timeout: options.connectTimeoutMs,
        welcome_timeout: options.welcomeTimeoutMs,
        query_timeout: options.queryTimeoutMs,
        pause: options.reconnectPauseMs,
      },
    );
    const connecting = (canceller?: EngineCanceller) => services.connectAgentWebSocket(how, bearer ?? null, wait ?? true, canceller);
    return new AgentWebSocketClient(await abortable(signal, connecting));
  }

  /**
   * Asks, and waits for the answer. Aborting gives up waiting; the agent goes on working, unless it gets the command `cancel`.
   * `AGENT_WS_AGENT` if the agent answers with an error.
   */
  async query(content: string, options: QueryOptions = {}): Promise<AgentMessage> {
    const deadline = span(options.timeoutMs) ?? null;
    const asking = (canceller?: EngineCanceller) => this.#client.query(content, deadline, canceller);
    return messageOf(JSON.parse(await abortable(options.signal, asking, this)) as Record<string, unknown>);
  }

  /** Asks, and shows the answer piece by piece where the server knows how; the whole answer comes last in any case. */
  async queryStream(content: string, options: QueryOptions = {}): Promise<AnswerStream> {
    const deadline = span(options.timeoutMs) ?? null;
    const asking = (canceller?: EngineCanceller) => this.#client.queryStream(content, deadline, canceller);
    return new AnswerStream(await abortable(options.signal, asking, this), this, options.signal);
  }

  /** Sends a command, such as `cancel` or `clear`, ahead of queries that wait. What the agent has to say to it comes as an event. */
  async command(command: string, options: Abortable = {}): Promise<void> {
    await abortable(options.signal, (canceller) => this.#client.command(command, canceller), this);
  }

  /** Sends what a person thinks of an answer, with anything that belongs to it. */
  async humanFeedback(content: string, metadata?: unknown, options: Abortable = {}): Promise<void> {
    const more = metadata === undefined ? null : json(metadata);
    await abortable(options.signal, (canceller) => this.#client.humanFeedback(content, more, canceller), this);
  }

  /** What happens besides answers. The first to ask gets everything since the start, others what comes from now on. */
  events(options: Abortable = {}): Items<AgentWebSocketEvent> {
    return new Items(now(() => this.#client.events()), eventOf, this, options.signal);
  }

  /** The session, if there is one now. */
  get session(): SessionInfo | null {
    const value = JSON.parse(now(() => this.#client.session())) as object | null;
    return value && members<SessionInfo>(value);
  }

  /** Gives up all queries and takes leave of the server, in at most three seconds. Again is fine. */
  async close(): Promise<void> {
    await later(() => this.#client.close(), this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
