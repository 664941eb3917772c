/// <reference lib="esnext.disposable" preserve="true" />
// The answering side of agent WebSockets: a service in front of a handler.

import { later, now } from '../calls';
import { engine, type EngineCanceller } from '../engine';
import { AgentMeshError, argument, Failure } from '../errors';
import { members } from '../values';
import { settings } from './items';
import { services, type NativeAgentWebSocketService, type NativeChatCall } from './native';

/** One thing that was said. */
export interface Said {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** A conversation that wants an answer. */
export interface Question {
  /** What was asked last. */
  text: string;
  /** The system's words first, the question last: as models take it. */
  messages: Said[];
  /** Whether the client wants to see the answer as it comes. */
  wantsDeltas: boolean;
  /** Aborted when nobody waits for the answer any more: the client left or sent `cancel`, the time is up, or it was given. */
  signal: AbortSignal;
}

/** Answers: returns the text or a promise of it, or yields it piece by piece. What a `Failure` says is told to the client. */
export type ChatHandler = (question: Question) => string | Promise<string> | AsyncIterable<string> | Iterable<string>;

/** What a service has done so far. */
export interface ServiceStats {
  /** Sessions now. */
  sessions: number;
  /** Sessions since the start. */
  sessionsTotal: number;
  /** Messages that came in. */
  messages: number;
  /** Error messages that went out. */
  errors: number;
  /** Questions that were answered, and how long that took together. */
  answers: number;
  answerTimeMs: number;
}

/** How a service listens. */
export interface ServiceOptions {
  /** Default: `127.0.0.1`. */
  host?: string;
  /** Default: a free one. */
  port?: number;
  path?: string;
  /** With tokens, clients need one of them. */
  tokens?: readonly string[];
  /** Lets pages of these origins in, and no others. */
  origins?: readonly string[];
  /** Whether tokens may be in the URL. They are in logs then. */
  tokenInQuery?: boolean;
  agentName?: string;
  systemPrompt?: string;
  sessionTimeoutMs?: number;
  answerTimeoutMs?: number;
  maxHistory?: number;
  maxSessions?: number;
  maxSessionsPerAddress?: number;
  /** How many messages a session may send, at once and a minute. Default: 10 and 30; 0 a minute is any number. */
  rate?: { burst: number; perMinute: number };
  /** Whether what people think of an answer is a question. */
  feedbackIsQuery?: boolean;
}

/**
 * An agent that listens for WebSockets, in front of a handler of yours.
 *
 * ```ts
 * await using service = await AgentWebSocketService.start(async function* (question) {
 *   for await (const token of model(question.messages, question.signal)) yield token;
 * });
 * ```
 *
 * Speaks without TLS: for other machines put a proxy with a certificate before it. It keeps the process alive until it is closed.
 */
export class AgentWebSocketService {
  readonly #service: NativeAgentWebSocketService;
  readonly #handler: ChatHandler;
  readonly #answering = new Set<Promise<void>>();
  readonly #closing: EngineCanceller = new (engine().Canceller)();
  readonly #serving: Promise<void>;

  private constructor(made: NativeAgentWebSocketService, handler: ChatHandler) {
    this.#service = made;
    this.#handler = handler;
    this.#serving = this.#serve();
  }

  /** Listens. When this resolves, clients can connect. */
  static async start(handler: ChatHandler, options: ServiceOptions = {}): Promise<AgentWebSocketService> {
    if (typeof handler !== 'function') throw argument('the handler of questions is a function');
    const { host = '127.0.0.1', port = 0, tokens, rate } = options;
    const how = settings(
      {
        listen: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
        path: options.path,
        agent_name: options.agentName,
        system_prompt: options.systemPrompt,
        max_history: options.maxHistory,
        max_sessions: options.maxSessions,
        max_sessions_per_address: options.maxSessionsPerAddress,
        rate: rate && [rate.burst, rate.perMinute],
        feedback_is_query: options.feedbackIsQuery,
        origins: options.origins,
        token_in_query: options.tokenInQuery,
      },
      { session_timeout: options.sessionTimeoutMs, answer_timeout: options.answerTimeoutMs },
    );
    const made = await later(() => services.startAgentWebSocketService(how, [...(tokens ?? [])]));
    return new AgentWebSocketService(made, handler);
  }

  /** What clients on this machine take as the agent's URL. */
  get url(): string {
    return this.#service.url;
  }

  /** What it has done so far. */
  get stats(): ServiceStats {
    return members<ServiceStats>(JSON.parse(now(() => this.#service.stats())));
  }

  /** Shows a notification to the client of a session; an error of kind `not_found` if there is none. */
  notify(sessionId: string, message: string): void {
    now(() => this.#service.notify(sessionId, message));
  }

  /** Admits nobody any more, tells every session to come back later, and waits for their end and the handlers'. Again is fine. */
  async close(): Promise<void> {
    await later(() => this.#service.shutdown(), this);
    this.#closing.cancel();
    await this.#serving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #serve(): Promise<void> {
    for (;;) {
      const call = await later(() => this.#service.next(this.#closing), this);
      if (call === null) break;
      const answering: Promise<void> = answer(call, this.#handler).finally(() => this.#answering.delete(answering));
      this.#answering.add(answering);
    }
    await Promise.all(this.#answering);
  }
}

async function answer(call: NativeChatCall, handler: ChatHandler): Promise<void> {
  const nobody = new AbortController();
  void call.gone().then(() => nobody.abort(new Error('nobody waits for the answer any more')));
  try {
    const messages = JSON.parse(call.messages) as Said[];
    const question = { text: messages.at(-1)?.content ?? '', messages, wantsDeltas: call.wantsDeltas, signal: nobody.signal };
    const text = await whole(await handler(question), call, nobody.signal);
    now(() => call.answer(text));
  } catch (error) {
    // What a handler throws when it is told to stop is told to nobody.
    if (nobody.signal.aborted || (AgentMeshError.is(error) && error.code === 'BINDING_USED')) return;
    const said = error instanceof Failure ? error.message || error.code : 'the agent failed';
    if (!(error instanceof Failure)) console.error('agentmesh: the handler of questions failed', error);
    try {
      now(() => call.fail(said));
    } catch {
      // Nobody waits any more.
    }
  }
}

async function whole(answer: string | AsyncIterable<string> | Iterable<string>, call: NativeChatCall, signal: AbortSignal): Promise<string> {
  if (typeof answer === 'string') return answer;
  if (typeof answer !== 'object' || answer === null || !(Symbol.asyncIterator in answer || Symbol.iterator in answer)) {
    throw new TypeError('a handler of questions returns or yields text');
  }
  let text = '';
  for await (const piece of answer) {
    if (signal.aborted) break;
    text += piece;
    if (call.wantsDeltas) await later(() => call.delta(piece));
  }
  return text;
}
