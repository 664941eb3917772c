import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'node:test';
import { AgentMeshClient, AgentMeshError, Key, Policy, SqliteStorage } from '@agentmesh/sdk';
import { after, directory, given, next, serverProcess } from './support.mjs';

/** An agent in a home as the command `agentmesh` keeps it. */
async function open(t, home, urls) {
  const client = await AgentMeshClient.create({
    storage: new SqliteStorage(join(home, 'agent.db')),
    key: Key.file(join(home, 'store.key')),
    policy: Policy.permissive(),
    ...urls,
  });
  after(t, () => client.close());
  await client.connect();
  return client;
}

test('two agents talk through a server that is a process of its own', async (t) => {
  const urls = await serverProcess(t, directory(t));
  const [alice, bob] = [await open(t, directory(t), urls), await open(t, directory(t), urls)];
  bob.onRequest((message) => ({ echo: message.payload }));
  const response = await alice.request(bob.amid, { hello: 'wörld' });
  assert.deepEqual(response.payload, { echo: { hello: 'wörld' } });
  assert.equal(response.from, bob.amid);

  const sending = alice.send(bob.amid, new Uint8Array([1, 2, 3]), { wait: 'handled' });
  const got = await new Promise((resolve) => bob.onMessage(resolve));
  assert.deepEqual(got.payload, new Uint8Array([1, 2, 3]));
  assert.equal(got.sessionId, (await bob.getSessions())[0].id);
  assert.equal((await sending).stage, 'handled');
});

/** The command with a home of its own. */
function command(home, urls, ...said) {
  const how = ['--home', home, '--registry', urls.registryUrl, '--relay', urls.relayUrl, '--json'];
  const child = spawn(given('AGENTMESH_TEST_CLI'), [...how, ...said], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  return once(child, 'close').then(([code]) => {
    assert.equal(code, 0, out);
    return out.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  });
}

test('the command sends and Node reads, and back, in one session', async (t) => {
  const urls = await serverProcess(t, directory(t));
  const [client, home] = [await open(t, directory(t), urls), directory(t)];
  const sending = command(home, urls, 'send', client.amid, '{"from":"rust"}', '--wait', 'handled');
  const message = await next(client.messages());
  assert.deepEqual(message.payload, { from: 'rust' });
  assert.ok((await sending).some((line) => line.stage === 'handled'));

  const listening = command(home, urls, 'listen', '--count', '1');
  await client.send(message.from, { from: 'node' }, { wait: 'handled' });
  assert.ok((await listening).some((line) => JSON.stringify(line.payload) === '{"from":"node"}'));
  assert.deepEqual((await client.getSessions()).map((session) => session.initiator), [false]);
});

test('a home that Rust began is continued in Node and back: same agent, same session', async (t) => {
  const urls = await serverProcess(t, directory(t));
  const [peer, home] = [await open(t, directory(t), urls), directory(t)];
  const messages = peer.messages();
  let receiving = next(messages);
  await command(home, urls, 'send', peer.amid, '1', '--wait', 'handled');
  const first = await receiving;
  const session = (await peer.getSessions())[0].id;

  const node = await open(t, home, urls);
  assert.equal(node.amid, first.from);
  assert.deepEqual((await node.getSessions()).map((one) => one.id), [session]);
  await assert.rejects(AgentMeshClient.create({ storage: `sqlite:${join(home, 'agent.db')}`, key: Key.file(join(home, 'store.key')) }), {
    code: 'STORAGE_LOCKED',
    kind: 'conflict',
  });
  receiving = next(messages);
  await node.send(peer.amid, 2, { wait: 'handled' });
  assert.equal((await receiving).payload, 2);
  await node.close();

  receiving = next(messages);
  await command(home, urls, 'send', peer.amid, '3', '--wait', 'handled');
  assert.equal((await receiving).payload, 3);
  assert.deepEqual((await peer.getSessions()).map((one) => one.id), [session]);
});

test('a server that is not there is a network error, and the client can be used on', async (t) => {
  const nowhere = { registryUrl: 'http://127.0.0.1:9/v1', relayUrl: 'ws://127.0.0.1:9/v1/connect', connectTimeoutMs: 300 };
  const home = directory(t);
  const client = await AgentMeshClient.create({
    storage: new SqliteStorage(join(home, 'agent.db')),
    key: Key.file(join(home, 'store.key')),
    ...nowhere,
  });
  await assert.rejects(client.connect(), (error) => {
    assert.ok(AgentMeshError.is(error));
    assert.deepEqual([error.code, error.kind, error.retryable], ['AGENT_NOT_ONLINE', 'network', true]);
    return true;
  });
  await client.close();
  await new SqliteStorage(join(home, 'agent.db')).close();
});
