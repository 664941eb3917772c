// User data: skills, conversations, settings, sandboxes and the channel to an agent, with hooks.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { inspect } from 'node:util';
import test from 'node:test';
import { HookPolicy, UserDataClient } from '@agentmesh/sdk/user-data';
import { after, given, server, until } from './support.mjs';

async function client(t) {
  const { url } = await server(t, { userData: true });
  return [new UserDataClient(url, { apiKey: 'any-key-will-do' }), url];
}

async function channel(t, data, session, options) {
  const opened = await data.channel(session, options);
  after(t, () => opened.close());
  return opened;
}

test('skills, conversations and settings are kept', async (t) => {
  const [data] = await client(t);
  assert.ok((await data.putSkill('alice', 'débug.md', '# Wörld')).startsWith('users/alice/skills/'));
  assert.deepEqual(await data.listSkills('alice'), ['débug.md']);
  const { name, content, size } = await data.skill('alice', 'débug.md');
  assert.deepEqual({ name, content, size }, { name: 'débug.md', content: '# Wörld', size: 8 });
  await data.deleteSkill('alice', 'débug.md');
  assert.deepEqual(await data.listSkills('alice'), []);
  await assert.rejects(data.skill('alice', 'débug.md'), { code: 'USER_DATA_NOT_FOUND', kind: 'not_found' });

  const messages = [{ role: 'user', content: 'Hello' }, { role: 'assistant', content: 'Hi!' }];
  await data.saveConversation('alice', { conversationId: 'c1', messages, metadata: { started_at: 'now' } });
  await data.saveConversation('alice', { conversationId: 'c2', messages: [], more: { a: [1.5, null] } });
  const saved = await data.conversation('alice', 'c1');
  assert.deepEqual([saved.id, saved.messages, saved.body.metadata], ['c1', messages, { started_at: 'now' }]);
  assert.deepEqual((await data.conversation('alice', 'c2')).body.more, { a: [1.5, null] });
  assert.deepEqual((await data.listConversations('alice')).map(({ id }) => id), ['c1', 'c2']);
  await data.deleteConversation('alice', 'c1');
  assert.equal((await data.listConversations('alice')).length, 1);

  await data.putSettings('alice', { theme: 'dark' });
  await data.putSettings('alice', { n: 1 }, { name: 'other' });
  assert.deepEqual((await data.settings('alice')).values, { theme: 'dark' });
  assert.deepEqual((await data.settings('alice', { name: 'other' })).values, { n: 1 });
  await data.deleteSettings('alice');
  await assert.rejects(data.settings('alice'), { kind: 'not_found' });
  assert.ok(['healthy', 'ok'].includes((await data.health()).status));
});

test('what no server takes is not sent', async (t) => {
  const [data] = await client(t);
  // All at once: a promise that fails while another is waited for would be nobody's.
  const calls = [data.putSkill('alice', '../x', 'y'), data.skill('', 'x'), data.setup('a/b')];
  const invalid = { code: 'USER_DATA_INVALID_NAME', kind: 'invalid_input' };
  await Promise.all(calls.map((call) => assert.rejects(call, invalid)));
  await assert.rejects(data.putSkill('alice', 'x', ''), { code: 'USER_DATA_INVALID' });
  await assert.rejects(data.saveConversation('alice', { messages: [] }), { code: 'BINDING_ARGUMENT' });
  await assert.rejects(data.putSettings('alice', 'dark'), { code: 'BINDING_ARGUMENT' });
  await assert.rejects(data.channel('s', { token: 't', useApiKey: true }), { code: 'BINDING_ARGUMENT' });
  assert.throws(() => new UserDataClient('http://example.com', { apiKey: 'k' }), { code: 'USER_DATA_CONFIG' });
  const away = new UserDataClient('http://127.0.0.1:1', { retryPausesMs: [] });
  await assert.rejects(away.health(), { code: 'USER_DATA_UNREACHABLE', kind: 'network' });
  await assert.rejects(data.health({ signal: AbortSignal.abort() }), { name: 'AbortError' });
  assert.doesNotMatch(inspect(data), /any-key/);
});

test("it is the same data as the command line's", async (t) => {
  const [data, url] = await client(t);
  await data.putSkill('alice', 'from-node.md', '# Node');
  const out = execFileSync(given('AGENTMESH_TEST_CLI'), ['--json', 'skills', 'list', '--url', url, '--user', 'alice'], {
    env: { ...process.env, AGENTMESH_API_KEY: 'any-key-will-do' },
    timeout: 60_000,
  });
  assert.equal(JSON.parse(out).skill, 'from-node.md');
});

test('a conversation with an agent is read as it comes, and saved', async (t) => {
  const [data] = await client(t);
  const session = await channel(t, data, 'session-1', { user: 'alice', skills: { 'debugging.md': '# Debugging' } });
  const events = session.events();
  await until(events, 'connected');
  assert.equal(session.isConnected, true);
  const { setup } = session;
  assert.deepEqual([setup.userId, setup.skillsLoaded.length], ['alice', 1]);
  assert.ok(setup.sessionToken === null || !(inspect(setup) + JSON.stringify(setup)).includes(setup.sessionToken));

  const parts = [];
  for await (const part of await session.send('hello wörld', { maxTurns: 5 })) parts.push(part);
  const { type, text, isError } = parts.at(-1);
  assert.deepEqual([type, text, isError], ['end', 'hello wörld', false]);
  assert.ok(parts.some((part) => part.type === 'delta' && part.isText));
  const said = parts.filter((part) => part.type === 'message' && part.message.role === 'assistant');
  assert.equal(said.at(-1).message.text, 'hello wörld');

  assert.equal((await session.ask('again')).text, 'again');
  const history = await session.history();
  assert.deepEqual(history.slice(-2).map((message) => message.text), ['again', 'again']);
  assert.equal(typeof (await session.diagnostics()), 'object');
  await session.save('alice', 'conv-1');
  assert.equal((await data.conversation('alice', 'conv-1')).messages.length, 4);
  await session.clear();
  assert.deepEqual(await session.history(), []);
  await session.close();
  assert.equal((await until(events, 'closed')).error.kind, 'closed');
  await assert.rejects(session.send('late'), { kind: 'closed' });
  await data.destroySandbox('session-1');
});

test("an empty prompt is the turn's error, and one turn runs at a time", async (t) => {
  const [data] = await client(t);
  const empty = await channel(t, data, 'session-2');
  await assert.rejects(empty.ask(''), { code: 'USER_DATA_INVALID', kind: 'invalid_input' });

  let decide;
  const hooks = HookPolicy.ask(() => new Promise((resolve) => (decide = resolve)));
  const session = await channel(t, data, 'session-3', { hooks });
  const turn = await session.send('/tool Bash {}');
  await assert.rejects(session.ask('two'), { code: 'USER_DATA_TURN_RUNNING', kind: 'conflict' });
  await session.interrupt('enough');
  await assert.rejects(turn.end(), { code: 'USER_DATA_INTERRUPTED' });
  decide?.(false);
});

test('hooks are answered by a policy and by handlers', async (t) => {
  t.mock.method(console, 'error', () => undefined);
  const [data] = await client(t);
  const approve = async ({ toolName }) => (toolName === 'Read' ? { action: 'approve' } : undefined);
  const fail = () => {
    throw new Error('as a bug would');
  };
  const cases = [
    [undefined, 'Read', 'deny'],
    [HookPolicy.allowTools(['Read']), 'Read', 'continue'],
    [HookPolicy.allowTools(['Read']), 'Bash', 'deny'],
    [HookPolicy.allowAllTools(), 'Bash', 'continue'],
    [HookPolicy.ask(approve), 'Read', 'approve'],
    [HookPolicy.ask(approve), 'Bash', 'deny'],
    [HookPolicy.allowAllTools(() => false), 'Read', 'deny'],
    [HookPolicy.allowTools(['Read'], fail), 'Read', 'continue'],
  ];
  for (const [number, [hooks, tool, action]] of cases.entries()) {
    const session = await channel(t, data, `hooks-${number}`, { hooks });
    const events = session.events();
    await session.ask(`/tool ${tool} {}`);
    let answered = await until(events, 'hookAnswered');
    while (answered.request.event !== 'PreToolUse') answered = await until(events, 'hookAnswered');
    assert.deepEqual([answered.request.toolName, answered.answer.action, answered.tooLate], [tool, action, false], String(number));
  }
});

test('an aborted turn is left, and the agent goes on', async (t) => {
  const [data] = await client(t);
  const session = await channel(t, data, 'session-4');
  const gone = new AbortController();
  const turn = await session.send('all of it', { signal: gone.signal });
  gone.abort();
  assert.equal((await turn.next()).done, true);
  await assert.rejects(turn.end(), /left/);
});
