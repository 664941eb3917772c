// Node with Python, both ways, over a server in a process of its own; and one agent whose home goes from language to language.
// The Python package is the one that `scripts/python.sh` installed. In CI it must be there.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { promisify } from 'node:util';
import { AgentMeshClient, Key, Policy, SqliteStorage } from '@agentmesh/sdk';
import { after, agent, directory, given, next, serverProcess } from './support.mjs';

const python = join(given('AGENTMESH_TEST_SOURCE'), 'target', 'python', 'venv', 'bin', 'python');
const peer = join(given('AGENTMESH_TEST_SOURCE'), 'bindings', 'node', 'tests', 'peer.py');
const missing = !existsSync(python);
if (missing && process.env.CI === 'true') throw new Error(`${python} is missing: run scripts/python.sh before scripts/node.sh`);
const skip = missing && 'the Python package is not installed: run scripts/python.sh before';

/** An agent in Python, whose answers are awaited. */
class Python {
  static async start(t, home, urls) {
    const made = new Python();
    made.child = spawn(python, [peer, home, urls.registryUrl, urls.relayUrl], { stdio: ['pipe', 'pipe', 'inherit'] });
    after(t, () => made.stop());
    made.lines = createInterface({ input: made.child.stdout })[Symbol.asyncIterator]();
    made.amid = (await made.heard()).amid;
    return made;
  }

  async heard() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the agent in Python ended');
    return JSON.parse(value);
  }

  async does(order) {
    this.child.stdin.write(`${JSON.stringify(order)}\n`);
    return this.heard();
  }

  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.stdin.end();
    await once(this.child, 'exit');
  }
}

/** Both ends of something, so that neither fails unheard. */
const both = (...ends) => Promise.all(ends);

test('Node and Python talk, whoever begins', { skip }, async (t) => {
  for (const first of ['Node', 'Python']) {
    const home = directory(t);
    const urls = await serverProcess(t, home);
    mkdirSync(join(home, 'python'));
    const other = await Python.start(t, join(home, 'python'), urls);
    const node = await agent(t, urls);
    const messages = node.messages();
    const toPython = async () => {
      const [sent, heard] = await both(
        node.send(other.amid, { from: 'nöde' }, { wait: 'handled' }),
        other.does({ do: 'receive' }),
      );
      assert.deepEqual([sent.stage, heard.payload, heard.from], ['handled', { from: 'nöde' }, node.amid]);
    };
    const toNode = async () => {
      const [message] = await both(next(messages), other.does({ do: 'send', to: node.amid, payload: { from: 'pythön' } }));
      assert.deepEqual([message.payload, message.from], [{ from: 'pythön' }, other.amid]);
    };
    if (first === 'Node') await toPython();
    await toNode();
    await toPython();
    const [session] = await node.getSessions();
    assert.deepEqual([session.initiator, session.suite], [first === 'Node', 'x25519-mlkem768']);
    assert.deepEqual((await other.does({ do: 'sessions' })).sessions, [session.id]);
    await other.stop();
  }
});

test('requests and streams go both ways', { skip }, async (t) => {
  const home = directory(t);
  const urls = await serverProcess(t, home);
  const other = await Python.start(t, home, urls);
  const node = await agent(t, urls);
  const [response] = await both(node.request(other.amid, [1, 'zwei']), other.does({ do: 'answer' }));
  assert.deepEqual(response.payload, { python: [1, 'zwei'] });
  node.onRequest(({ payload, wantsStream }) => (wantsStream ? tokens() : { node: payload }));
  async function* tokens() {
    yield 'to';
    yield 'kens';
  }
  assert.deepEqual(await other.does({ do: 'request', to: node.amid, payload: [null, 1.5] }), { payload: { node: [null, 1.5] } });
  assert.deepEqual(await other.does({ do: 'stream', to: node.amid, payload: 'go' }), { payload: ['to', 'kens'] });
});

test('an agent that began in Python goes on in Node, and then in Rust: the same session, the same records', { skip }, async (t) => {
  const root = directory(t);
  const urls = await serverProcess(t, root);
  const home = join(root, 'home');
  mkdirSync(home);
  const run = promisify(execFile);
  const records = async () => JSON.parse((await run(python, [peer, home])).stdout).records;
  const cli = async (...command) => {
    const how = ['--home', home, '--registry', urls.registryUrl, '--relay', urls.relayUrl, '--json'];
    const { stdout } = await run(given('AGENTMESH_TEST_CLI'), [...how, ...command], { timeout: 60_000 });
    return stdout.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  };
  const open = (options) =>
    AgentMeshClient.create({
      storage: new SqliteStorage(join(home, 'agent.db')),
      key: Key.file(join(home, 'store.key')),
      policy: Policy.permissive(),
      mode: 'load',
      ...options,
    });
  const other = await agent(t, urls);
  const messages = other.messages();

  const began = await Python.start(t, home, urls);
  const { amid } = began;
  const [first] = await both(next(messages), began.does({ do: 'send', to: other.amid, payload: 'Python' }));
  const [id] = (await began.does({ do: 'sessions' })).sessions;
  await began.stop();
  const ofPython = await records();
  assert.equal(ofPython.length, 1);

  // Opened and closed, nothing of the session is written anew: what Python wrote is what Node would have written.
  const looked = await open({ offline: true });
  assert.deepEqual([looked.amid, (await looked.getSessions()).map((session) => session.id)], [amid, [id]]);
  await looked.close();
  assert.deepEqual(await records(), ofPython);

  const node = await open(urls);
  await node.connect();
  const [second] = await both(next(messages), node.send(other.amid, 'Node', { wait: 'handled' }));
  const [, answer] = await both(other.send(amid, 'to Node', { wait: 'handled' }), next(node.messages()));
  assert.equal(answer.payload, 'to Node');
  await node.close();
  const ofNode = await records();
  assert.notDeepEqual(ofNode, ofPython);

  const status = await cli('sessions');
  assert.ok(JSON.stringify(status).includes(id), JSON.stringify(status));
  assert.deepEqual(await records(), ofNode);
  const [third] = await both(next(messages), cli('send', other.amid, '"Rust"', '--wait', 'handled'));

  assert.deepEqual(
    [first, second, third].map(({ payload, from, seq }) => [payload, from, seq - first.seq]),
    [['Python', amid, 0], ['Node', amid, 1], ['Rust', amid, 2]],
  );
  assert.deepEqual((await other.getSessions()).map((session) => session.id), [id], 'one session all the way');
});
