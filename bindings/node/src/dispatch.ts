// Handing messages to handlers: in order for each sender, several senders at a time.

import { AgentMeshError, Failure } from './errors';
import type { Message, Messages } from './message';

/** Handles messages. Returning acknowledges the message, an exception gives it back. */
export type MessageHandler = (message: Message) => unknown;
/** Handles requests. What it returns, or resolves to, is the response; what it yields is a stream. */
export type RequestHandler = (message: Message) => unknown;

export interface Handlers {
  message: MessageHandler | undefined;
  request: RequestHandler | undefined;
  failed: (error: unknown, message: Message) => void;
}

/** Runs handlers over messages until there are no more, and the handlers have ended. */
export async function dispatch(messages: Messages, handlers: Handlers, concurrency: number): Promise<void> {
  const lanes = new Map<string, Promise<void>>();
  const running = new Set<Promise<void>>();
  for await (const message of messages) {
    const before = lanes.get(message.from) ?? Promise.resolve();
    const handling = before.then(() => handle(message, handlers));
    const lane = handling.finally(() => {
      running.delete(lane);
      if (lanes.get(message.from) === lane) lanes.delete(message.from);
    });
    lanes.set(message.from, lane);
    running.add(lane);
    while (running.size >= concurrency) await Promise.race(running);
  }
  await Promise.all(running);
}

async function handle(message: Message, handlers: Handlers): Promise<void> {
  try {
    if (message.kind === 'request' && handlers.request !== undefined) {
      await answer(message, handlers.request, handlers.failed);
    } else if (handlers.message !== undefined) {
      await handlers.message(message);
      if (!message.isDone) await message.ack();
    } else {
      throw new Error(`there is no handler for messages of kind ${message.kind}`);
    }
  } catch (error) {
    // Closed meanwhile: what was not acknowledged comes again.
    if (!(AgentMeshError.is(error) && error.kind === 'closed')) handlers.failed(error, message);
  } finally {
    if (!message.isDone) message.release();
  }
}

async function answer(message: Message, handler: RequestHandler, failed: Handlers['failed']): Promise<void> {
  let response: unknown;
  try {
    response = await handler(message);
    if (isIterable(response) && !message.wantsStream) response = await whole(response);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    await message.fail(error.code, error.message, error);
    return;
  }
  if (isIterable(response)) await streamed(message, response);
  else if (!message.isDone) await respond(message, response, failed);
}

/** What JSON cannot say, or what is too large, would be so the next time, too, and the peer waits: it is told. */
async function respond(message: Message, response: unknown, failed: Handlers['failed']): Promise<void> {
  try {
    await message.respond(response);
  } catch (error) {
    if (message.isDone || (AgentMeshError.is(error) && error.kind !== 'invalid_input')) throw error;
    failed(error, message);
    await message.fail('RESPONSE_INVALID', 'the response cannot be sent');
  }
}

async function streamed(message: Message, chunks: AsyncIterable<string | Uint8Array>): Promise<void> {
  const stream = await message.stream();
  // A request that came again goes on where its stream was.
  let skip = stream.position;
  try {
    for await (const chunk of chunks) {
      if (skip > 0) skip -= 1;
      else await stream.send(chunk);
    }
  } catch (error) {
    if (stream.isStopped) return;
    if (error instanceof Failure) await stream.fail(error.code, error.message, error);
    else {
      await stream.fail('STREAM_HANDLER_FAILED', error instanceof Error ? error.name : '');
      throw error;
    }
    return;
  }
  await stream.finish();
}

function isIterable(value: unknown): value is AsyncIterable<string | Uint8Array> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

async function whole(chunks: AsyncIterable<string | Uint8Array>): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of chunks) text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
  return text + decoder.decode();
}
