// The Worker's agent: one identity in R2, whichever isolate opens it.

import { AgentMeshClient, Policy, R2Storage } from '@agentmesh/sdk';
import type { Env } from './env';

export const CAPABILITIES = ['worker/api'];

/** Whether the relay is visited by requests instead of a socket. */
export const polls = (env: Env): boolean => env.AGENT_RELAY_TRANSPORT === 'polling';

/**
 * Opens the agent; one with a fresh identity only if the bucket says that it holds none. A bucket that cannot be read is an error and
 * never a reason for another identity, and of two isolates that make one at the same time both end with the same.
 */
export async function openAgent(env: Env, { offline = false } = {}): Promise<AgentMeshClient> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await AgentMeshClient.create({
        storage: new R2Storage(env.AGENT_STORAGE, 'worker-agent/'),
        policy: env.AGENT_POLICY === 'permissive' ? Policy.permissive() : Policy.verified(),
        displayName: 'MoltWorker Agent',
        capabilities: CAPABILITIES,
        registryUrl: env.AGENTMESH_REGISTRY_URL,
        relayUrl: env.AGENTMESH_RELAY_URL,
        relayTransport: polls(env) ? 'polling' : 'websocket',
        offline,
      });
    } catch (error) {
      // Another isolate was faster with the first commit: what it made is there now.
      if (!(error instanceof Error && 'kind' in error && error.kind === 'conflict') || attempt === 5) throw error;
    }
  }
}
