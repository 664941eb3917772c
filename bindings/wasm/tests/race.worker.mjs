// Senders of one identity, and the peer that opens what they sealed. Each of the two workers is an isolate of its own.

import { AgentMeshError, Identity, MemoryStorage, PrekeyManager, R2Storage, SessionManager } from '@agentmesh/sdk';

async function managers(storage, path) {
  let identity;
  try {
    identity = await Identity.load(storage, path);
  } catch {
    identity = await Identity.generate();
    await identity.save(storage, path);
  }
  const prekeys = new PrekeyManager(identity, storage);
  const bundle = await prekeys.loadOrInitialize();
  return { identity, bundle, sessions: new SessionManager(identity, storage, prekeys) };
}

/** Seals messages until there are enough of them; whoever is told of a conflict tries again. */
async function sealMany(sessions, { session, who, count }) {
  const sealed = [];
  while (sealed.length < count) {
    try {
      sealed.push(await sessions.encryptMessage(session, { who, n: sealed.length }));
    } catch (error) {
      if (!AgentMeshError.is(error) || error.kind !== 'conflict') throw error;
    }
  }
  return sealed;
}

/** The bucket, which counts the commits that others were faster with. */
class Counting {
  refused = 0;

  constructor(bucket) {
    this.bucket = bucket;
  }

  get(key) {
    return this.bucket.get(key);
  }

  async put(key, value, options) {
    const put = await this.bucket.put(key, value, options);
    if (put === null) this.refused += 1;
    return put;
  }
}

const bytes = (value) => Uint8Array.from(value);
const plain = (message) => ({ ...message, identityKey: Array.from(message.identityKey), ephemeralKey: Array.from(message.ephemeralKey) });

let peer;

const routes = {
  /** The peer, in memory. */
  async peer() {
    peer ??= await managers(new MemoryStorage(), 'peer');
    return { amid: peer.identity.amid, bundle: peer.bundle, key: Array.from(peer.identity.signingPublicKey) };
  },
  async accept({ from, message }) {
    const opened = { ...message, identityKey: bytes(message.identityKey), ephemeralKey: bytes(message.ephemeralKey) };
    return { session: await peer.sessions.acceptSession(from, opened) };
  },
  async open({ session, sealed }) {
    const opened = [];
    for (const envelope of sealed) opened.push(await peer.sessions.decryptMessage(session, envelope));
    return { opened };
  },
};

async function begin({ identity, sessions }, { amid, bundle, key }) {
  const { sessionId, x3dhMessage } = await sessions.initiateSession(amid, bundle, bytes(key));
  return { amid: identity.amid, session: sessionId, message: plain(x3dhMessage) };
}

export default {
  async fetch(request, env) {
    const [, place, action] = new URL(request.url).pathname.split('/');
    const body = request.method === 'POST' ? await request.json() : {};
    try {
      if (place === 'peer') return Response.json(await routes[action](body));
      // Nothing stays between two requests.
      const bucket = new Counting(env.BUCKET);
      const own = await managers(new R2Storage(bucket), 'shared');
      if (action === 'begin') return Response.json(await begin(own, body));
      if (action === 'seal') {
        const sealed = await sealMany(own.sessions, body);
        return Response.json({ sealed, refused: bucket.refused });
      }
      return Response.json({ amid: own.identity.amid });
    } catch (error) {
      return new Response(`${error.code ?? error.name}: ${error.stack}`, { status: 500 });
    }
  },
};
