// Streams: answers that come in pieces, such as token by token.

import { abortable, later, now, type Abortable } from './calls';
import type { EngineIncomingStream, EngineOutgoingStream } from './engine';
import { json } from './values';

/** One piece of an answer. */
export interface Chunk {
  /** Its place in the stream, from 0, without gaps. */
  number: number;
  /** What it says. */
  data: string | Uint8Array;
}

/**
 * An answer that comes in pieces: an asynchronous iterator of chunks, in order, each once, whatever the network does. The sender is
 * held back while nobody reads. Leaving the loop cancels the stream, as does the end of an `await using`. What was not
 * consumed is there again after a crash: `AgentMeshClient.resumeStream`.
 */
export class IncomingStream implements AsyncIterableIterator<Chunk> {
  readonly #engine: EngineIncomingStream;
  readonly #owner: object;

  /** @internal */
  constructor(made: EngineIncomingStream, owner: object) {
    this.#engine = made;
    this.#owner = owner;
  }

  /** Who answers. */
  get peer(): string {
    return this.#engine.peer;
  }

  /** The request; it names the stream. */
  get id(): string {
    return this.#engine.id;
  }

  /** The number of the next chunk. */
  get position(): number {
    return this.#engine.position;
  }

  /** What the sender said about the stream last. */
  get metadata(): unknown {
    const text = this.#engine.metadata;
    return text === null ? undefined : JSON.parse(text);
  }

  async next(): Promise<IteratorResult<Chunk, undefined>> {
    const chunk = await later(() => this.#engine.next(), this.#owner);
    return chunk === null ? { done: true, value: undefined } : { done: false, value: chunk };
  }

  /** Everything that is still to come, as one text. For answers that are known to be small. */
  async text(): Promise<string> {
    let text = '';
    for await (const { data } of this) text += typeof data === 'string' ? data : '';
    return text;
  }

  /** Marks every chunk below `number` as consumed, in streams that were opened with `manualAck`. */
  ack(number: number): void {
    now(() => this.#engine.ack(number));
  }

  /** Ends the stream: its sender hears `reason`, and its next `send` fails. Again is fine. */
  async cancel(reason = ''): Promise<void> {
    await later(() => this.#engine.cancel(reason), this.#owner);
  }

  /** Stops reading without cancelling. The id, for `AgentMeshClient.resumeStream`. */
  async detach(): Promise<string> {
    await later(() => this.#engine.detach(), this.#owner);
    return this.id;
  }

  async return(): Promise<IteratorResult<Chunk, undefined>> {
    await this.cancel();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cancel();
  }
}

/**
 * An answer that is given in pieces, from `Message.stream`. {@link finish} or {@link fail} ends it. The end of an `await using` without
 * either leaves it open: the request comes again, and the stream goes on.
 */
export class OutgoingStream {
  readonly #engine: EngineOutgoingStream;
  readonly #owner: object;

  /** @internal */
  constructor(made: EngineOutgoingStream, owner: object) {
    this.#engine = made;
    this.#owner = owner;
  }

  /** Who asked. */
  get peer(): string {
    return this.#engine.peer;
  }

  /** The request that is answered. */
  get id(): string {
    return this.#engine.id;
  }

  /** The number of the next chunk. Above 0 at first if an earlier run of the process began the stream: what it sent has been queued and arrives. */
  get position(): number {
    return now(() => this.#engine.position());
  }

  /** Whether the stream is over, because its reader left or something failed. {@link send} says what. */
  get isStopped(): boolean {
    return now(() => this.#engine.isStopped());
  }

  /** Sends a chunk and returns its number. Waits while the reader does not keep up; aborted then, it was not sent. */
  async send(data: string | Uint8Array, options: Abortable = {}): Promise<number> {
    return abortable(options.signal, (canceller) => this.#engine.send(data, canceller), this.#owner);
  }

  /** Says something about the stream, such as the name of a model; goes out with the next chunk. */
  async setMetadata(value: unknown): Promise<void> {
    await later(() => this.#engine.setMetadata(json(value)), this.#owner);
  }

  /** Waits until everything that was sent is on disk. */
  async flush(): Promise<void> {
    await later(() => this.#engine.flush(), this.#owner);
  }

  /** Says that everything was said, and marks the request as handled. */
  async finish(): Promise<void> {
    await later(() => this.#engine.finish(), this.#owner);
  }

  /** Says why there will be no more, and marks the request as handled. */
  async fail(code: string, message = '', options: { retryable?: boolean } = {}): Promise<void> {
    await later(() => this.#engine.fail(code, message, options.retryable ?? false), this.#owner);
  }
}
