// An agent that answers every request with what it said, until it is told to stop (Ctrl-C, SIGTERM).
//
//     node echo-agent.mjs HOME [REGISTRY_URL RELAY_URL]
//
// HOME keeps its state and its key: started again, it is the same agent, and what came meanwhile is answered.

import { mkdirSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { AgentMeshClient, Key, Policy, SqliteStorage } from '@agentmesh/sdk';

const [home, registryUrl, relayUrl] = process.argv.slice(2);
mkdirSync(home, { recursive: true });
const client = await AgentMeshClient.create({
  storage: new SqliteStorage(join(home, 'agent.db')),
  key: Key.file(join(home, 'agent.key')),
  policy: Policy.permissive(),
  capabilities: ['echo'],
  registryUrl,
  relayUrl,
});
client.onRequest((message) => ({ echo: message.payload }));
client.onMessage((message) => console.log(`${message.from} says`, message.payload));
client.on('offline', ({ details }) => console.error('offline', details.reason));

await client.connect();
console.log(client.amid);
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
// Handlers that run come to their end.
await client.close();
console.log('closed');
