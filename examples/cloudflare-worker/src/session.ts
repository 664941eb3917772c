// Sessions without an agent: a Durable Object that seals and opens messages which its callers carry. Its storage is where session
// state is at home: transactional, with one writer.

import { DurableObject } from 'cloudflare:workers';
import { DurableObjectStorage, Identity, PrekeyManager, SessionManager, type X3DHMessage } from '@agentmesh/sdk';
import type { Env } from './env';

/** One-time prekeys below which there are more to be. */
const FEW = 50;
const ENOUGH = 100;

interface Opened {
  identity: Identity;
  prekeys: PrekeyManager;
  sessions: SessionManager;
}

export class AgentSession extends DurableObject<Env> {
  #opened: Promise<Opened> | undefined;

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const { identity, prekeys, sessions } = await this.#open();
    const body = request.method === 'POST' ? await request.json<any>() : {};
    switch (pathname) {
      // What a peer needs to begin a session with this object.
      case '/session/bundle':
        return Response.json({
          peerAmid: identity.amid,
          peerBundle: await prekeys.bundle(),
          peerSigningKey: Array.from(identity.signingPublicKey),
        });
      case '/session/initiate': {
        const { peerAmid, peerBundle, peerSigningKey } = body;
        const { sessionId, x3dhMessage } = await sessions.initiateSession(peerAmid, peerBundle, new Uint8Array(peerSigningKey));
        return Response.json({ sessionId, x3dhMessage: plain(x3dhMessage) });
      }
      case '/session/accept': {
        const { peerAmid, x3dhMessage } = body;
        const sessionId = await sessions.acceptSession(peerAmid, restored(x3dhMessage));
        const ratchetKey = await sessions.ratchetPublicKey(sessionId);
        return Response.json({ sessionId, ratchetKey: Array.from(ratchetKey ?? []) });
      }
      case '/message/encrypt':
        return Response.json({ envelope: await sessions.encryptMessage(body.sessionId, body.plaintext) });
      case '/message/decrypt':
        return Response.json({ plaintext: await sessions.decryptMessage(body.sessionId, body.envelope) });
      default:
        return new Response('Not found', { status: 404 });
    }
  }

  /** Makes one-time prekeys where few are left. How many there are then. */
  async replenish(): Promise<number> {
    const { prekeys } = await this.#open();
    if ((await prekeys.remaining()) < FEW) {
      await prekeys.replenishOneTimePrekeys(ENOUGH);
      console.log('Replenished one-time prekeys');
    }
    return prekeys.remaining();
  }

  /** Once for as long as the object lives; again if it failed. */
  #open(): Promise<Opened> {
    this.#opened ??= this.#load().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #load(): Promise<Opened> {
    const storage = new DurableObjectStorage(this.ctx.storage);
    const identity = await Identity.loadOrGenerate(storage, 'session-identity');
    const prekeys = new PrekeyManager(identity, storage);
    await prekeys.loadOrInitialize();
    return { identity, prekeys, sessions: new SessionManager(identity, storage, prekeys) };
  }
}

const plain = (message: X3DHMessage) => ({
  ...message,
  identityKey: Array.from(message.identityKey),
  ephemeralKey: Array.from(message.ephemeralKey),
});

const restored = (message: ReturnType<typeof plain>) => ({
  ...message,
  identityKey: new Uint8Array(message.identityKey),
  ephemeralKey: new Uint8Array(message.ephemeralKey),
});
