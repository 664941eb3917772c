// Agent WebSockets: both sides in Node, and with the reference server and the command line.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import test from 'node:test';
import { Failure } from '@agentmesh/sdk';
import { AgentWebSocketClient, AgentWebSocketService } from '@agentmesh/sdk/agent-ws';
import { after, given, server, until } from './support.mjs';

async function serve(t, handler, options) {
  const service = await AgentWebSocketService.start(handler, options);
  after(t, () => service.close());
  return service;
}

async function connect(t, url, options) {
  const client = await AgentWebSocketClient.connect(url, options);
  after(t, () => client.close());
  return client;
}

const count = ({ text }) => String(text.split(/\s+/).filter(Boolean).length);

/** Answers never, and says when it began and when it was told to stop. */
function patient() {
  const one = {};
  one.began = new Promise((resolve) => (one.begin = resolve));
  one.handler = ({ signal }) =>
    new Promise((_, reject) => {
      one.begin();
      one.ended = new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve();
          reject(signal.reason);
        });
      });
    });
  return one;
}

test('the echo of the reference server answers', async (t) => {
  const { agentWebSocketUrl } = await server(t);
  const client = await connect(t, agentWebSocketUrl);
  const { session } = client;
  assert.equal(session.correlates, true);
  const answer = await client.query('wörld');
  assert.match(answer.content, /wörld/);
  assert.equal(answer.kind, 'response');
  assert.ok(answer.timestamp instanceof Date && !Number.isNaN(answer.timestamp.getTime()));
  const events = client.events();
  assert.equal((await until(events, 'connected')).session.sessionId, session.sessionId);
  await client.close();
  assert.equal((await until(events, 'closed')).error.kind, 'closed');
  await assert.rejects(client.query('late'), { code: 'AGENT_WS_CLOSED', kind: 'closed' });
});

test('an agent in Node answers with the conversation', async (t) => {
  const answer = async ({ messages }) => messages.map(({ role, content }) => `${role}:${content}`).join('/');
  const service = await serve(t, answer, { systemPrompt: 'Be brief.', agentName: 'brief' });
  const client = await connect(t, service.url);
  assert.equal((await client.query('one')).content, 'system:Be brief./user:one');
  assert.ok((await client.query('two')).content.endsWith('/assistant:system:Be brief./user:one/user:two'));
  const { sessions, answers, errors } = service.stats;
  assert.deepEqual({ sessions, answers, errors }, { sessions: 1, answers: 2, errors: 0 });
  const events = client.events();
  const { sessionId } = client.session;
  assert.ok((await until(events, 'notification')).message.content.includes(sessionId), 'the welcome');
  service.notify(sessionId, 'hear, hear');
  assert.equal((await until(events, 'notification')).message.content, 'hear, hear');
  assert.throws(() => service.notify('no-such-session', 'x'), { code: 'BINDING_NO_SESSION', kind: 'not_found' });
});

test('what is yielded is shown as it comes', async (t) => {
  let show;
  const shown = new Promise((resolve) => (show = resolve));
  const stream = async function* ({ wantsDeltas }) {
    yield 'one ';
    if (wantsDeltas) await shown;
    yield 'two';
  };
  const client = await connect(t, (await serve(t, stream)).url);
  const seen = [];
  for await (const part of await client.queryStream('go')) {
    seen.push([part.type, part.content]);
    show();
  }
  assert.deepEqual(seen, [['delta', 'one '], ['delta', 'two'], ['answer', 'one two']]);
  assert.equal((await client.query('whole')).content, 'one two');
  assert.equal((await (await client.queryStream('end')).answer()).content, 'one two');
  const pieces = await connect(t, (await serve(t, () => ['a', 'b'])).url);
  assert.equal((await pieces.query('an array')).content, 'ab');
});

test('failures are told, and bugs are not shown', async (t) => {
  const printed = t.mock.method(console, 'error', () => undefined);
  const client = await connect(t, (await serve(t, ({ text }) => {
    if (text === 'busy') throw new Failure('BUSY', 'come back later');
    if (text === 'number') return 5;
    throw new Error('secret detail');
  })).url);
  for (const [text, words] of [['busy', 'come back later'], ['bug', 'failed'], ['number', 'failed']]) {
    await assert.rejects(client.query(text), (error) => {
      assert.equal(error.code, 'AGENT_WS_AGENT');
      assert.ok(error.details.message.includes(words), error.details.message);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
  assert.equal(printed.mock.callCount(), 2);
});

test('a handler is told to stop when nobody waits any more', async (t) => {
  for (const ending of [(client) => client.command('cancel'), (client) => client.close()]) {
    const one = patient();
    const client = await connect(t, (await serve(t, one.handler)).url);
    const asking = assert.rejects(client.query('forever'));
    await one.began;
    await ending(client);
    await one.ended;
    await asking;
  }
  const slow = patient();
  const client = await connect(t, (await serve(t, slow.handler, { answerTimeoutMs: 200 })).url);
  await assert.rejects(client.query('too long'), { code: 'AGENT_WS_AGENT' });
  await slow.ended;
});

test('closing the service ends handlers and sessions', async (t) => {
  const one = patient();
  const service = await serve(t, one.handler);
  const client = await connect(t, service.url);
  const asking = assert.rejects(client.query('x'), { kind: 'network' });
  await one.began;
  await service.close();
  await one.ended;
  await asking;
  await until(client.events(), 'disconnected');
  await service.close();
  await assert.rejects(AgentWebSocketClient.connect(service.url), { code: 'AGENT_WS_CONNECT' });
});

test('tokens, paths and ports are kept', async (t) => {
  const service = await serve(t, count, { tokens: ['open sesame'], path: '/agent' });
  assert.ok(service.url.endsWith('/agent'));
  const bearer = 'open sesame';
  await assert.rejects(AgentWebSocketClient.connect(service.url), { code: 'AGENT_WS_REFUSED', kind: 'authentication' });
  assert.equal((await (await connect(t, service.url, { bearer })).query('a b c')).content, '3');
  await assert.rejects(AgentWebSocketClient.connect(`${service.url}/elsewhere`, { bearer }), { kind: 'authentication' });
  const port = Number(new URL(service.url).port);
  await assert.rejects(AgentWebSocketService.start(count, { port }), { code: 'BINDING_SERVER' });
  await assert.rejects(AgentWebSocketService.start(count, { path: 'agent' }), { code: 'BINDING_ARGUMENT' });
  await assert.rejects(AgentWebSocketService.start('count'), { code: 'BINDING_ARGUMENT' });
});

test('what cannot be asked is refused at once, and much can be asked at a time', async (t) => {
  const client = await connect(t, (await serve(t, count, { rate: { burst: 100, perMinute: 0 } })).url);
  await assert.rejects(client.query(' '), { code: 'AGENT_WS_EMPTY', kind: 'invalid_input' });
  await assert.rejects(client.query('x'.repeat(70_000)), { code: 'AGENT_WS_TOO_LONG', kind: 'invalid_input' });
  const questions = Array.from({ length: 16 }, (_, n) => 'x '.repeat(n + 1));
  const answers = await Promise.all(questions.map((question) => client.query(question)));
  assert.deepEqual(answers.map(({ content }) => content), questions.map((_, n) => String(n + 1)));
  await client.humanFeedback('good', { stars: 5 });
  await assert.rejects(AgentWebSocketClient.connect('http://127.0.0.1'), { kind: 'invalid_input' });
});

test('waiting has a limit, and can be given up', async (t) => {
  const one = patient();
  const client = await connect(t, (await serve(t, one.handler)).url);
  await assert.rejects(client.query('x', { timeoutMs: 100 }), { code: 'AGENT_WS_TIMEOUT', kind: 'timeout' });
  const gone = new AbortController();
  const asking = client.query('y', { signal: gone.signal });
  gone.abort(new Error('enough'));
  await assert.rejects(asking, { message: 'enough' });
});

test('the command line talks to an agent in Node', async (t) => {
  const service = await serve(t, count);
  const child = spawn(given('AGENTMESH_TEST_CLI'), ['chat', service.url], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end('how many words are these\n');
  let said = '';
  for await (const piece of child.stdout) said += piece;
  assert.equal(said.trim(), '5');
});
