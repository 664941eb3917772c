// An agent in a Worker that has no sockets: it visits the relay by requests, on schedule and when it is asked to.

import { AgentMeshClient, Policy, R2Storage } from '@agentmesh/sdk';

globalThis.WebSocket = class {
  constructor() {
    throw new Error('this Worker has no sockets');
  }
};

async function visit(env) {
  const client = await AgentMeshClient.create({
    storage: new R2Storage(env.BUCKET, 'agent/'),
    policy: Policy.permissive(),
    relayTransport: 'polling',
    registryUrl: env.AGENTMESH_REGISTRY_URL,
    relayUrl: env.AGENTMESH_RELAY_URL,
  });
  try {
    const took = [];
    client.onMessage(async (message) => {
      took.push(message.payload);
      await client.send(message.from, { echo: message.payload }, { wait: 'queued' });
      await message.ack();
    });
    const complete = await client.sync();
    return { amid: client.amid, complete, took };
  } finally {
    await client.close();
  }
}

export default {
  async scheduled(_controller, env) {
    await env.BUCKET.put('last visit', JSON.stringify(await visit(env)));
  },
  async fetch(request, env) {
    try {
      if (new URL(request.url).pathname === '/last') return new Response((await env.BUCKET.get('last visit')).body);
      return Response.json(await visit(env));
    } catch (error) {
      return new Response(`${error.code ?? error.name}: ${error.stack}`, { status: 500 });
    }
  },
};
