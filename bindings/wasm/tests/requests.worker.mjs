// Two agents that talk in one request: in a plain Worker, whose sockets end with the request, or in a Durable Object.

import { DurableObject } from 'cloudflare:workers';
import { AgentMeshClient, MemoryStorage, Policy } from '@agentmesh/sdk';

async function open(env) {
  const urls = { registryUrl: env.AGENTMESH_REGISTRY_URL, relayUrl: env.AGENTMESH_RELAY_URL };
  const client = await AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), ...urls });
  await client.connect();
  return client;
}

/** Asks and answers, a few times; the agents, still open. */
async function talk(env, rounds) {
  const [alice, bob] = await Promise.all([open(env), open(env)]);
  bob.onMessage((message) => message.respond({ again: message.payload.n }));
  for (let n = 0; n < rounds; n++) {
    const { payload } = await alice.request(bob.amid, { n }, { timeoutMs: 60_000 });
    if (payload.again !== n) throw new Error(`the answer to ${n} is ${JSON.stringify(payload)}`);
  }
  return [alice, bob];
}

const close = (agents) => Promise.all(agents.map((agent) => agent.close()));

/** How agents end: closed before the answer, left open, or at work until after it. */
const endings = {
  async closed(env) {
    await close(await talk(env, 3));
  },
  async open(env) {
    await talk(env, 3);
  },
  async busy(env) {
    const [alice, bob] = await talk(env, 1);
    // Under way when the request ends. What comes of it, nobody is told.
    for (let n = 0; n < 5; n++) alice.request(bob.amid, { n }).catch(() => undefined);
  },
  async later(env, ctx, name) {
    const agents = await talk(env, 1);
    const afterwards = async () => {
      await agents[0].request(agents[1].amid, { n: 'later' });
      await close(agents);
      await env.DONE.put(name, 'done');
    };
    ctx.waitUntil(afterwards());
  },
};

async function serve(request, env, ctx) {
  const [, , ending, name] = new URL(request.url).pathname.split('/');
  try {
    await endings[ending](env, ctx, name);
    return Response.json('played');
  } catch (error) {
    return new Response(`${error.code ?? error.name}: ${error.stack}`, { status: 500 });
  }
}

export class Home extends DurableObject {
  fetch(request) {
    return serve(request, this.env, this.ctx);
  }
}

export default {
  fetch(request, env, ctx) {
    const [, where] = new URL(request.url).pathname.split('/');
    return where === 'worker' ? serve(request, env, ctx) : env.HOME.getByName(where).fetch(request);
  },
};
