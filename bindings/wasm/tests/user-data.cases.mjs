// The cases of the service's document (docs/guides/user-data-service.md) that are about HTTP, for whoever answers at a URL with an empty
// store, without limits a minute, in development.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { given } from './support.mjs';

export const KEY = 'an-api-key-for-tests';
export const AUTH = `Bearer ${KEY}`;

/** A code block of the document for users. */
export const seed = (file) => readFileSync(join(given('AGENTMESH_TEST_SOURCE'), 'tests', 'seeds', 'r2-user-data', file), 'utf8');
export const expected = (file) => JSON.parse(seed(file));

/** Status and JSON of an answer. */
export const caller = (url) => async (method, path, body, headers = {}) => {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url + path, { method, body: text, headers: { Authorization: AUTH, ...headers } });
  assert.equal(response.headers.get('access-control-allow-origin'), null);
  return [response.status, await response.json()];
};

export const skill = (call, user, name, content) => call('POST', `/users/${user}/skills`, { name, content });
const iso = (text) => assert.equal(new Date(text).toISOString(), text);
/** What comes in addition where there is a channel. */
const withoutToken = ([status, { sessionToken, ...body }]) => [status, body];

/** Each has users of its own. */
export const CASES = {
  async 'a saved skill is answered with five fields and its key'(call) {
    assert.deepEqual(await skill(call, 'c1', 'debugging.md', '# Debugging'), [
      200,
      {
        status: 'success',
        userId: 'c1',
        skillName: 'debugging.md',
        key: 'users/c1/skills/debugging.md',
        message: 'Skill saved to R2. Call /setup/:sessionId to load into sandbox.',
      },
    ]);
  },
  async 'lists are sorted, in parts if one likes, and unknown users have none'(call) {
    for (const name of ['testing.md', 'debugging.md']) await skill(call, 'user-123', name, 'x');
    assert.deepEqual(await call('GET', '/users/user-123/skills'), [200, expected('08.json')]);
    assert.deepEqual(await call('GET', '/users/nobody/skills'), [200, { userId: 'nobody', skills: [], count: 0 }]);
    const [, first] = await call('GET', '/users/user-123/skills?limit=1');
    assert.deepEqual([first.skills, first.cursor], [['debugging.md'], 'debugging.md']);
    const [, rest] = await call('GET', '/users/user-123/skills?limit=1&cursor=debugging.md');
    assert.deepEqual([rest.skills, rest.cursor], [['testing.md'], undefined]);
    for (const bad of ['limit=0', 'limit=x', 'cursor=..']) assert.equal((await call('GET', `/users/user-123/skills?${bad}`))[0], 400, bad);
  },
  async 'a skill comes back byte for byte'(call, url) {
    const content = '# ö\r\n\tx \u0000😀';
    await skill(call, 'c3', 'a.md', content);
    const [status, { metadata, uploaded, ...found }] = await call('GET', '/users/c3/skills/a.md');
    const size = Buffer.byteLength(content);
    assert.deepEqual([status, found, metadata.userId], [200, { userId: 'c3', skillName: 'a.md', content, size }, 'c3']);
    iso(metadata.uploadedAt);
    iso(uploaded);
    const head = await fetch(`${url}/users/c3/skills/a.md`, { method: 'HEAD', headers: { Authorization: AUTH } });
    assert.deepEqual([head.status, await head.text()], [200, '']);
    await skill(call, 'c3', 'a.md', 'second');
    const [, second] = await call('GET', '/users/c3/skills/a.md');
    assert.ok(second.content === 'second' && second.uploaded >= uploaded);
    assert.equal((await call('GET', '/users/c3/skills'))[1].count, 1);
  },
  async 'deleting twice succeeds twice'(call) {
    await skill(call, 'c4', 'a.md', 'x');
    const deleted = { status: 'deleted', userId: 'c4', skillName: 'a.md', key: 'users/c4/skills/a.md' };
    for (let n = 0; n < 2; n++) assert.deepEqual(await call('DELETE', '/users/c4/skills/a.md'), [200, deleted]);
    assert.deepEqual(await call('GET', '/users/c4/skills/a.md'), [404, { error: 'Skill not found' }]);
  },
  async 'every protected route wants the key'(call, url) {
    const routes = [
      'GET /users/u/skills', 'POST /users/u/skills', 'GET /users/u/skills/a', 'DELETE /users/u/skills/a', 'GET /users/u/conversations',
      'POST /users/u/conversations', 'GET /users/u/conversations/a', 'DELETE /users/u/conversations/a', 'GET /users/u/settings',
      'PUT /users/u/settings/a', 'DELETE /users/u/settings/a', 'GET /users/u/unknown', 'POST /setup/s5', 'DELETE /sandbox/s5',
    ];
    const wrong = ['', 'Bearer', 'Bearer ', 'Bearer wrong', 'Basic YTpi', `Bearer ${KEY}x`, KEY];
    for (const route of routes) {
      const [method, path] = route.split(' ');
      for (const Authorization of wrong) {
        assert.deepEqual(await call(method, path, undefined, { Authorization }), [401, { error: 'Unauthorized' }], `${route} ${Authorization}`);
      }
      for (const scheme of ['Bearer', 'bearer']) {
        assert.notEqual((await call(method, path, undefined, { Authorization: `${scheme} ${KEY}` }))[0], 401, route);
      }
    }
    for (const open of ['/health', '/_info']) assert.equal((await fetch(url + open)).status, 200);
  },
  async 'skills need a name and content'(call) {
    const bodies = ['{bad', 'null', '[]', '5', '', '{"name":"a"}', '{"name":"a","content":""}', '{"name":5,"content":"x"}', '{"name":"a","content":5}', '{"name":"","content":"x"}'];
    for (const body of bodies) {
      assert.deepEqual(await call('POST', '/users/c7/skills', body), [400, { error: 'Skill name and content are required' }], body);
    }
    assert.equal((await call('GET', '/users/c7/skills'))[1].count, 0);
  },
  async 'names that lead elsewhere are refused'(call) {
    await skill(call, 'bob', 'b', "bob's");
    for (const name of ['../x', 'a/b', '..', '.x', 'a\\b', 'a\0', '.', '../../bob/skills/b', 'nul.md', 'x ', 'a\u202eb', 'x'.repeat(129), '€'.repeat(86)]) {
      assert.deepEqual(await skill(call, 'c8', name, 'x'), [400, { error: 'Invalid skill name' }], name);
    }
    for (const segment of ['..%2Fx', 'a%2Fb', '.x', 'a%5Cb', 'a%00', '%E0%A4%A', '..%2f..%2fbob%2fskills%2fb']) {
      for (const method of ['GET', 'DELETE']) assert.equal((await call(method, `/users/c8/skills/${segment}`))[0], 400, segment);
    }
    for (const [path, error] of [
      ['/users/..%2Fbob/skills', 'Invalid user id'],
      ['/users/%00/skills', 'Invalid user id'],
      ['/users/CON/skills', 'Invalid user id'],
      ['/users/u/skills/', 'Invalid skill name'],
      ['/users/u/conversations/..%2F..', 'Invalid conversation id'],
      ['/users/u/settings/..%2Fx', 'Invalid settings name'],
    ]) {
      assert.deepEqual(await call('GET', path), [400, { error }], path);
    }
    // Decoded once: this is a name, with a percent sign in it.
    assert.equal((await call('GET', '/users/u/skills/a%252Fb'))[0], 404);
    assert.deepEqual(await call('POST', '/setup/..%2Fs'), [400, { error: 'Invalid session id' }]);
    assert.deepEqual(await call('POST', '/setup/s?userId=../bob'), [400, { error: 'Invalid user id' }]);
    assert.deepEqual((await call('GET', '/users/bob/skills'))[1].skills, ['b']);
    assert.equal((await call('GET', '/users/c8/skills'))[1].count, 0);
  },
  async 'names in any script are kept'(call) {
    for (const name of ['你好.md', '😀']) {
      assert.equal((await skill(call, 'c9', name, name))[0], 200);
      assert.equal((await call('GET', `/users/c9/skills/${encodeURIComponent(name)}`))[1].content, name);
    }
    await skill(call, 'c9', 'e\u0301', 'decomposed');
    await skill(call, 'c9', 'é', 'composed');
    assert.equal((await call('GET', '/users/c9/skills/e%CC%81'))[1].content, 'composed');
    assert.equal((await call('GET', '/users/c9/skills'))[1].count, 3);
  },
  async 'conversations come back as they were saved'(call, url) {
    const body = { conversationId: 'conv-123', messages: [{ role: 'user', content: 'Hello' }], more: { a: [1.5, null, 'ö'] } };
    const key = 'users/c10/conversations/conv-123.json';
    assert.deepEqual(await call('POST', '/users/c10/conversations', body), [200, { status: 'saved', userId: 'c10', conversationId: 'conv-123', key }]);
    const [status, found] = await call('GET', '/users/c10/conversations/conv-123');
    assert.deepEqual([status, found.conversation, found.metadata.conversationId], [200, body, 'conv-123']);
    iso(found.metadata.savedAt);
    iso(found.uploaded);
    const [, listed] = await call('GET', '/users/c10/conversations');
    const [{ savedAt, ...one }] = listed.conversations;
    assert.deepEqual([listed.count, one], [1, { conversationId: 'conv-123', size: Buffer.byteLength(JSON.stringify(body)) }]);
    iso(savedAt);
    // Numbers stay as they were written.
    await call('POST', '/users/c10/conversations', '{"conversationId":"n","big":12345678901234567890}');
    const raw = await fetch(`${url}/users/c10/conversations/n`, { headers: { Authorization: AUTH } });
    assert.match(await raw.text(), /12345678901234567890/);
    const deleted = { status: 'deleted', userId: 'c10', conversationId: 'conv-123', key };
    for (let n = 0; n < 2; n++) assert.deepEqual(await call('DELETE', '/users/c10/conversations/conv-123'), [200, deleted]);
    assert.deepEqual(await call('GET', '/users/c10/conversations/conv-123'), [404, { error: 'Conversation not found' }]);
  },
  async 'conversations need an id'(call) {
    for (const body of ['{bad', 'null', '[]', '{}', '{"conversationId":""}', '{"conversationId":5}']) {
      assert.deepEqual(await call('POST', '/users/c11/conversations', body), [400, { error: 'conversationId is required' }], body);
    }
    for (const conversationId of ['../../bob/conversations/c', 'a/b', '..']) {
      assert.deepEqual(await call('POST', '/users/c11/conversations', { conversationId }), [400, { error: 'Invalid conversation id' }]);
    }
  },
  async 'users whose ids differ in case are two'(call) {
    await skill(call, 'Alice', 'upper.md', 'A');
    await skill(call, 'alice', 'lower.md', 'a');
    const [, ready] = await call('POST', '/setup/s13?userId=Alice');
    assert.deepEqual([ready.userId, ready.skillsLoaded], ['Alice', ['/workspace/.claude/skills/upper.md']]);
  },
  async 'in development skills are copied, and what is gone is gone'(call) {
    for (const name of ['testing.md', 'debugging.md']) await skill(call, 'user-123', name, name);
    assert.deepEqual(withoutToken(await call('POST', '/setup/session-abc?userId=user-123')), [200, expected('10.json')]);
    await call('DELETE', '/users/user-123/skills/testing.md');
    const [, again] = await call('POST', '/setup/session-abc?userId=user-123');
    assert.deepEqual(again.skillsLoaded, ['/workspace/.claude/skills/debugging.md']);
    const both = await Promise.all([1, 2].map(() => call('POST', '/setup/session-abc?userId=user-123')));
    for (const one of both) assert.deepEqual(one, [200, again]);
    const destroyed = { status: 'destroyed', sessionId: 'session-abc' };
    for (let n = 0; n < 2; n++) assert.deepEqual(await call('DELETE', '/sandbox/session-abc'), [200, destroyed]);
  },
  async 'the user is the session if none is named, and the channel wants an upgrade'(call, url) {
    const message = 'Sandbox prepared. Connect via WebSocket to /ws?sessionId=s17';
    const ready = { status: 'ready', sessionId: 's17', userId: 's17', setupMethod: 'r2_load_dev', message };
    assert.deepEqual(withoutToken(await call('POST', '/setup/s17')), [200, ready]);
    const response = await fetch(`${url}/ws?sessionId=s17`);
    assert.deepEqual([response.status, await response.text()], [426, 'Expected Upgrade: websocket']);
  },
  async 'settings go there and back'(call) {
    const [body, key] = [{ theme: 'dark', nested: { a: [1] } }, 'users/c25/settings/preferences.json'];
    const saved = { status: 'saved', userId: 'c25', name: 'preferences', key };
    assert.deepEqual(await call('PUT', '/users/c25/settings/preferences', body), [200, saved]);
    const [, found] = await call('GET', '/users/c25/settings');
    assert.deepEqual([found.settings, found.name], [body, 'preferences']);
    iso(found.metadata.savedAt);
    assert.deepEqual(await call('DELETE', '/users/c25/settings/preferences'), [200, { ...saved, status: 'deleted' }]);
    assert.deepEqual(await call('GET', '/users/c25/settings'), [404, { error: 'Settings not found' }]);
    for (const bad of ['{bad', 'null', '[]', '5']) {
      assert.deepEqual(await call('PUT', '/users/c25/settings/x', bad), [400, { error: 'Settings must be a JSON object' }], bad);
    }
  },
  async 'what is too large is refused'(call) {
    const tooLarge = [413, { error: 'Payload too large' }];
    assert.deepEqual(await skill(call, 'b14', 'a', 'x'.repeat(2 << 20)), tooLarge);
    assert.deepEqual(await skill(call, 'b14', 'a', 'x'.repeat(10 << 20)), tooLarge);
    assert.equal((await skill(call, 'b14', 'a', '\u0001'.repeat(1 << 20)))[0], 200);
    assert.deepEqual(await call('PUT', '/users/b14/settings/s', { a: 'x'.repeat(300 << 10) }), tooLarge);
    assert.deepEqual(await call('POST', '/users/b14/conversations', { conversationId: 'c', a: 'x'.repeat(11 << 20) }), tooLarge);
  },
  async 'paths and verbs that are not there are answered in JSON'(call, url) {
    for (const path of ['/users', '/users/', '/users/u', '/users/u/x', '/users/u/skills/a/b', '/setup', '/sandbox/s/exec']) {
      assert.deepEqual(await call('GET', path), [404, { error: 'Not found' }], path);
    }
    for (const [method, path, allowed] of [
      ['PUT', '/users/u/skills', 'GET, POST'],
      ['POST', '/users/u/skills/a', 'GET, DELETE'],
      ['PATCH', '/users/u/settings/a', 'GET, PUT, DELETE'],
      ['GET', '/setup/s', 'POST'],
      ['POST', '/sandbox/s', 'DELETE'],
      ['POST', '/_info', 'GET'],
    ]) {
      const response = await fetch(url + path, { method, headers: { Authorization: AUTH } });
      assert.deepEqual([response.status, response.headers.get('allow'), await response.json()], [405, allowed, { error: 'Method not allowed' }], path);
    }
  },
};
