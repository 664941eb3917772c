import { KVStorage } from '@agentmesh/sdk';

const kvStorage = new KVStorage(env.AGENT_KV, 'agentmesh:');

// Store presence with TTL
await kvStorage.set('presence:my-amid',
  new TextEncoder().encode(JSON.stringify({ status: 'online' }))
);
