// An agent that answers prompts token by token, and one that reads them as they come.
//
// The model is an echo, so that the example needs nothing else; put yours into `tokens`. Who asks without wanting a stream gets the
// whole text at once.

import { AgentMeshClient, Failure, MemoryStorage, Policy } from '@agentmesh/sdk';
import { Server } from '@agentmesh/sdk/testing';

/** A model's answer; this one says what it heard. */
async function* tokens(prompt) {
  for (const word of ['You', 'said:', ...prompt.split(' ')]) yield `${word} `;
}

const server = await Server.start();
// The server of tests limits nothing, so that every token may have a frame of its own.
const how = { policy: Policy.permissive(), relayMessagesPerMinute: 0, ...server.urls };
const user = await AgentMeshClient.create({ storage: new MemoryStorage(), ...how });
const model = await AgentMeshClient.create({ storage: new MemoryStorage(), ...how });

model.onRequest(({ payload }) => {
  if (typeof payload?.prompt !== 'string') throw new Failure('NO_PROMPT', 'the request has no prompt');
  return tokens(payload.prompt);
});
await Promise.all([user.connect(), model.connect()]);

for await (const chunk of await user.stream(model.amid, { prompt: 'hello world' })) process.stdout.write(chunk.data);
process.stdout.write('\n');
const whole = await user.request(model.amid, { prompt: 'all at once' });
console.log(whole.payload);

await Promise.all([user.close(), model.close()]);
await server.stop();
