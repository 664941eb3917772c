// An agent under an AIWM controller: its settings come from there, and what it answers goes over the mesh.
//
//     node aiwm-agent.mjs HOME [ENV_FILE [REGISTRY_URL RELAY_URL]]
//
// Where the controller is, `AIWM_BASE_URL`, `AIWM_AGENT_ID` and `AIWM_AGENT_SECRET` say, in the environment or in the file
// (`AIWM_ENABLED=true` switches it on); without them everything is local. Ctrl-C or SIGTERM ends it, and so does the controller when
// it deletes the agent.

import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AgentMeshClient, Key, Policy, SqliteStorage } from '@agentmesh/sdk';
import { AiwmSupervisor } from '@agentmesh/sdk/aiwm';

const [home, envFile = '.env', registryUrl, relayUrl] = process.argv.slice(2);
mkdirSync(home, { recursive: true });
const supervisor = await AiwmSupervisor.start({ envFile });
const client = await AgentMeshClient.create({
  storage: new SqliteStorage(join(home, 'agent.db')),
  key: Key.file(join(home, 'agent.key')),
  policy: Policy.permissive(),
  registryUrl,
  relayUrl,
});

client.onRequest(({ payload }) => {
  supervisor.status = 'busy';
  try {
    // A model would be asked here, as the controller says: its instruction, its tools, so many turns.
    const { name, model } = supervisor.config;
    return { agent: name, model, echo: payload };
  } finally {
    supervisor.status = 'idle';
  }
});

/** Returns when the controller has deleted the agent. */
async function watch() {
  for await (const event of supervisor.events()) {
    if (event.type === 'configUpdated') console.log(`new configuration: ${event.config.model}`);
    if (event.type === 'agentDeleted') return console.log('deleted');
  }
}

await client.connect();
console.log(client.amid, supervisor.state);
await Promise.race([watch(), once(process, 'SIGINT'), once(process, 'SIGTERM')]);
// Handlers that run come to their end.
await client.close();
await supervisor.shutdown();
console.log('closed');
