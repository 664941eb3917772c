// The agent: opening it, sending, receiving, closing.

import { AuditLog } from './audit';
import { abortable, later, now, type Abortable } from './calls';
import { Control } from './control';
import { dispatch, type Handlers, type MessageHandler, type RequestHandler } from './dispatch';
import { engine, type EngineAgent, type EngineCanceller, type EngineIncomingStream, type EngineKnockQuestion } from './engine';
import { AgentMeshError, argument } from './errors';
import { Emitter, type EventListener } from './events';
import { Key } from './key';
import { doorkeeper, type KnockHandler } from './knock';
import { Message, Messages } from './message';
import {
  openingJson,
  requestOptionsJson,
  sendJson,
  streamJson,
  type ClientOptions,
  type RequestOptions,
  type SendOptions,
  type StreamOptions,
} from './options';
import { PeerSessions } from './sessions';
import { storageOf, type Storage } from './storage';
import { IncomingStream } from './stream';
import { encode, sent, type AgentEvent, type Sent } from './values';

/** Handlers that run at a time. */
const CONCURRENCY = 16;

/**
 * An agent: sends and receives end-to-end encrypted messages.
 *
 * ```ts
 * await using client = await AgentMeshClient.create({ storage: new SqliteStorage('agent.db'), key: Key.file('agent.key') });
 * await client.connect();
 * await client.send(peer, { hello: 'world' });
 * for await (const message of client.messages()) {
 *   console.log(message.from, message.payload);
 *   await message.ack();
 * }
 * ```
 *
 * What {@link send} reported as queued or better survives a crash. A message that comes in counts as handled when it was
 * acknowledged, and not before. A client that waits for messages keeps the process alive; one that only is open does not.
 */
export class AgentMeshClient extends Control {
  readonly #options: ClientOptions;
  readonly #storage: Storage;
  readonly #emitter = new Emitter();
  readonly #sessions = new PeerSessions(this);
  #agent: EngineAgent | undefined;
  #opening: Promise<EngineAgent> | undefined;
  #amid = '';
  #capabilities: readonly string[];
  #onKnock: KnockHandler | undefined;
  #onMessage: MessageHandler | undefined;
  #onRequest: RequestHandler | undefined;
  #onHandlerError: ((error: unknown, message: Message) => void) | undefined;
  #receiving: Messages | undefined;
  #reader: WeakRef<Messages> | undefined;
  #handling: Promise<void> = Promise.resolve();
  #watching = false;
  #closed = false;
  #waiting = new AbortController(); // Gives up waiting for a storage that somebody else has.

  /** Describes an agent; nothing is opened before {@link initialize}. */
  constructor(options: ClientOptions) {
    super();
    this.#options = { ...options };
    this.#storage = storageOf(options.storage);
    this.#capabilities = [...(options.capabilities ?? [])];
    this.#onKnock = options.onKnock;
  }

  /** Opens an agent; one with a fresh identity if the storage holds none. Does not go online. */
  static async create(options: ClientOptions): Promise<AgentMeshClient> {
    const client = new AgentMeshClient(options);
    await client.initialize();
    return client;
  }

  /** Opens the agent whose identity is in a storage, by the name that it has there; an error if it is not. */
  static async load(
    storage: Storage | string,
    identityKey?: string,
    options: Omit<ClientOptions, 'storage' | 'mode' | 'identityKey'> = {},
  ): Promise<AgentMeshClient> {
    return AgentMeshClient.create({ ...options, storage, identityKey: identityKey ?? undefined, mode: 'load' });
  }

  /** Opens the storage and the identity in it; a client that is open is left as it is. Does not go online. */
  async initialize(options: Abortable = {}): Promise<void> {
    if (this.#agent !== undefined) return;
    this.#opening ??= this.#open(options.signal).catch((error: unknown) => {
      this.#opening = undefined;
      if (!this.#closed) this.#waiting = new AbortController();
      throw error;
    });
    await this.#opening;
  }

  async #open(signal: AbortSignal | undefined): Promise<EngineAgent> {
    const { key, identity, backup, mode } = this.#options;
    const agent = await this.#storage.opening(signal, this.#waiting, async (store) => {
      const how = {
        ...(key === undefined ? await this.#storage.key() : Key.of(key)).opening(),
        mode: mode ?? 'openOrCreate',
        settings: openingJson(this.#options),
        onKnock: this.#doorkeeper(),
      };
      const own = [identity?.inner ?? null, backup?.inner ?? null] as const;
      return abortable(signal, (canceller) => engine().openAgent(store, ...own, how, canceller), this);
    });
    this.#agent = agent;
    this.#amid = now(() => agent.amid());
    if (this.#watching) this.#emitter.watch(agent);
    if (this.#onMessage !== undefined || this.#onRequest !== undefined) this.#receive();
    return agent;
  }

  /** Who is asked about KNOCKs, now or later: without a handler, what the policy lets through is accepted. Does not keep the client. */
  #doorkeeper(): (question: EngineKnockQuestion) => void {
    const weak = new WeakRef(this);
    const asked: KnockHandler = (knock) => {
      const client = weak.deref();
      return client === undefined || client.#onKnock === undefined ? true : client.#onKnock(knock);
    };
    return doorkeeper(asked, (error) => {
      const client = weak.deref();
      if (client !== undefined) client.#failed(error);
    });
  }

  /** @internal */
  protected override async opened(): Promise<EngineAgent> {
    if (this.#agent === undefined) await this.initialize();
    return this.#native;
  }

  get #native(): EngineAgent {
    if (this.#agent === undefined) throw argument('the client is not open: await client.initialize() first');
    return this.#agent;
  }

  /**
   * Goes online: registers, publishes prekeys, connects to the relay. Afterwards the client stays online by itself. Of a client
   * that is open, what is sent right after this call waits for it, whether or not its promise is awaited.
   *
   * `displayName` and `capabilities` are what the registry shall show from now on. Fails with `AGENT_NOT_ONLINE` if that takes too
   * long; the client goes on trying.
   */
  async connect(options: Abortable & { displayName?: string; capabilities?: readonly string[] } = {}): Promise<void> {
    const { displayName, capabilities, signal } = options;
    if (this.#agent === undefined) await this.initialize(options);
    if (capabilities !== undefined) this.#capabilities = [...capabilities];
    const agent = this.#native;
    const connecting = (canceller?: EngineCanceller) =>
      agent.connect(displayName ?? null, capabilities ? [...capabilities] : null, canceller);
    await abortable(signal, connecting, this);
  }

  /**
   * One visit to the relay, for programs that run now and then, such as a Worker on a schedule: goes online, takes what waits,
   * hands it to the handlers, sends what is to be sent, their answers included, and goes offline again.
   *
   * True if all was done: whatever waited is committed, handled (if there are handlers) and acknowledged, and the relay has on its
   * disk whatever was sent. False after `timeoutMs` (default: 25 seconds); what is missing is here or at the relay, and the next
   * visit goes on with it. No connection and no request is left in either case. With `relayTransport: 'polling'` no socket is
   * opened either. A client that is online already stays so.
   */
  async sync(options: Abortable & { timeoutMs?: number } = {}): Promise<boolean> {
    const { timeoutMs = 25_000, signal } = options;
    if (this.#agent === undefined) await this.initialize(options);
    const agent = this.#native;
    return (await abortable(signal, (canceller?: EngineCanceller) => agent.sync(timeoutMs, canceller), this)) ?? false;
  }

  /** Goes offline and closes the storage. What waits stays in the outbox on disk. Resolves when handlers have ended. Again is fine. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.abort(new AgentMeshError('the client was closed', { code: 'AGENT_CLOSED', kind: 'closed' }));
    await this.#opening?.catch(() => undefined);
    const agent = this.#agent;
    if (agent !== undefined) await later(() => agent.close(), this);
    await this.#handling;
    this.#emitter.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The agent's address. */
  get amid(): string {
    void this.#native;
    return this.#amid;
  }

  /** What the agent says that it can do. */
  get capabilities(): string[] {
    return [...this.#capabilities];
  }

  /** Whether {@link close} was called. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** The public signing key, 32 bytes. */
  get signingPublicKey(): Uint8Array {
    return now(() => this.#native.publicKeys()[0]);
  }

  /** The public exchange key as of now: it can be rotated. */
  get exchangePublicKey(): Uint8Array {
    return now(() => this.#native.publicKeys()[1]);
  }

  /** The audit log, if the agent keeps one. */
  get auditLog(): AuditLog | null {
    const log = now(() => this.#native.auditLog());
    return log && new AuditLog(log);
  }

  /** Tells the registry what this agent can do. */
  async setCapabilities(capabilities: readonly string[], options: Abortable = {}): Promise<void> {
    const agent = await this.opened();
    this.#capabilities = [...capabilities];
    await abortable(options.signal, (canceller) => agent.setCapabilities([...capabilities], canceller), this);
  }

  /** A fresh message id, for sending the same message again after a crash of your own. */
  newId(): string {
    return now(() => this.#native.newId());
  }

  /**
   * Sends a message and waits until it reached the stage `wait`. It is in the outbox, on disk, before anything is sent, and works
   * offline, too. Aborting gives up waiting, not the message.
   *
   * `payload` is anything that JSON can say, bytes, or `undefined` for nothing at all.
   */
  async send(to: string, payload: unknown, options: SendOptions = {}): Promise<Sent> {
    const [content, how] = [encode(payload), sendJson(options)];
    const agent = await this.opened();
    return sent(await abortable(options.signal, (canceller) => agent.send(to, content, how, canceller), this));
  }

  /**
   * Sends a request and waits for the response. With an `id` it is idempotent: the peer handles a request of one id once, however
   * often it is sent. `REQUEST_ERROR_RESPONSE` if the peer answers with an error, see {@link AgentMeshError.remote};
   * `REQUEST_NO_RESPONSE` if no answer came in time; one that comes later is among the {@link messages}.
   */
  async request(to: string, payload: unknown, options: RequestOptions = {}): Promise<Message> {
    const [content, how, deadline] = [encode(payload), requestOptionsJson(options), options.timeoutMs ?? 30_000];
    const agent = await this.opened();
    const asking = (canceller?: EngineCanceller) => agent.request(to, content, deadline, how, canceller);
    const answer = new Message(await abortable(options.signal, asking, this), this);
    return answer.inSession(await this.#sessions.of(answer.from));
  }

  /** Sends a request and reads the answer as it comes. Aborting afterwards cancels the stream. */
  async stream(to: string, payload: unknown, options: StreamOptions = {}): Promise<IncomingStream> {
    const [content, how] = [encode(payload), streamJson(options)];
    const agent = await this.opened();
    const asking = (canceller?: EngineCanceller) => agent.stream(to, content, how, canceller);
    return this.#reading(options, await abortable(options.signal, asking, this));
  }

  /** Reads a stream on from chunk `position`, such as after a crash. */
  async resumeStream(peer: string, id: string, position: number, options: StreamOptions = {}): Promise<IncomingStream> {
    const how = streamJson(options);
    const agent = await this.opened();
    const opening = (canceller?: EngineCanceller) => agent.resumeStream(peer, id, position, how, canceller);
    return this.#reading(options, await abortable(options.signal, opening, this));
  }

  #reading({ signal }: StreamOptions, made: EngineIncomingStream): IncomingStream {
    const stream = new IncomingStream(made, this);
    const leave = new WeakRef(stream);
    signal?.addEventListener('abort', () => void leave.deref()?.cancel('aborted').catch(() => undefined), { once: true });
    return stream;
  }

  /** Tells a peer how far something is, as news that nobody keeps: a `status` event there. */
  async status(to: string, payload: unknown, options: { inReplyTo?: string } = {}): Promise<void> {
    const content = encode(payload);
    await this.call((agent) => agent.status(to, options.inReplyTo ?? null, content));
  }

  /**
   * The messages that come in, each to be acknowledged. One reader at a time: a new one, or a handler, replaces the one before.
   * Aborting ends the iterator.
   */
  messages(options: Abortable = {}): Messages {
    return new Messages(async (self) => {
      const agent = await this.opened();
      await this.#reader?.deref()?.return();
      this.#reader = new WeakRef(self);
      return later(() => agent.messages());
    }, this, (peer) => this.#sessions.of(peer), options.signal);
  }

  /**
   * Has every message handled: in order for each sender, several senders at a time. Returning acknowledges the message, an exception
   * gives it back, and it comes again. Requests come here, too, if there is no {@link onRequest}; answer them with
   * `message.respond`. Returns what takes the handler away again. A second handler replaces the first.
   */
  onMessage(handler: MessageHandler): () => void {
    this.#onMessage = handler;
    this.#receive();
    return () => {
      if (this.#onMessage === handler) this.#onMessage = undefined;
      this.#leave();
    };
  }

  /**
   * Has every request answered: by what the handler returns, or, if that is an asynchronous iterable, by a stream. Throw a `Failure`
   * to answer with an error. A response that cannot be sent is told as `RESPONSE_INVALID`; any other exception gives the request
   * back, and it comes again.
   */
  onRequest(handler: RequestHandler): () => void {
    this.#onRequest = handler;
    this.#receive();
    return () => {
      if (this.#onRequest === handler) this.#onRequest = undefined;
      this.#leave();
    };
  }

  /**
   * Decides about KNOCKs that the policy lets through, from now on; also an option of the constructor. Without a handler they are
   * accepted. Returns what takes the handler away again.
   */
  onKnock(handler: KnockHandler): () => void {
    this.#onKnock = handler;
    return () => {
      if (this.#onKnock === handler) this.#onKnock = undefined;
    };
  }

  /** Is told what handlers throw; without, it is printed. */
  onHandlerError(handler: (error: unknown, message: Message) => void): void {
    this.#onHandlerError = handler;
  }

  /** Calls a listener for every event of a type, such as `online` or `sessionEstablished`; `*` is all. Returns what takes it away again. */
  on(type: string, listener: EventListener): () => void {
    this.#watch();
    return this.#emitter.on(type, listener);
  }

  /** Takes a listener away. */
  off(type: string, listener: EventListener): void {
    this.#emitter.off(type, listener);
  }

  /** All events from now on, as an asynchronous iterator that ends when the client is closed. */
  events(options: Abortable = {}): AsyncIterableIterator<AgentEvent> {
    this.#watch();
    return this.#emitter.iterate(options.signal);
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    if (this.#agent !== undefined) this.#emitter.watch(this.#agent);
  }

  #receive(): void {
    if (this.#agent === undefined || this.#receiving !== undefined || this.#closed) return;
    const messages = this.messages();
    this.#receiving = messages;
    const client = this;
    const handlers: Handlers = {
      get message() {
        return client.#onMessage;
      },
      get request() {
        return client.#onRequest;
      },
      failed: (error, message) => this.#failed(error, message),
    };
    this.#handling = dispatch(messages, handlers, CONCURRENCY).catch((error: unknown) => {
      if (!(AgentMeshError.is(error) && error.kind === 'closed')) this.#failed(error);
    });
  }

  #leave(): void {
    if (this.#onMessage !== undefined || this.#onRequest !== undefined) return;
    void this.#receiving?.return();
    this.#receiving = undefined;
  }

  #failed(error: unknown, message?: Message): void {
    if (message !== undefined && this.#onHandlerError !== undefined) this.#onHandlerError(error, message);
    else console.error('agentmesh: a handler failed', error);
  }

  /** What `console.log` shows in Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.#agent === undefined ? 'AgentMeshClient, not open' : `AgentMeshClient ${this.#amid}${this.#closed ? ', closed' : ''}`;
  }
}
