// WebSockets of these platforms cannot be held up: what a relay sends and nobody has read yet is bounded all the same.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { WebSocket } from 'ws';
import { after, server } from './support.mjs';

const MIB = 1 << 20;

/** A relay that says so many MiB more, all of it while the module is busy with what it has just been told to send. */
class Flooding extends WebSocket {
  static waiting = 0;
  static opened = 0;
  #hear;

  constructor(url) {
    super(url);
    Flooding.opened += 1;
  }

  addEventListener(type, listener, ...how) {
    if (type === 'message') this.#hear = listener;
    super.addEventListener(type, listener, ...how);
  }

  send(data) {
    super.send(data);
    for (; Flooding.waiting > 0; Flooding.waiting--) this.#hear({ data: 'x'.repeat(MIB) });
  }
}

test('16 MiB that nobody has read yet are kept; with more the connection is given up, and the next one works', async (t) => {
  globalThis.WebSocket = Flooding;
  const { AgentMeshClient, MemoryStorage, Policy } = await import(
    pathToFileURL(join(process.cwd(), 'node_modules/@agentmesh/sdk/dist/web/wasm/web.js'))
  );
  const urls = await server(t);
  const open = async () => {
    const client = await AgentMeshClient.create({
      storage: new MemoryStorage(),
      policy: Policy.permissive(),
      registryUrl: urls.AGENTMESH_REGISTRY_URL,
      relayUrl: urls.AGENTMESH_RELAY_URL,
    });
    after(t, () => client.close());
    await client.connect();
    return client;
  };
  const [alice, bob] = [await open(), await open()];
  bob.onMessage((message) => message.ack());
  const lost = [];
  alice.on('disconnected', ({ details }) => lost.push(details.reason));
  const say = async (text) => (await alice.send(bob.amid, text, { wait: 'handled', timeoutMs: 60_000 })).stage;
  assert.equal(await say('before'), 'handled');
  const opened = Flooding.opened;

  // Each is one message, and no longer than one may be.
  Flooding.waiting = 16;
  assert.equal(await say('with sixteen'), 'handled');
  assert.deepEqual([Flooding.waiting, Flooding.opened, lost], [0, opened, []]);

  Flooding.waiting = 17;
  assert.equal(await say('with seventeen'), 'handled');
  assert.deepEqual([Flooding.waiting, Flooding.opened, lost.length], [0, opened + 1, 1]);
  assert.match(lost[0], new RegExp(`${16 * MIB}`));
});
