// A web application that is an agent: what comes over HTTP goes end-to-end encrypted to another agent, and what the mesh asks is answered
// by the application.
//
//     agentmesh dev &
//     node http-app.mjs
//
// The agent lives as long as the application: opened before the first request, closed after the last one. `AGENT_HOME` keeps its state
// (default: in memory), `AGENTMESH_REGISTRY_URL` and `AGENTMESH_RELAY_URL` say where the servers are, `PORT` where it listens.
//
//     curl localhost:8000/agent
//     curl localhost:8000/ask/AMID -d '{"prompt": "hello"}'
//     curl -N localhost:8000/tokens/AMID -d '{"prompt": "hello"}'

import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { AgentMeshClient, AgentMeshError, Key, MemoryStorage, Policy, SqliteStorage } from '@agentmesh/sdk';

const { AGENT_HOME: home, AGENTMESH_REGISTRY_URL, AGENTMESH_RELAY_URL, PORT = '8000' } = process.env;
if (home) mkdirSync(home, { recursive: true });
const client = await AgentMeshClient.create({
  storage: home ? new SqliteStorage(join(home, 'agent.db'), { key: Key.file(join(home, 'agent.key')) }) : new MemoryStorage(),
  registryUrl: AGENTMESH_REGISTRY_URL ?? 'http://127.0.0.1:18787/v1',
  relayUrl: AGENTMESH_RELAY_URL ?? 'ws://127.0.0.1:18787/v1/connect',
  policy: Policy.permissive(),
  capabilities: ['web'],
});
let answered = 0;
client.onRequest(({ payload }) => {
  answered += 1;
  return { from: 'the web application', asked: payload };
});

async function body(request) {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) {
    text += piece;
    if (text.length > 1_000_000) throw Object.assign(new Error('too much'), { status: 413 });
  }
  return JSON.parse(text);
}

/** What an error is over HTTP. */
function status(error) {
  if (error.status) return error.status;
  if (error instanceof SyntaxError) return 400;
  if (!AgentMeshError.is(error)) return 500;
  return { invalid_input: 404, not_found: 404, timeout: 504 }[error.kind] ?? 502;
}

async function handle(request, response) {
  const [, what, amid] = request.url.split('/');
  // A client that goes away cancels what it asked for.
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  if (request.method === 'GET' && what === 'agent') {
    response.end(JSON.stringify({ amid: client.amid, answered }));
  } else if (request.method === 'POST' && what === 'ask') {
    const answer = await client.request(amid, await body(request), { timeoutMs: 20_000, signal: gone.signal });
    response.end(JSON.stringify(answer.payload));
  } else if (request.method === 'POST' && what === 'tokens') {
    const stream = await client.stream(amid, await body(request), { signal: gone.signal });
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    for await (const { data } of stream) if (!response.write(data)) await once(response, 'drain', { signal: gone.signal });
    response.end();
  } else {
    throw Object.assign(new Error('nothing is here'), { status: 404 });
  }
}

const http = createServer((request, response) => {
  handle(request, response).catch((error) => {
    // With the stream on its way, breaking off says that it went wrong.
    if (response.headersSent) return response.destroy();
    response.statusCode = status(error);
    response.end(JSON.stringify({ error: error.remote?.code ?? error.code ?? 'ERROR' }));
  });
});

await client.connect();
http.listen(Number(PORT), '127.0.0.1');
await once(http, 'listening');
console.log(`http://127.0.0.1:${http.address().port}`);
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
http.close();
http.closeAllConnections();
// Handlers that run come to their end.
await client.close();
console.log('closed');
