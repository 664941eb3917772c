// The code blocks of the guide for Workers, as routes of one worker: `/NN/what the block gets`. Names that a block takes as given are
// global. Beside them stands Bob, whom they talk to.

import { DurableObject } from 'cloudflare:workers';
import { AgentMeshClient, DurableObjectStorage, Identity, MemoryStorage, Policy, PrekeyManager, R2Storage, verify } from '@agentmesh/sdk';
import worker03 from './03.ts';
import worker05 from './05.ts';
import { AgentSession } from './06.ts';
import { RelayConnection } from './07.ts';
import worker08 from './08.ts';
import { AgentDO } from './09.ts';
import worker10 from './10.ts';

export { AgentSession, RelayConnection };

/** Block 09 has no constructor. */
export class Cache extends AgentDO {
  constructor(state, env) {
    super();
    Object.assign(this, { state, r2Storage: new R2Storage(env.AGENT_STORAGE) });
  }

  async fetch() {
    const { amid } = await this.getIdentity();
    return Response.json({ amid, cached: (await this.state.storage.get('identity')) !== undefined });
  }
}

export class Bob extends DurableObject {
  #client;

  async #open() {
    const storage = new DurableObjectStorage(this.ctx.storage);
    const urls = { registryUrl: this.env.AGENTMESH_REGISTRY_URL, relayUrl: this.env.AGENTMESH_RELAY_URL };
    const client = await AgentMeshClient.create({ storage, policy: Policy.permissive(), ...urls });
    await client.connect();
    return client;
  }

  async start() {
    this.#client ??= this.#open();
    return (await this.#client).amid;
  }

  async next() {
    const messages = (await this.#client).messages();
    const { value } = await messages.next();
    await value.ack();
    await messages.return?.();
    const [session] = await (await this.#client).getSessions();
    return { from: value.from, payload: value.payload, inSession: value.sessionId === session.id };
  }

  async lookup(amid) {
    return { displayName: (await (await this.#client).lookup(amid)).displayName };
  }

  async send(to, payload) {
    return (await (await this.#client).send(to, payload, { wait: 'handled' })).stage;
  }

  /** Block 12, with this agent; the line that it prints for a message of somebody who is online. */
  async logged() {
    const printed = Promise.withResolvers();
    const { log } = console;
    console.log = (line) => printed.resolve(JSON.parse(line));
    globalThis.agent = await this.#client;
    await import('./12.ts');
    const other = this.env.BOB.getByName('other');
    await other.start();
    await other.send(globalThis.agent.amid, 'secret');
    const entry = await printed.promise;
    console.log = log;
    const peer = await other.start();
    const session = (await globalThis.agent.getSessions()).find((one) => one.peer === peer);
    return { entry, session: session.id, peer };
  }

  close() {
    return this.#client.then((client) => client.close());
  }
}

const failing = { get: () => Promise.reject(new Error('network')), put: () => Promise.reject(new Error('network')) };

const routes = {
  '03': (request, env, ctx) => worker03.fetch(request, env, ctx),
  async '04'(_, env) {
    globalThis.env = env;
    await import('./04.ts');
    return Response.json(await env.AGENT_KV.get('agentmesh:presence:my-amid', 'json'));
  },
  '05'(request, env, ctx) {
    const broken = new URL(request.url).searchParams.has('broken');
    return worker05.fetch(request, broken ? { ...env, AGENT_STORAGE: failing } : env, ctx);
  },
  '06': (request, env) => env.AGENT_SESSION.getByName('alice').fetch(request),
  /** The peer of the object of block 06, as another block would be. */
  async '06-peer'(request, env) {
    const storage = new R2Storage(env.AGENT_STORAGE, 'peer/');
    const identity = await Identity.generate();
    await identity.save(storage, 'session-identity');
    const bundle = await new PrekeyManager(identity, storage).loadOrInitialize();
    return Response.json({ peerAmid: identity.amid, peerBundle: bundle, peerSigningKey: Array.from(identity.signingPublicKey) });
  },
  '06-bob'(request, env) {
    const object = new AgentSession({}, { ...env, AGENT_STORAGE: below(env.AGENT_STORAGE, 'peer/') });
    return object.fetch(request);
  },
  async '06-amid'(_, env) {
    return Response.json({ amid: (await Identity.load(new R2Storage(env.AGENT_STORAGE), 'session-identity')).amid });
  },
  async '07'(request, env) {
    try {
      await Identity.load(new R2Storage(env.AGENT_STORAGE), 'relay-identity');
    } catch {
      await (await Identity.generate()).save(new R2Storage(env.AGENT_STORAGE), 'relay-identity');
    }
    return env.RELAY.getByName('relay').fetch(request);
  },
  async '08'(request, env, ctx) {
    const urls = { registryUrl: env.AGENTMESH_REGISTRY_URL, relayUrl: env.AGENTMESH_RELAY_URL };
    const alice = await AgentMeshClient.create({ storage: new MemoryStorage(), ...urls });
    globalThis.loadAgent = async () => alice;
    globalThis.handleRequest = async (_, { amid }) => Response.json({ amid });
    const response = await worker08.fetch(request, env, ctx);
    await alice.connect();
    await alice.close();
    return response;
  },
  async '09'(request, env) {
    const storage = new R2Storage(env.AGENT_STORAGE);
    try {
      await Identity.load(storage, 'agent');
    } catch {
      await (await Identity.generate()).save(storage, 'agent');
    }
    return env.CACHE.getByName('cache').fetch(request);
  },
  async '10'(_, env) {
    const storage = new R2Storage(env.AGENT_STORAGE);
    const { oneTimePrekeys } = await new PrekeyManager(await Identity.load(storage, 'agent'), storage).bundle();
    return Response.json({ oneTimePrekeys: oneTimePrekeys.length });
  },
  async '11'() {
    globalThis.agent = await AgentMeshClient.create({ storage: new MemoryStorage(), offline: true });
    const errors = [];
    const { error } = console;
    console.error = (text, cause) => errors.push([text, cause.code]);
    await import('./11.ts');
    await globalThis.agent.close();
    await import('./11-again.ts');
    console.error = error;
    return Response.json({ errors });
  },
  async bob(request, env) {
    const [, method, ...rest] = new URL(request.url).pathname.split('/');
    return Response.json((await env.BOB.getByName('bob')[method](...rest)) ?? null);
  },
  async verify(request) {
    const { key, message, signature } = await request.json();
    const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return Response.json({ valid: verify(bytes(key), new TextEncoder().encode(message), bytes(signature)) });
  },
};

/** The part of a bucket that begins with a prefix. */
function below(bucket, prefix) {
  return {
    get: (key) => bucket.get(prefix + key),
    put: (key, value, options) => bucket.put(prefix + key, value, options),
  };
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    const [, block, ...rest] = url.pathname.split('/');
    url.pathname = `/${rest.join('/')}`;
    try {
      return await routes[block](new Request(url, request), env, ctx);
    } catch (error) {
      return new Response(`${error.code ?? error.name}: ${error.stack}`, { status: 500 });
    }
  },
  scheduled: (event, env, ctx) => worker10.scheduled(event, env, ctx),
};
