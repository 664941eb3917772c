// An agent that lives in a Durable Object for a while: its records come in, it says something, its records go out.

import { DurableObject } from 'cloudflare:workers';
import { AgentMeshClient, DurableObjectStorage, Policy } from '@agentmesh/sdk';

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const hex = (all) => Array.from(all, (byte) => byte.toString(16).padStart(2, '0')).join('');

export class Home extends DurableObject {
  #storage = () => new DurableObjectStorage(this.ctx.storage);

  /** Puts records in, sealed as they are. */
  take(records) {
    const changes = records.map(([kind, key, version, sealed]) => ({ kind, key: bytes(key), expected: 0, version, value: bytes(sealed) }));
    return this.#storage().commit(changes);
  }

  async records(kinds) {
    const store = this.#storage();
    const all = [];
    for (const kind of kinds) {
      for (const { key, version, sealed } of await store.list(kind, null, 10_000)) all.push([kind, hex(key), version, hex(sealed)]);
    }
    return all;
  }

  async #open(key, options) {
    return AgentMeshClient.create({ storage: this.#storage(), key: bytes(key), policy: Policy.permissive(), mode: 'load', ...options });
  }

  async look(key) {
    const client = await this.#open(key, { offline: true });
    const sessions = await client.getSessions();
    await client.close();
    return { amid: client.amid, sessions: sessions.map(({ id }) => id) };
  }

  async say(key, urls, to, payload) {
    const client = await this.#open(key, urls);
    await client.connect();
    const { stage } = await client.send(to, payload, { wait: 'handled' });
    await client.close();
    return stage;
  }
}

export default {
  async fetch(request, env) {
    const [method, ...args] = await request.json();
    try {
      return Response.json((await env.HOME.getByName('home')[method](...args)) ?? null);
    } catch (error) {
      return new Response(`${error.code ?? error.name}: ${error.stack}`, { status: 500 });
    }
  },
};
