import {
  AgentMeshClient,
  R2Storage,
  Policy,
  Identity,
} from '@agentmesh/sdk';

export interface Env {
  AGENT_STORAGE: R2Bucket;
  AGENTMESH_REGISTRY_URL: string;
  AGENTMESH_RELAY_URL: string;
}

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const url = new URL(request.url);
    const storage = new R2Storage(env.AGENT_STORAGE);

    // Initialize or load agent
    let agent: AgentMeshClient;

    try {
      agent = await AgentMeshClient.load(storage, 'worker-agent');
    } catch {
      agent = await AgentMeshClient.create({
        storage,
        policy: Policy.verified(),
        registryUrl: env.AGENTMESH_REGISTRY_URL,
      });
      // Registration will happen on first connect
    }

    // Route handling
    switch (url.pathname) {
      case '/info':
        return Response.json({
          amid: agent.amid,
          capabilities: agent.capabilities,
        });

      case '/send':
        if (request.method !== 'POST') {
          return new Response('Method not allowed', { status: 405 });
        }

        const { to, message } = await request.json();

        // Connect if needed (uses waitUntil for background processing)
        ctx.waitUntil(agent.connect({
          displayName: 'MoltWorker Agent',
          capabilities: ['worker/api'],
        }));

        await agent.send(to, message);
        return Response.json({ success: true });

      case '/health':
        return Response.json({ status: 'healthy', amid: agent.amid });

      default:
        return new Response('Not found', { status: 404 });
    }
  },
};
