// Messages that come in.

import { abortable, later, now, type Abortable } from './calls';
import { engine, type EngineCanceller, type EngineMessage, type EngineMessages } from './engine';
import { AgentMeshError } from './errors';
import { OutgoingStream } from './stream';
import { decode, encode, json, sent, stageNumber, type Sent, type Stage } from './values';

/**
 * A message for the application.
 *
 * It counts as handled when {@link ack} resolves, and not before: given back with {@link release}, forgotten, or left by a
 * crash, it comes again with the same {@link id}.
 */
export class Message {
  readonly #engine: EngineMessage;
  readonly #owner: object;
  /** Who sent it, proven by the session. */
  readonly from: string;
  /** The sender's id for it: the same if it comes again. */
  readonly id: string;
  /** What it is: `message`, `request`, `response`, `error` and so on. */
  readonly kind: string;
  /** The sender's count of messages to us. */
  readonly seq: number;
  /** The message of ours that it answers. */
  readonly inReplyTo: string | null;
  /** When it was sent, by the sender's clock. */
  readonly sentAt: Date;
  /** When it was opened here. */
  readonly receivedAt: Date;
  /** What it says: JSON, or a `Uint8Array`; `undefined` if it says nothing. */
  readonly payload: unknown;
  /** How often it came before and was not acknowledged, since the client was opened. */
  readonly attempt: number;
  /** The W3C `traceparent` that the sender sealed into it. */
  readonly trace: string | null;
  /** The schema that the payload follows, if the sender named one. */
  readonly schema: string | null;
  /** Whether its sender wants the answer as a stream. */
  readonly wantsStream: boolean;
  /** The session with its sender at the time that it was handed over. */
  readonly sessionId: string | undefined;

  /** @internal */
  constructor(made: EngineMessage, owner: object) {
    const said = made.takeContent();
    this.#engine = made;
    this.#owner = owner;
    this.from = said.from;
    this.id = said.id;
    this.kind = said.kind;
    this.seq = said.seq;
    this.inReplyTo = said.inReplyTo ?? null;
    this.sentAt = new Date(said.sentAt);
    this.receivedAt = new Date(said.receivedAt);
    this.payload = decode(said.payload);
    this.attempt = said.attempt;
    this.trace = said.trace ?? null;
    this.schema = said.schema ?? null;
    this.wantsStream = said.wantsStream;
    this.sessionId = undefined;
  }

  /** @internal */
  inSession(sessionId: string | undefined): this {
    (this as { sessionId: string | undefined }).sessionId = sessionId;
    return this;
  }

  /** Whether it was acknowledged, answered or given back. */
  get isDone(): boolean {
    return this.#engine.isDone();
  }

  /** Marks the message as handled, and tells the sender so. Resolves when that is on disk. */
  async ack(): Promise<void> {
    await later(() => this.#engine.ack(), this.#owner);
  }

  /** Gives the message back: it comes again after a pause. */
  release(): void {
    now(() => this.#engine.release());
  }

  /** Answers a request and marks it as handled. */
  async respond(payload?: unknown, options: Abortable & { wait?: Stage } = {}): Promise<Sent> {
    const content = encode(payload);
    const how = json({ wait: stageNumber(options.wait ?? 'stored') });
    return sent(await abortable(options.signal, (canceller) => this.#engine.respond(content, how, canceller), this.#owner));
  }

  /** Answers a request with an error and marks it as handled; the peer's `request` fails with `REQUEST_ERROR_RESPONSE`. */
  async fail(code: string, message = '', options: { retryable?: boolean; details?: unknown } = {}): Promise<Sent> {
    const details = options.details === undefined ? null : json(options.details);
    return sent(await later(() => this.#engine.fail(code, message, options.retryable ?? false, details), this.#owner));
  }

  /** Tells the sender how far its message is, as news that nobody keeps: a `status` event there. */
  async status(payload: unknown): Promise<void> {
    const content = encode(payload);
    await later(() => this.#engine.status(content), this.#owner);
  }

  /** Answers a request with a stream, of a peer that {@link wantsStream}. The request counts as handled when the stream ends. */
  async stream(): Promise<OutgoingStream> {
    return new OutgoingStream(await later(() => this.#engine.stream(), this.#owner), this.#owner);
  }
}

/**
 * The messages that come in, as an asynchronous iterator that ends when the client is closed. One reader at a time: another one
 * ends it, and gets what it did not acknowledge.
 */
export class Messages implements AsyncIterableIterator<Message> {
  readonly #open: (self: Messages) => Promise<EngineMessages>;
  readonly #owner: object;
  readonly #session: (peer: string) => Promise<string | undefined>;
  readonly #signal: AbortSignal | undefined;
  #engine: Promise<EngineMessages> | undefined;
  #canceller: EngineCanceller | undefined;
  #left = false;

  /** @internal */
  constructor(
    open: (self: Messages) => Promise<EngineMessages>,
    owner: object,
    session: (peer: string) => Promise<string | undefined>,
    signal?: AbortSignal,
  ) {
    this.#open = open;
    this.#owner = owner;
    this.#session = session;
    this.#signal = signal;
  }

  async next(): Promise<IteratorResult<Message, undefined>> {
    if (this.#signal?.aborted) this.#leave();
    if (this.#left) return { done: true, value: undefined };
    const leave = (): void => this.#leave();
    this.#signal?.addEventListener('abort', leave, { once: true });
    try {
      this.#engine ??= this.#open(this);
      const messages = await this.#engine;
      if (this.#left) return { done: true, value: undefined };
      // Leaving only stops the waiting: what was taken by then is still returned, so no message is lost.
      this.#canceller ??= new (engine().Canceller)();
      const taken = await later(() => messages.next(this.#canceller), this.#owner);
      if (taken === null) return { done: true, value: undefined };
      const message = new Message(taken, this.#owner);
      return { done: false, value: message.inSession(await this.#session(message.from)) };
    } catch (error) {
      if (AgentMeshError.is(error) && error.kind === 'closed') return { done: true, value: undefined };
      throw error;
    } finally {
      this.#signal?.removeEventListener('abort', leave);
    }
  }

  #leave(): void {
    this.#left = true;
    this.#canceller?.cancel();
    this.#engine?.then((messages) => messages.leave()).catch(() => undefined);
  }

  /** Ends it. A `next` that waits resolves as done. */
  async return(): Promise<IteratorResult<Message, undefined>> {
    this.#leave();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
