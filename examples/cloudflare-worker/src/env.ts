// What wrangler.toml and the secrets give.

import type { Agent } from './agent';
import type { AgentSession } from './session';
import type { RelayConnection } from './relay';

export interface Env {
  AGENT_STORAGE: R2Bucket;
  AGENT_KV: KVNamespace;
  AGENT: DurableObjectNamespace<Agent>;
  AGENT_SESSION: DurableObjectNamespace<AgentSession>;
  RELAY_CONNECTION: DurableObjectNamespace<RelayConnection>;
  AGENTMESH_REGISTRY_URL: string;
  AGENTMESH_RELAY_URL: string;
  /** Seals what is stored; the SDK reads it. */
  AGENTMESH_STORE_KEY: string;
  /** Callers bring it as bearer token. */
  API_KEY: string;
  AGENT_POLICY?: string;
  /** `polling`: no sockets, only requests. */
  AGENT_RELAY_TRANSPORT?: string;
}
