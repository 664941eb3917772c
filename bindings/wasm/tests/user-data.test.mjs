// The template for user data (examples/cloudflare-user-data): the documented commands in `wrangler dev`; the cases of the service's
// document against the Worker and against agentmesh-server; and the Rust client against both.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { AUTH, caller, CASES, expected, KEY, seed, skill } from './user-data.cases.mjs';
import { bundle, directory, given, server, template, workerd, wranglerDev, wranglerDryRun } from './support.mjs';

const run = promisify(execFile);

test('the template is what wrangler deploys, and its documented commands do what is printed in wrangler dev', async (t) => {
  const home = template(t, 'cloudflare-user-data');
  await wranglerDryRun(home);
  writeFileSync(join(home, '.dev.vars'), seed('03.env'));
  const url = await wranglerDev(t, home);
  const curl = async (text) => {
    const command = text.trimEnd().replaceAll(/https:\/\/(your-worker\.workers\.dev|api\.example\.com)/g, url).replaceAll('YOUR_API_KEY', '${API_KEY}');
    const env = { ...process.env, no_proxy: '*', API_KEY: 'your_worker_api_key' };
    const { stdout } = await run('bash', ['-c', `${command} -sS -w '\\n%{http_code}'`], { env });
    const end = stdout.lastIndexOf('\n');
    return [Number(stdout.slice(end + 1)), JSON.parse(stdout.slice(0, end))];
  };
  const good = async (file) => {
    const [status, body] = await curl(seed(file));
    assert.equal(status, 200, `${file}: ${JSON.stringify(body)}`);
    return body;
  };
  assert.equal((await good('06.sh')).key, 'users/user-123/skills/debugging.md');
  assert.equal((await curl(seed('06.sh').replace('debugging.md', 'testing.md')))[0], 200);
  assert.deepEqual(await good('07.sh'), expected('08.json'));
  assert.deepEqual(await good('09.sh'), expected('10.json'));
  assert.equal((await good('13.sh')).key, 'users/user-123/conversations/conv-123.json');
  const { conversation } = await good('14.sh');
  assert.deepEqual([conversation.messages[1], conversation.metadata.endedAt], [{ role: 'assistant', content: 'Hi!' }, '2025-01-15T10:15:00Z']);
  // The flow in one piece: its third step is a program, and the body of its fourth only hinted at.
  const part = (n) => seed('15.sh').split(`# ${n}.`)[1].split('\n').slice(1).join('\n').split('\n\n')[0];
  assert.equal((await curl(part(1)))[0], 200);
  assert.equal((await curl(part(2)))[1].userId, 'alice');
  assert.equal((await curl(part(4)))[0], 400);
  assert.equal((await curl(part(4).replace('[...]', '[]')))[0], 200);
});

test('the script for the bucket makes what is missing, and again changes nothing', (t) => {
  const home = template(t, 'cloudflare-user-data');
  const [calls, made] = [join(home, 'calls'), join(home, 'made')];
  const wrangler = join(home, 'wrangler');
  // What wrangler does: `info` fails for a bucket that is not there, `create` for one that is.
  writeFileSync(wrangler, `#!/bin/sh\necho "$*" >>'${calls}'\ncase "$3" in\ninfo) [ -e '${made}' ] ;;\ncreate) [ ! -e '${made}' ] && : >'${made}' ;;\nesac\n`, { mode: 0o755 });
  const script = join(home, 'scripts', 'setup-r2.sh');
  execFileSync('bash', ['-n', script]);
  const setUp = () => execFileSync(script, { env: { ...process.env, WRANGLER: wrangler }, encoding: 'utf8' });
  rmSync(join(home, '.dev.vars'), { force: true });
  setUp();
  const bucket = 'claude-agent-user-data';
  assert.equal(readFileSync(calls, 'utf8'), `r2 bucket info ${bucket}\nr2 bucket create ${bucket}\n`);
  assert.equal(readFileSync(join(home, '.dev.vars'), 'utf8'), seed('03.env'));
  assert.equal(statSync(join(home, '.dev.vars')).mode & 0o077, 0, 'secrets are for their owner');
  writeFileSync(join(home, '.dev.vars'), 'API_KEY=mine\n');
  assert.match(setUp(), /is there/);
  assert.equal(readFileSync(calls, 'utf8').match(/create/g).length, 1);
  assert.equal(readFileSync(join(home, '.dev.vars'), 'utf8'), 'API_KEY=mine\n');
});

/** The Worker, with the world around it. */
async function worker(t, options = {}) {
  const place = join(import.meta.dirname, 'cloudflare-user-data');
  if (!existsSync(place)) cpSync(join(given('AGENTMESH_TEST_SOURCE'), 'examples', 'cloudflare-user-data'), place, { recursive: true });
  const mf = await workerd(t, {
    ...(await bundle(join(import.meta.dirname, 'user-data.worker.mjs'), directory(t))),
    bindings: { API_KEY: KEY },
    r2Buckets: ['USER_DATA'],
    durableObjects: { SANDBOX: { className: 'Sandbox', useSQLite: true } },
    ...options,
  });
  const url = (await mf.ready).origin;
  const told = (what) => async (body) => {
    const response = await fetch(`${url}/test/${what}`, { method: 'POST', body: JSON.stringify(body) });
    assert.equal(response.status, 200);
    return response.json();
  };
  return { url, world: told('world'), fill: told('fill'), put: told('put'), read: told('read') };
}

async function reference(t) {
  const limits = ['--user-data-writes-per-minute', '0', '--user-data-reads-per-minute', '0'];
  const urls = await server(t, { args: ['--user-data', ...limits], env: { API_KEY: KEY } });
  return { url: new URL(urls.AGENTMESH_REGISTRY_URL).origin };
}

/** The Rust client. */
async function client(url) {
  const agentmesh = async (...command) => {
    const how = ['--url', url, '--user', 'of-rust'];
    const env = { ...process.env, AGENTMESH_API_KEY: KEY };
    const { stdout } = await run(given('AGENTMESH_TEST_CLI'), ['--json', ...command, ...how], { env, timeout: 60_000 });
    return stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  };
  const file = join(import.meta.dirname, `skill-${new URL(url).port}.md`);
  writeFileSync(file, '# Wörld');
  assert.equal((await agentmesh('skills', 'put', 'débug.md', file))[0].key, 'users/of-rust/skills/débug.md');
  assert.deepEqual((await agentmesh('skills', 'list')).map((one) => one.skill), ['débug.md']);
  assert.equal((await agentmesh('skills', 'get', 'débug.md'))[0].content, '# Wörld');
  await agentmesh('skills', 'delete', 'débug.md');
  assert.deepEqual(await agentmesh('skills', 'list'), []);
}

test('the same cases hold for agentmesh-server and for the Worker', async (t) => {
  for (const [name, service] of [['agentmesh-server', await reference(t)], ['Worker', await worker(t)]]) {
    for (const [what, play] of Object.entries(CASES)) await t.test(`${name}: ${what}`, () => play(caller(service.url), service.url));
    await t.test(`${name}: the Rust client`, () => client(service.url));
  }
});

test('the Worker alone: limits, mounts, a bucket that is down, both layouts, no key', async (t) => {
  const { url, world, fill, put, read } = await worker(t);
  const call = caller(url);

  await t.test('more skills than a page are all listed, and there may not be more', async () => {
    await fill({ user: 'many', count: 1100 });
    const [, { count, skills }] = await call('GET', '/users/many/skills');
    assert.deepEqual([count, skills.length], [1100, 1100]);
    assert.deepEqual(await skill(call, 'many', 'one-more', 'x'), [409, { error: 'Too many skills' }]);
    assert.equal((await skill(call, 'many', 's1', 'y'))[0], 200);
  });

  await t.test('skills of the other layout are read, and replaced', async () => {
    await put({ key: 'users/l/skills/a/SKILL.md', value: 'nested' });
    await put({ key: 'users/l/skills/a/other.txt', value: 'no skill' });
    assert.deepEqual((await call('GET', '/users/l/skills'))[1].skills, ['a']);
    assert.equal((await call('GET', '/users/l/skills/a'))[1].content, 'nested');
    await skill(call, 'l', 'a', 'flat');
    assert.equal((await call('GET', '/users/l/skills/a'))[1].content, 'flat');
    await call('DELETE', '/users/l/skills/a');
    assert.equal((await call('GET', '/users/l/skills'))[1].count, 0);
  });

  await t.test("in production there is a view of the user's own skills; where none can be made they are copied", async () => {
    await skill(call, 'user-123', 'a.md', 'mine');
    await skill(call, 'another', 'b.md', 'not mine');
    await world({ environment: 'production' });
    assert.deepEqual(await call('POST', '/setup/session-abc?userId=user-123'), [200, expected('11.json')]);
    const file = (name) => read({ session: 'session-abc', path: `/workspace/.claude/skills/${name}` });
    assert.deepEqual([await file('a.md'), await file('b.md'), await file('../../another/skills/b.md')], ['mine', null, null]);
    await world({ mountFails: true });
    const [, ready] = await call('POST', '/setup/session-abc?userId=another');
    assert.deepEqual([ready.setupMethod, ready.skillsLoaded], ['r2_load_fallback', ['/workspace/.claude/skills/b.md']]);
    assert.deepEqual([await file('a.md'), await file('b.md')], [null, 'not mine']);
    await world({ environment: 'development', mountFails: false });
  });

  await t.test('a bucket that is down is said to be, and no more', async () => {
    await world({ broken: true });
    const down = [503, { error: 'Storage unavailable' }];
    for (const [method, path, body] of [
      ['GET', '/users/u/skills'], ['POST', '/users/u/skills', { name: 'a', content: 'x' }], ['GET', '/users/u/skills/a'], ['DELETE', '/users/u/skills/a'],
      ['POST', '/users/u/conversations', { conversationId: 'c' }], ['GET', '/users/u/conversations'], ['GET', '/users/u/conversations/c'],
      ['DELETE', '/users/u/conversations/c'], ['GET', '/users/u/settings'], ['POST', '/setup/s?userId=u'],
    ]) {
      assert.deepEqual(await call(method, path, body), down, `${method} ${path}`);
    }
    await world({ broken: false });
    assert.equal((await call('GET', '/users/u/skills'))[0], 200);
  });

  await t.test('the channel has no agent, and wants the key', async () => {
    const upgrade = { Upgrade: 'websocket', Connection: 'Upgrade' };
    const ask = (Authorization) => new Promise((resolve, reject) => {
      execFile('curl', ['-sS', '--noproxy', '*', '-o', '/dev/null', '-w', '%{http_code}', '-H', `Authorization: ${Authorization}`, ...Object.entries(upgrade).flatMap(([name, value]) => ['-H', `${name}: ${value}`]), `${url}/ws?sessionId=s`], (error, out) => (error ? reject(error) : resolve(Number(out))));
    });
    assert.deepEqual([await ask('Bearer wrong'), await ask(AUTH)], [401, 501]);
  });
});

test('a Worker without a key, or with a short one, is closed and not open', async (t) => {
  for (const bindings of [{}, { API_KEY: 'short' }]) {
    const { url } = await worker(t, { bindings });
    const call = caller(url);
    assert.deepEqual(await call('GET', '/users/u/skills'), [503, { error: 'The service is not configured' }]);
    assert.deepEqual(await call('GET', '/users/u/skills', undefined, { Authorization: 'Bearer short' }), [503, { error: 'The service is not configured' }]);
    assert.equal((await fetch(`${url}/health`)).status, 200);
  }
});

test('users are slowed down each for themselves', async (t) => {
  const ratelimits = { WRITES: { simple: { limit: 2, period: 60 } }, READS: { simple: { limit: 3, period: 60 } } };
  const { url } = await worker(t, { ratelimits });
  const call = caller(url);
  for (let n = 0; n < 2; n++) assert.equal((await skill(call, 'u', 'a', 'x'))[0], 200);
  assert.deepEqual(await skill(call, 'u', 'a', 'x'), [429, { error: 'Too many requests' }]);
  for (let n = 0; n < 3; n++) assert.equal((await call('GET', '/users/u/skills'))[0], 200);
  assert.equal((await call('GET', '/users/u/skills'))[0], 429);
  assert.equal((await skill(call, 'v', 'a', 'x'))[0], 200);
});
