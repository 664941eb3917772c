import { R2Storage } from '@agentmesh/sdk';

export interface Env {
  AGENT_STORAGE: R2Bucket;
  AGENT_KV: KVNamespace;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    // Create R2 storage adapter
    const storage = new R2Storage(env.AGENT_STORAGE, 'agent-data/');

    // Use storage with AgentMesh
    const agent = new AgentMeshClient({
      storage,
      // ... other options
    });

    await agent.initialize();
    return new Response(`Agent AMID: ${agent.amid}`);
  }
};
