// The relay for clients that speak its protocol themselves: a Durable Object that signs in with its own identity, and then passes on
// what both sides say.

import { DurableObject } from 'cloudflare:workers';
import { DurableObjectStorage, Identity } from '@agentmesh/sdk';
import type { Env } from './env';

/** Frames that a client may send before the relay is there. */
const WAITING = 64;

export class RelayConnection extends DurableObject<Env> {
  override async fetch(request: Request): Promise<Response> {
    if (request.headers.get('Upgrade')?.toLowerCase() !== 'websocket') {
      return new Response('Expected WebSocket', { status: 400 });
    }
    const identity = await Identity.loadOrGenerate(new DurableObjectStorage(this.ctx.storage), 'relay-identity');
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    this.#join(server, new WebSocket(this.env.AGENTMESH_RELAY_URL), identity);
    return new Response(null, { status: 101, webSocket: client });
  }

  #join(client: WebSocket, relay: WebSocket, identity: Identity): void {
    const waiting: (string | ArrayBuffer)[] = [];
    let open = false;
    const end = (code: number, reason: string): void => {
      for (const socket of [client, relay]) {
        try {
          socket.close(code, reason);
        } catch {
          // It is closed already.
        }
      }
    };
    relay.addEventListener('open', async () => {
      try {
        const [timestamp, signature] = await identity.signTimestamp();
        const { amid, signingPublicKeyB64Raw: public_key } = identity;
        relay.send(JSON.stringify({ type: 'connect', protocol: 'agentmesh/0.2', amid, public_key, signature, timestamp }));
        open = true;
        for (const data of waiting.splice(0)) relay.send(data);
      } catch (error) {
        console.error('signing in failed', error);
        end(1011, 'signing in failed');
      }
    });
    client.addEventListener('message', ({ data }) => {
      if (open) relay.send(data);
      else if (waiting.length < WAITING) waiting.push(data);
      else end(1008, 'too much before the relay was there');
    });
    relay.addEventListener('message', ({ data }) => client.send(data));
    relay.addEventListener('close', () => end(1001, 'the relay closed'));
    relay.addEventListener('error', () => end(1011, 'the relay cannot be reached'));
    client.addEventListener('close', () => end(1000, 'the client closed'));
    client.addEventListener('error', () => end(1011, 'the client is gone'));
  }
}
