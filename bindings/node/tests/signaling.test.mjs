// Signaling: rooms, events, signals, negotiation; with the server in the process and with the command line.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { inspect } from 'node:util';
import test from 'node:test';
import { Identity } from '@agentmesh/sdk';
import { Negotiator, SignalingClient } from '@agentmesh/sdk/signaling';
import { after, given, server, until } from './support.mjs';

async function join(t, url, room, options) {
  const client = await SignalingClient.join(url, room, options);
  after(t, () => client.leave({ urgent: true }));
  return client;
}

test('two clients meet and pass signals', async (t) => {
  const { url } = await server(t);
  const first = await join(t, url, ' agents ');
  const events = first.events();
  const joined = await until(events, 'joined');
  assert.deepEqual([joined.id, joined.iceServers, first.room, first.isOnline], [first.id, [], 'AGENTS', true]);
  assert.equal((await until(events, 'roster')).first, true);
  const second = await join(t, url, 'agents');
  const roster = await until(events, 'roster');
  assert.deepEqual([roster.joined, roster.first], [[second.id], false]);
  const theirs = second.events();
  assert.deepEqual((await until(theirs, 'roster')).joined, [first.id]);
  await second.send(first.id, { type: 'agent-ping', some_text: 'wörld' });
  const { type, from, value, signedBy, problem } = await until(events, 'signal');
  assert.deepEqual(
    { type, from, value, signedBy, problem },
    { type: 'signal', from: second.id, value: { type: 'agent-ping', some_text: 'wörld' }, signedBy: null, problem: null },
  );
  const { id } = second;
  assert.deepEqual(first.peers, [id]);
  await second.leave();
  assert.deepEqual((await until(events, 'roster')).left, [id]);
  await first.leave();
  assert.equal((await until(events, 'closed')).error.kind, 'closed');
  assert.deepEqual(await events.next(), { done: true, value: undefined });
  await assert.rejects(first.send('x', 1), { code: 'SIGNALING_CLOSED', kind: 'closed' });
  await first.leave();
});

test('descriptions are signed by an identity', async (t) => {
  const { url } = await server(t);
  const identity = await Identity.generate();
  const first = await join(t, url, 'r');
  const second = await join(t, url, 'r', { signWith: identity });
  const events = first.events();
  const sdp = 'v=0\r\na=fingerprint:sha-256 AA:BB\r\n';
  await second.send(first.id, { sdp: { type: 'offer', sdp } });
  const signal = await until(events, 'signal');
  assert.deepEqual([signal.signedBy, signal.problem], [identity.amid, null]);
  // What was signed for one is said by another, altered.
  const third = await join(t, url, 'r');
  await third.send(first.id, { ...signal.value, sdp: { type: 'offer', sdp: sdp.replace('AA', 'CC') } });
  const forged = await until(events, 'signal');
  assert.equal(forged.signedBy, null);
  assert.equal(forged.problem.kind, 'authentication');
});

test('another client goes on with the credentials', async (t) => {
  const { url } = await server(t);
  const first = await join(t, url, 'r');
  const events = first.events();
  const credentials = JSON.parse(JSON.stringify(first.credentials));
  const second = await join(t, url, 'r', { resume: credentials });
  assert.equal(second.id, credentials.id);
  assert.equal((await until(second.events(), 'resumed')).id, credentials.id);
  await until(events, 'superseded');
  assert.equal((await until(events, 'closed')).error.code, 'SIGNALING_SUPERSEDED');
  assert.ok(!inspect(second).includes(credentials.token));
  const unknown = { id: '00000000-0000-4000-8000-000000000000', token: 'no-such-token', headerAuth: false };
  const third = await join(t, url, 'r', { resume: unknown });
  const changed = await until(third.events(), 'identityChanged');
  assert.deepEqual([changed.old, changed.new], [unknown.id, third.id]);
});

test('what cannot work is told', async (t) => {
  const { url } = await server(t);
  await assert.rejects(SignalingClient.join('ftp://x', 'r'), { code: 'SIGNALING_CONFIG', kind: 'invalid_input' });
  await assert.rejects(SignalingClient.join(url, ''), { kind: 'invalid_input' });
  await assert.rejects(SignalingClient.join('http://127.0.0.1:1', 'r'), { code: 'SIGNALING_CONNECT', retryable: true });
  await assert.rejects(SignalingClient.join(url, 'r', { signal: AbortSignal.abort() }), { name: 'AbortError' });
  const client = await join(t, url, 'r');
  const gone = { code: 'SIGNALING_PEER_GONE', kind: 'not_found', details: { peer: 'nobody' } };
  await assert.rejects(client.send('nobody', { a: 1 }), gone);
  for (const signal of [null, 'x'.repeat(70_000)]) {
    await assert.rejects(client.send('nobody', signal), { code: 'SIGNALING_INVALID_SIGNAL', kind: 'invalid_input' });
  }
  await assert.rejects(client.send('nobody', undefined), TypeError);
});

test('without waiting it tries on, and an aborted reader ends alone', async (t) => {
  const client = await join(t, 'http://127.0.0.1:1', 'r', { wait: false, attempts: 2 });
  const gone = new AbortController();
  const events = client.events();
  const lost = await until(events, 'disconnected');
  assert.equal(lost.error.code, 'SIGNALING_CONNECT');
  assert.ok(lost.retryInMs >= 0);
  assert.deepEqual([client.id, client.isOnline], [null, false]);
  const other = client.events({ signal: gone.signal });
  gone.abort();
  assert.equal((await other.next()).done, true);
  assert.equal((await until(events, 'closed')).error.code, 'SIGNALING_CONNECT');
});

test('it is the same room as that of the command line', async (t) => {
  const { url } = await server(t);
  const client = await join(t, url, 'mixed');
  const events = client.events();
  const command = ['--json', 'signal', 'join', 'mixed', '--server', url];
  const child = spawn(given('AGENTMESH_TEST_CLI'), command, { stdio: ['pipe', 'pipe', 'inherit'] });
  after(t, async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill();
      await once(child, 'exit');
    }
  });
  let roster = await until(events, 'roster');
  while (roster.joined.length === 0) roster = await until(events, 'roster');
  const [rust] = roster.joined;
  await client.send(rust, { from: 'Node' });
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event !== 'signal') continue;
    assert.deepEqual([event.sender, event.signal], [client.id, { from: 'Node' }]);
    break;
  }
  child.stdin.write(`${JSON.stringify({ to: client.id, signal: { from: 'Rust' } })}\n`);
  const { from, value } = await until(events, 'signal');
  assert.deepEqual([from, value], [rust, { from: 'Rust' }]);
});

test('two negotiators agree', () => {
  const offerer = new Negotiator('b', 'a', { offers: true, mode: 'lan' });
  const answerer = new Negotiator('a', 'b', { offers: false });
  assert.deepEqual(offerer.actions(), [
    { type: 'createChannel', label: 'agent' },
    { type: 'createOffer', iceRestart: false },
  ]);
  offerer.created('offer', 'v=0\r\na=ice-ufrag:one\r\n');
  offerer.gathered({ candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0, usernameFragment: 'one' });
  const sent = offerer.actions().filter(({ type }) => type === 'send');
  // A candidate that overtakes its description waits for it.
  for (const { signal } of sent.reverse()) assert.equal(answerer.received(signal), true);
  const [described, ...rest] = answerer.actions();
  assert.deepEqual(described, { type: 'setRemote', kind: 'offer', sdp: 'v=0\r\na=ice-ufrag:one\r\n' });
  const candidate = { type: 'addCandidate', candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0, usernameFragment: 'one' };
  assert.deepEqual(rest.sort((a, b) => (a.type < b.type ? -1 : 1)), [candidate, { type: 'createAnswer' }]);
  answerer.created('answer', 'v=0\r\na=ice-ufrag:two\r\n');
  const [answer] = answerer.actions();
  assert.equal(answer.signal.connectionMode, 'lan', 'answers echo the mode');
  assert.equal(offerer.received(answer.signal), true);
  assert.deepEqual(offerer.actions().map(({ type }) => type), ['setRemote']);
  for (const one of [offerer, answerer]) {
    one.ice('connected');
    one.tick();
    assert.deepEqual([one.actions(), one.isClosed], [[], false]);
  }
  assert.deepEqual([answerer.isPolite, offerer.isPolite], [true, false]);
  assert.equal(offerer.received({ type: 'agent-ping' }), false);
  assert.throws(() => offerer.ice('warm'), { code: 'BINDING_ARGUMENT' });
});

test('a negotiator says when it wants to be asked again', () => {
  const waiting = new Negotiator('a', 'b', { offers: false });
  const wake = waiting.nextWake();
  assert.ok(wake > 0 && wake <= 31_000, String(wake));
  waiting.back();
  waiting.negotiationNeeded();
  assert.ok(waiting.actions().some(({ type }) => type === 'createOffer'));
  waiting.left();
  assert.notEqual(waiting.nextWake(), null);
});
