// Two agents and a server, all in this process.

import { AgentMeshClient, MemoryStorage, Policy } from '@agentmesh/sdk';
import { Server } from '@agentmesh/sdk/testing';

const server = await Server.start();
const open = () => AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), ...server.urls });
const [alice, bob] = [await open(), await open()];

bob.onRequest((message) => ({ echo: message.payload }));
await Promise.all([alice.connect(), bob.connect()]);
const response = await alice.request(bob.amid, { hello: 'wörld' });
console.log(response.payload);

await Promise.all([alice.close(), bob.close()]);
await server.stop();
