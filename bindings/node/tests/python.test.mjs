// Node with Python, both ways, over a server in a process of its own.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { both, Python, skip } from './peer.mjs';
import { agent, directory, next, serverProcess } from './support.mjs';

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
