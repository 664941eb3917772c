// An agent in Node for the tests in Swift: answers requests with what they said, and what it is told to do it does to who said it.
// Says lines of JSON: its address, and what it hears of agents that go from language to language.

import { AgentMeshClient, MemoryStorage, Policy } from '@agentmesh/sdk';

const [registryUrl, relayUrl] = process.argv.slice(2);
const client = await AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), registryUrl, relayUrl });
client.onRequest(async function ({ payload, wantsStream }) {
  if (!wantsStream) return { node: payload };
  return (async function* () {
    yield 'to';
    yield 'kens';
  })();
});
client.onMessage(async ({ from, payload, seq }) => {
  if (payload === 'ask me') {
    const { payload: answer } = await client.request(from, { from: 'nöde' });
    const stream = await client.stream(from, 'stream');
    await client.send(from, { answer, stream: await stream.text() });
  } else if (payload === 'begin') {
    await client.send(from, 'begun');
  } else if (payload?.handover) {
    const sessions = (await client.getSessions()).filter(({ peer }) => peer === from).map(({ id }) => id);
    console.log(JSON.stringify({ ...payload, from, seq, sessions }));
  }
});
await client.connect();
console.log(JSON.stringify({ amid: client.amid }));
process.on('SIGTERM', () => process.exit(0));
setInterval(() => {}, 1 << 30);
