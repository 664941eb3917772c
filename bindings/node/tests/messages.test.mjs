import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { AgentMeshClient, AgentMeshError, Failure, Identity, Key, MemoryStorage, Policy, SqliteStorage } from '@agentmesh/sdk';
import { after, agent, directory, next, server } from './support.mjs';

async function pair(t, ofBob = {}) {
  const { urls } = await server(t);
  return [await agent(t, urls), await agent(t, urls, ofBob)];
}

test('whatever JSON and bytes can say arrives as it was sent', async (t) => {
  const [alice, bob] = await pair(t);
  const messages = bob.messages();
  const buffer = Buffer.from('a part of a larger buffer').subarray(2, 6);
  const said = [{ deep: [1, 2.5, null, true, 'wörld'] }, null, 0, '', false, undefined, buffer, new ArrayBuffer(3)];
  const heard = [...said.slice(0, 6), new Uint8Array(buffer), new Uint8Array(3)];
  for (const [i, payload] of said.entries()) {
    await alice.send(bob.amid, payload);
    const message = await next(messages);
    assert.deepEqual(message.payload, heard[i]);
    assert.deepEqual([message.from, message.kind, message.attempt, message.isDone], [alice.amid, 'message', 0, true]);
    assert.ok(message.sentAt instanceof Date && Math.abs(Date.now() - message.sentAt) < 60_000);
  }
});

test('a message says its session, whether it is iterated over, handled, or an answer', async (t) => {
  const [alice, bob] = await pair(t);
  const messages = bob.messages();
  await alice.send(bob.amid, 1);
  const first = await next(messages);
  const [session] = await bob.getSessions();
  assert.deepEqual([first.sessionId, session.peer], [session.id, alice.amid]);
  // Another session with the same peer is told as that.
  await alice.killSession(bob.amid);
  await alice.send(bob.amid, 2);
  const second = await next(messages);
  assert.notEqual(second.sessionId, first.sessionId);
  assert.ok((await bob.getSessions()).some(({ id }) => id === second.sessionId));
  bob.onRequest(({ sessionId }) => sessionId);
  const answer = await alice.request(bob.amid, 3);
  assert.deepEqual([answer.payload, answer.sessionId], [second.sessionId, second.sessionId]);
});

test('what is no payload is an error before anything is sent', async (t) => {
  const [alice, bob] = await pair(t);
  await assert.rejects(alice.send(bob.amid, () => 1), TypeError);
  await assert.rejects(alice.send(bob.amid, 1n), TypeError);
  await assert.rejects(alice.send('nobody', 1), { kind: 'invalid_input' });
  await assert.rejects(alice.send(bob.amid, 1, { wait: 'read' }), { code: 'BINDING_ARGUMENT' });
  await assert.rejects(alice.send(bob.amid, 1, { timeoutMs: NaN }), { code: 'BINDING_ARGUMENT' });
  assert.deepEqual(await alice.outbox(), []);
});

test('messages are handled in order for each sender; what a handler throws gives its message back', async (t) => {
  const [alice, bob] = await pair(t);
  const [seen, failed] = [[], []];
  bob.onHandlerError((error, message) => failed.push([error.message, message.payload]));
  const all = new Promise((resolve) => {
    bob.onMessage(async (message) => {
      seen.push([message.payload, message.attempt]);
      if (message.payload === 1 && message.attempt === 0) throw new Error('not now');
      if (seen.length === 4) resolve();
    });
  });
  for (const n of [0, 1, 2]) await alice.send(bob.amid, n, { wait: 'queued' });
  await all;
  assert.deepEqual(seen.filter(([payload]) => payload === 1), [[1, 0], [1, 1]]);
  assert.deepEqual(failed, [['not now', 1]]);
  assert.deepEqual(seen[0], [0, 0]);
});

test('requests are answered by what a handler returns, throws, or yields', async (t) => {
  const [alice, bob] = await pair(t);
  bob.onRequest(({ payload }) => {
    if (payload === 'fail') throw new Failure('MODEL_OVERLOADED', 'later', { retryable: true, details: { in: 5 } });
    if (payload !== 'tokens') return payload;
    return (async function* () {
      yield 'to';
      yield 'kens';
    })();
  });
  assert.deepEqual((await alice.request(bob.amid, { n: 1 })).payload, { n: 1 });
  assert.equal((await alice.request(bob.amid, 'tokens')).payload, 'tokens');
  assert.equal(await (await alice.stream(bob.amid, 'tokens')).text(), 'tokens');
  await assert.rejects(alice.request(bob.amid, 'fail'), (error) => {
    assert.equal(error.code, 'REQUEST_ERROR_RESPONSE');
    assert.deepEqual(error.remote, { code: 'MODEL_OVERLOADED', message: 'later', retryable: true, details: { in: 5 } });
    return true;
  });
});

test('a response that cannot be sent is told to the peer, and to the application', async (t) => {
  const [alice, bob] = await pair(t);
  const failed = [];
  bob.onHandlerError((error, message) => failed.push([error, message.payload]));
  const itself = {};
  itself.itself = itself;
  const responses = { circular: itself, symbol: Symbol('no JSON'), number: 1n };
  bob.onRequest(({ payload }) => responses[payload]);
  for (const asked of Object.keys(responses)) {
    await assert.rejects(alice.request(bob.amid, asked), (error) => error.remote?.code === 'RESPONSE_INVALID', asked);
  }
  assert.deepEqual(failed.map(([, payload]) => payload), Object.keys(responses));
  assert.ok(failed.every(([error]) => error instanceof TypeError), failed.join());
});

test('leaving the loop cancels a stream, and its sender notices', async (t) => {
  const [alice, bob] = await pair(t);
  const messages = bob.messages();
  const stream = await alice.stream(bob.amid, 'count', { windowFrames: 2 });
  const outgoing = await (await next(messages, { ack: false })).stream();
  await outgoing.setMetadata({ model: 'm' });
  const sending = (async () => {
    for (let n = 0; ; n++) await outgoing.send(String(n));
  })();
  const stopped = assert.rejects(sending, (error) => AgentMeshError.is(error) && error.code.startsWith('STREAM_'));
  for await (const { number, data } of stream) {
    assert.equal(data, String(number));
    assert.deepEqual(stream.metadata, { model: 'm' });
    if (number === 3) break;
  }
  await stopped;
  assert.equal(outgoing.isStopped, true);
});

test('a stream that was left by detaching goes on where it was', async (t) => {
  const [alice, bob] = await pair(t);
  const messages = bob.messages();
  const stream = await alice.stream(bob.amid, 'go');
  const outgoing = await (await next(messages, { ack: false })).stream();
  await outgoing.send('one');
  assert.equal((await stream.next()).value.data, 'one');
  const id = await stream.detach();
  await outgoing.send('two');
  await outgoing.finish();
  const rest = await alice.resumeStream(bob.amid, id, 1);
  assert.equal(await rest.text(), 'two');
});

test('aborting gives up waiting, not the message', async (t) => {
  const { urls } = await server(t);
  const alice = await agent(t, urls);
  const bob = await Identity.generate();
  const storage = new MemoryStorage();
  const late = await AgentMeshClient.create({ storage, identity: bob, policy: Policy.permissive(), ...urls });
  after(t, () => late.close());
  await late.connect();
  const gone = new AbortController();
  const sending = alice.send(late.amid, 'still there', { wait: 'handled', timeoutMs: 60_000, signal: gone.signal });
  const messages = late.messages();
  const message = await next(messages, { ack: false });
  gone.abort(new Error('enough'));
  await assert.rejects(sending, { message: 'enough' });
  assert.equal(message.payload, 'still there');
  await message.ack();
  await assert.rejects(alice.request(late.amid, 1, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('an aborted iterator ends, and no message is lost with it', async (t) => {
  const [alice, bob] = await pair(t);
  const gone = new AbortController();
  const first = bob.messages({ signal: gone.signal });
  const waiting = first.next();
  gone.abort();
  assert.deepEqual(await waiting, { done: true, value: undefined });
  assert.equal((await first.next()).done, true);
  await alice.send(bob.amid, 'for the next one');
  assert.equal((await next(bob.messages())).payload, 'for the next one');
});

test('another reader ends the one before, and gets what that one did not acknowledge', async (t) => {
  const [alice, bob] = await pair(t);
  const first = bob.messages();
  for (const n of [1, 2, 3]) await alice.send(bob.amid, n);
  const one = await next(first, { ack: false });
  // By now the others may be on their way to the first reader, or not.
  const second = bob.messages();
  const rest = [(await next(second)).payload, (await next(second)).payload];
  assert.deepEqual(rest.sort(), [2, 3]);
  assert.equal((await first.next()).done, true);
  one.release();
  assert.deepEqual([(await next(second)).payload, one.attempt], [1, 0]);
});

test('the owner decides about KNOCKs: at once, and later', async (t) => {
  const knocks = [];
  let decide = () => false;
  const onKnock = async (knock) => {
    knocks.push(knock);
    return decide();
  };
  const { urls } = await server(t);
  const bob = await agent(t, urls, { policy: Policy.default(), onKnock });
  const [alice, carol] = [await agent(t, urls), await agent(t, urls)];
  const asked = { knock: { capability: 'weather/forecast', params: { some_where: 1 }, ttlMs: 60_000 }, wait: 'handled' };
  await assert.rejects(alice.send(bob.amid, 'may I?', asked), { code: 'SEND_KNOCK_REJECTED', kind: 'policy' });
  assert.deepEqual(
    knocks.map(({ from, capability, params, ttlMs }) => ({ from, capability, params, ttlMs })),
    [{ from: alice.amid, capability: 'weather/forecast', params: { some_where: 1 }, ttlMs: 60_000 }],
  );

  decide = () => undefined;
  const heard = bob.events();
  const sending = carol.send(bob.amid, 'and I?', { wait: 'handled' });
  for await (const { type } of heard) if (type === 'knockReceived') break;
  const [pending] = await bob.pendingKnocks();
  assert.equal(pending.knock.from, carol.amid);
  await bob.acceptKnock(pending.knock.session, { ttlMs: 120_000 });
  assert.equal((await next(bob.messages())).payload, 'and I?');
  assert.equal((await sending).stage, 'handled');
});

test('who decides about KNOCKs can come and go while the client is open', async (t) => {
  const { urls } = await server(t);
  const bob = await agent(t, urls, { policy: Policy.default() });
  const [alice, carol, dave] = [await agent(t, urls), await agent(t, urls), await agent(t, urls)];
  await alice.send(bob.amid, 'nobody is asked', { wait: 'delivered' });
  const asked = [];
  const off = bob.onKnock(({ from }) => {
    asked.push(from);
    return false;
  });
  await assert.rejects(carol.send(bob.amid, 'may I?', { wait: 'handled' }), { code: 'SEND_KNOCK_REJECTED' });
  off();
  await dave.send(bob.amid, 'nobody is asked', { wait: 'delivered' });
  assert.deepEqual(asked, [carol.amid]);
});

test('listeners and iterators are told what happens; what they throw changes nothing', async (t) => {
  const { urls } = await server(t);
  const alice = await AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), ...urls });
  const bob = await agent(t, urls);
  t.mock.method(console, 'error', () => undefined);
  const types = [];
  alice.on('online', () => {
    throw new Error('a bug of the application');
  });
  const off = alice.on('*', ({ type }) => types.push(type));
  const events = alice.events();
  await alice.connect();
  const established = (async () => {
    for await (const { type, details } of events) if (type === 'sessionEstablished') return details;
  })();
  await alice.send(bob.amid, 1);
  assert.equal((await established).peer, bob.amid);
  assert.ok(types.includes('online'), types.join());
  off();
  const rest = alice.events();
  await alice.close();
  for await (const _ of rest);
  assert.equal((await rest.next()).done, true);
});

test('circuit breakers, limits, search, and what waits are there', async (t) => {
  const { urls } = await server(t);
  const [alice, bob] = [await agent(t, urls, { rateLimit: { perMinute: 60, burst: 5 } }), await agent(t, urls)];
  await bob.setCapabilities(['weather/forecast']);
  const { agents } = await alice.search('weather/forecast');
  assert.deepEqual(agents.map((one) => one.amid), [bob.amid]);
  const listing = await alice.lookup(bob.amid);
  assert.deepEqual(listing.signingKey, bob.signingPublicKey);
  assert.ok(listing.lastSeen === null || listing.lastSeen instanceof Date);

  await alice.block(bob.amid);
  assert.deepEqual([...(await alice.circuitState()).blocked.keys()], [bob.amid]);
  await assert.rejects(alice.send(bob.amid, 1), { code: 'PEER_BLOCKED', kind: 'policy' });
  await alice.unblock(bob.amid);
  assert.equal((await alice.rateStatus(bob.amid)).overall.burst, 5);
  await alice.waitForCapacity(bob.amid);

  await bob.close();
  const { id } = await alice.send(bob.amid, 'later', { id: alice.newId() });
  const [item] = await alice.outbox();
  assert.deepEqual([item.id, item.to, item.stage], [id, bob.amid, 'stored']);
  assert.ok(item.expiresAt > item.queuedAt);
  assert.equal(await alice.stage(id), 'stored');
  await alice.cancel(id);
});

test('going online as something shows in the registry', async (t) => {
  const { urls } = await server(t);
  const alice = await AgentMeshClient.create({ storage: new MemoryStorage(), ...urls });
  after(t, () => alice.close());
  const bob = await agent(t, urls);
  // What is sent while connecting waits for it.
  const connecting = alice.connect({ displayName: 'Ann', capabilities: ['worker/api'] });
  assert.equal((await alice.send(bob.amid, 'early')).stage, 'stored');
  await connecting;
  assert.deepEqual(alice.capabilities, ['worker/api']);
  const listing = await bob.lookup(alice.amid);
  assert.deepEqual([listing.displayName, listing.capabilities], ['Ann', ['worker/api']]);
});

test('a closed client says so, and closing twice is fine', async (t) => {
  const [alice, bob] = await pair(t);
  const messages = alice.messages();
  const waiting = messages.next();
  await Promise.all([alice.close(), alice.close()]);
  assert.equal((await waiting).done, true);
  assert.equal(alice.isClosed, true);
  await assert.rejects(alice.send(bob.amid, 1), { code: 'AGENT_CLOSED', kind: 'closed' });
});

test('a client describes an agent until it is opened, and a failed opening can be tried again', async (t) => {
  const home = join(directory(t), 'home');
  writeFileSync(home, 'in the way');
  const client = new AgentMeshClient({ storage: new SqliteStorage(join(home, 'agent.db')), key: Key.random(), offline: true });
  assert.throws(() => client.amid, { code: 'BINDING_ARGUMENT' });
  await assert.rejects(client.initialize(), { kind: 'storage' });
  rmSync(home);
  mkdirSync(home);
  await client.initialize();
  await client.initialize();
  assert.match(client.amid, /^[1-9A-HJ-NP-Za-km-z]{20,}$/);
  await client.close();
});

test('an identity must be there to be loaded, and keeps its name', async () => {
  const storage = new MemoryStorage();
  await assert.rejects(AgentMeshClient.load(storage, 'worker-agent', { offline: true }), { kind: 'not_found' });
  const made = await AgentMeshClient.create({ storage, identityKey: 'worker-agent', offline: true });
  const { amid } = made;
  assert.equal((await AgentMeshClient.load(storage, 'worker-agent', { offline: true })).amid, amid);
  await made.close();
});

test('who polls visits the relay: takes what waits, answers, and is gone', async (t) => {
  const { urls } = await server(t);
  const alice = await agent(t, urls);
  const bob = await AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), relayTransport: 'polling', ...urls });
  after(t, () => bob.close());
  assert.equal(await bob.sync(), true);
  const messages = alice.messages();
  bob.onRequest(({ payload }) => payload * 2);
  const asked = alice.request(bob.amid, 21, { timeoutMs: 60_000 });
  // The request is at the relay before the visit begins, or comes during the next.
  let answer;
  void asked.then((got) => (answer = got.payload));
  while (answer === undefined) assert.equal(await bob.sync({ timeoutMs: 20_000 }), true);
  assert.equal(answer, 42);
  await bob.send(alice.amid, 'queued between visits', { wait: 'queued' });
  assert.equal(await bob.sync(), true);
  assert.equal((await next(messages)).payload, 'queued between visits');
  await assert.rejects(AgentMeshClient.create({ storage: new MemoryStorage(), relayTransport: 'pigeons' }), { kind: 'invalid_input' });
});
