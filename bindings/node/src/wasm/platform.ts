// What the WebAssembly module borrows of its platform: timers, `fetch`, `WebSocket`. Moves bytes and knows nothing of them.

import type { Glue, Lender } from './agentmesh';

/** The longest time that timers take; who wakes early goes to sleep again. */
const LONGEST = 2 ** 31 - 1;

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Does something for the module, which must not be thrown at. */
function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // What is gone already needs no end.
  }
}

/** All of an answer, or nothing if it is longer than that. */
async function read(response: Response, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { value, done } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > limit) {
      await reader.cancel();
      return undefined;
    }
    chunks.push(value);
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** Lends the platform's own. */
export function lend(glue: Glue): Lender {
  const timers = new Map<number, ReturnType<typeof setTimeout>>();
  const fetches = new Map<number, AbortController>();
  const sockets = new Map<number, WebSocket>();

  const exchange = async (id: number, url: string, request: RequestInit, limit: number): Promise<void> => {
    await null;
    try {
      // A signed request is for the server it was signed for.
      const response = await fetch(url, { ...request, redirect: 'manual' });
      const body = await read(response, limit);
      if (body === undefined) glue.fetchFailed(id);
      else glue.fetched(id, response.status, [...response.headers].flat(), body);
    } catch (error) {
      glue.fetchFailed(id, text(error));
    } finally {
      fetches.delete(id);
    }
  };

  const failed = (id: number, reason: string): void => {
    queueMicrotask(() => {
      if (sockets.delete(id)) glue.socketFailed(id, reason);
    });
  };

  const listen = (id: number, socket: WebSocket): void => {
    const ours = (): boolean => sockets.get(id) === socket;
    socket.addEventListener('open', () => {
      if (ours()) glue.socketOpened(id);
    });
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (!ours()) return;
      if (typeof data === 'string') glue.socketText(id, data);
      else if (data instanceof ArrayBuffer) glue.socketBytes(id, new Uint8Array(data));
      else failed(id, 'a message is neither text nor bytes');
    });
    socket.addEventListener('close', ({ code }) => {
      if (!ours()) return;
      // 1005: without a code. 1006: without a close frame.
      if (code === 1006) failed(id, 'closed without a close frame');
      else if (sockets.delete(id)) glue.socketClosed(id, code === 1005 ? undefined : code);
    });
    socket.addEventListener('error', () => failed(id, 'the connection failed'));
  };

  return {
    startTimer(id, ms) {
      const fired = (): void => {
        timers.delete(id);
        glue.timerFired(id);
      };
      // Refused where there is no request: then nothing waits that could go on.
      quietly(() => timers.set(id, setTimeout(fired, Math.min(Math.ceil(ms), LONGEST))));
    },
    stopTimer(id) {
      quietly(() => clearTimeout(timers.get(id)));
      timers.delete(id);
    },
    fetch(id, method, url, headers, body, limit) {
      const stop = new AbortController();
      fetches.set(id, stop);
      const pairs: [string, string][] = [];
      for (let at = 0; at + 1 < headers.length; at += 2) pairs.push([headers[at] as string, headers[at + 1] as string]);
      void exchange(id, url, { method, headers: pairs, body: (body as BodyInit | undefined) ?? null, signal: stop.signal }, limit);
    },
    stopFetch(id) {
      quietly(() => fetches.get(id)?.abort());
      fetches.delete(id);
    },
    openSocket(id, url) {
      let socket: WebSocket;
      try {
        socket = new WebSocket(url);
        socket.binaryType = 'arraybuffer';
      } catch (error) {
        const reason = text(error);
        queueMicrotask(() => glue.socketFailed(id, reason));
        return;
      }
      sockets.set(id, socket);
      listen(id, socket);
    },
    sendText(id, message) {
      try {
        sockets.get(id)?.send(message);
      } catch (error) {
        failed(id, text(error));
      }
    },
    sendBytes(id, bytes) {
      try {
        sockets.get(id)?.send(bytes as Uint8Array<ArrayBuffer>);
      } catch (error) {
        failed(id, text(error));
      }
    },
    closeSocket(id) {
      quietly(() => sockets.get(id)?.close(1000));
    },
    dropSocket(id) {
      const socket = sockets.get(id);
      sockets.delete(id);
      quietly(() => socket?.close(1000));
    },
  };
}
