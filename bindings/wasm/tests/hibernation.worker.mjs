// One identity in a Durable Object, whose callers hold WebSockets that outlive it in memory. `/home/…` is the object that seals,
// `/peer/…` another one that opens.

import { DurableObject } from 'cloudflare:workers';
import { DurableObjectStorage, Identity, PrekeyManager, SessionManager } from '@agentmesh/sdk';

const bytes = (value) => Uint8Array.from(value);

export class Home extends DurableObject {
  /** Another one each time that the object comes into memory. */
  #life = crypto.randomUUID();
  #managers;

  #own() {
    return (this.#managers ??= (async () => {
      const storage = new DurableObjectStorage(this.ctx.storage);
      const identity = await Identity.loadOrGenerate(storage, 'home');
      const prekeys = new PrekeyManager(identity, storage);
      const bundle = await prekeys.loadOrInitialize();
      return { identity, bundle, sessions: new SessionManager(identity, storage, prekeys) };
    })());
  }

  async describe() {
    const { identity, bundle } = await this.#own();
    return { amid: identity.amid, bundle, key: Array.from(identity.signingPublicKey) };
  }

  async begin({ amid, bundle, key }) {
    const { identity, sessions } = await this.#own();
    const { sessionId, x3dhMessage } = await sessions.initiateSession(amid, bundle, bytes(key));
    const [identityKey, ephemeralKey] = [Array.from(x3dhMessage.identityKey), Array.from(x3dhMessage.ephemeralKey)];
    return { amid: identity.amid, session: sessionId, message: { ...x3dhMessage, identityKey, ephemeralKey } };
  }

  async open({ from, message, session, sealed }) {
    const { sessions } = await this.#own();
    if (message !== undefined) await sessions.acceptSession(from, message);
    const opened = [];
    for (const envelope of sealed) opened.push(await sessions.decryptMessage(session, envelope));
    return opened;
  }

  /** As the platform does when it needs the room: nothing is closed, nothing is told. */
  evict() {
    this.ctx.abort('evicted');
  }

  fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    // The runtime holds it, not this object.
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(socket, text) {
    const { session, ...message } = JSON.parse(text);
    const envelope = await (await this.#own()).sessions.encryptMessage(session, message);
    socket.send(JSON.stringify({ ...message, life: this.#life, envelope }));
  }
}

export default {
  async fetch(request, env) {
    const [, name, action] = new URL(request.url).pathname.split('/');
    const object = env.HOME.getByName(name);
    if (action === 'socket') return object.fetch(request);
    try {
      if (action === 'evict') {
        await object.evict().catch(() => undefined);
        return Response.json({});
      }
      return Response.json(await object[action](request.method === 'POST' ? await request.json() : undefined));
    } catch (error) {
      return new Response(`${error.code ?? error.name}: ${error.stack}`, { status: 500 });
    }
  },
};
