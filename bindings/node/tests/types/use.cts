// The same from CommonJS.

import { AgentMeshClient, MemoryStorage } from '@agentmesh/sdk';
import sdk = require('@agentmesh/sdk');
import testing = require('@agentmesh/sdk/testing');

export async function main(): Promise<string> {
  const server: testing.Server = await testing.Server.start();
  const client: sdk.AgentMeshClient = await AgentMeshClient.create({ storage: new MemoryStorage(), ...server.urls });
  return client.amid;
}
