// Plays scenarios inside a Durable Object, with agents that live in R2.

import { DurableObject } from 'cloudflare:workers';
import { AgentMeshClient, R2Storage } from '@agentmesh/sdk';
import { play } from './play.mjs';

export class Player extends DurableObject {
  async fetch(request) {
    const { scenario, place } = await request.json();
    const urls = { registryUrl: this.env.AGENTMESH_REGISTRY_URL, relayUrl: this.env.AGENTMESH_RELAY_URL };
    try {
      await play(scenario, (name, options) =>
        AgentMeshClient.create({ storage: new R2Storage(this.env.BUCKET, `${place}/${name}/`), ...options, ...urls }),
      );
      return Response.json('played');
    } catch (error) {
      return new Response(`${error.code ?? error.name}: ${error.stack}`, { status: 500 });
    }
  }
}

export default {
  fetch: (request, env) => env.PLAYER.getByName('player').fetch(request),
};
