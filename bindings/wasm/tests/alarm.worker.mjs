// An agent that is to stay online in a Durable Object, and one that sends to it.

import { DurableObject } from 'cloudflare:workers';
import { AgentMeshClient, DurableObjectStorage, keepOnline, MemoryStorage, Policy } from '@agentmesh/sdk';

const urls = (env) => ({ registryUrl: env.AGENTMESH_REGISTRY_URL, relayUrl: env.AGENTMESH_RELAY_URL });

export class Listener extends DurableObject {
  #client;

  #open() {
    return (this.#client ??= (async () => {
      const storage = new DurableObjectStorage(this.ctx.storage);
      const client = await AgentMeshClient.create({ storage, policy: Policy.permissive(), ...urls(this.env) });
      client.onMessage((message) => message.ack());
      return client;
    })());
  }

  async start() {
    const client = await this.#open();
    await keepOnline(this.ctx.storage, client, 2000);
    return client.amid;
  }

  async alarm() {
    await keepOnline(this.ctx.storage, await this.#open(), 2000);
  }

  /** As the platform does when it needs the room: nothing is closed, nothing is told. */
  evict() {
    this.ctx.abort('evicted');
  }
}

export default {
  async fetch(request, env) {
    const [, action, to] = new URL(request.url).pathname.split('/');
    const listener = env.LISTENER.getByName('listener');
    try {
      if (action === 'start') return Response.json(await listener.start());
      if (action === 'evict') {
        await listener.evict().catch(() => undefined);
        return Response.json({});
      }
      const client = await AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), ...urls(env) });
      await client.connect();
      const { stage } = await client.send(to, 'hello', { wait: 'handled', timeoutMs: 90_000 });
      await client.close();
      return Response.json(stage);
    } catch (error) {
      return new Response(`${error.code ?? error.name}: ${error.stack}`, { status: 500 });
    }
  },
};
