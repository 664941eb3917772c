// Plays `bindings/scenarios/*.json`, as the other languages do.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { AgentMeshClient, AgentMeshError, Backup, Key, Policy, SqliteStorage } from '@agentmesh/sdk';
import { directory, given, server } from './support.mjs';

const home = join(given('AGENTMESH_TEST_SOURCE'), 'bindings', 'scenarios');
const scenarios = readdirSync(home).filter((name) => name.endsWith('.json'));

const payload = (value) => ('bytes' in value ? new Uint8Array(Buffer.from(value.bytes, 'base64')) : value.json);

class Play {
  clients = new Map();
  messages = new Map();
  amids = new Map();

  constructor(agents, urls, place) {
    Object.assign(this, { agents, urls, place });
  }

  async open(name) {
    const client = await AgentMeshClient.create({
      storage: new SqliteStorage(join(this.place, `${name}.db`)),
      key: Key.file(join(this.place, `${name}.key`)),
      policy: Policy[this.agents[name].policy ?? 'permissive'](),
      ...this.urls,
    });
    await client.connect();
    this.clients.set(name, client);
    this.amids.set(name, client.amid);
    this.messages.delete(name);
  }

  async next(name) {
    if (!this.messages.has(name)) this.messages.set(name, this.clients.get(name).messages());
    const { value, done } = await this.messages.get(name).next();
    assert.ok(!done, `${name} is closed`);
    return value;
  }

  steps = {
    send: (client, peer, step) =>
      client.send(peer, payload(step.payload), { wait: step.wait ?? 'stored', timeoutMs: step.timeout_ms ?? 30_000 }),
    receive: async (client, peer, step) => {
      const message = await this.next(step.at);
      assert.equal(message.from, this.amids.get(step.from));
      assert.deepEqual(message.payload, payload(step.payload));
      if ('attempt' in step) assert.equal(message.attempt, step.attempt);
      if (step.then === 'ack') await message.ack();
      else if (step.then === 'release') message.release();
      else assert.equal(step.then, 'nothing');
    },
    request: async (client, peer, step) => {
      const asking = client.request(peer, payload(step.payload), { timeoutMs: 60_000 });
      // It may fail before it is awaited.
      asking.catch(() => undefined);
      const message = await this.next(step.to);
      assert.deepEqual(message.payload, payload(step.payload));
      const { answer } = step;
      if ('fail' in answer) await message.fail(answer.fail, '', { retryable: answer.retryable });
      else await message.respond(payload(answer.payload));
      try {
        assert.deepEqual((await asking).payload, payload(answer.payload ?? {}));
      } catch (error) {
        if (!error.remote) throw error;
        assert.deepEqual([error.remote.code, error.remote.retryable], [answer.fail, answer.retryable]);
        throw error;
      }
    },
    stream: async (client, peer, step) => {
      const stream = await client.stream(peer, payload(step.payload));
      const answering = (async () => {
        const outgoing = await (await this.next(step.to)).stream();
        for (const chunk of step.chunks) await outgoing.send(chunk);
        if ('fail' in step) await outgoing.fail(step.fail);
        else await outgoing.finish();
      })();
      const read = [];
      try {
        for await (const { data } of stream) read.push(data);
      } finally {
        await answering;
        assert.deepEqual(read, step.chunks);
      }
    },
    restart: async (client, peer, step) => {
      await client.close();
      await this.open(step.at);
    },
    sessions: async (client, peer, step) => {
      const found = (await client.getSessions()).map((session) => session.peer);
      assert.deepEqual(found, step.peers.map((name) => this.amids.get(name)));
    },
    backup: async (client) => {
      const text = await client.backUp('correct horse');
      assert.equal(new Backup(text, 'correct horse').amid, client.amid);
      assert.throws(() => new Backup(text, 'wrong'), { kind: 'authentication' });
    },
    close: (client) => client.close(),
    connect: (client) => client.connect(),
    resume: (client) => client.resume(),
    pause: (client) => client.pauseNew(),
    stop: (client) => client.emergencyStop(),
    block: (client, peer) => client.block(peer),
    unblock: (client, peer) => client.unblock(peer),
    kill_session: (client, peer) => client.killSession(peer),
  };
}

test('there are scenarios', () => assert.ok(scenarios.length >= 4));

for (const name of scenarios) {
  test(`scenario ${name}`, async (t) => {
    const { agents, steps } = JSON.parse(readFileSync(join(home, name), 'utf8'));
    const play = new Play(agents, (await server(t)).urls, directory(t));
    for (const agent of Object.keys(agents)) await play.open(agent);
    for (const step of steps) {
      let code;
      try {
        await play.steps[step.do](play.clients.get(step.at), play.amids.get(step.to ?? step.peer), step);
      } catch (error) {
        if (!AgentMeshError.is(error)) throw error;
        code = error.code;
      }
      assert.equal(code, step.error, JSON.stringify(step));
    }
    for (const client of play.clients.values()) await client.close();
  });
}
