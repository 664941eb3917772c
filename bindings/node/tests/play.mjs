// Plays a scenario of `bindings/scenarios/`, wherever JavaScript runs.

import { AgentMeshError, Backup, Policy } from '@agentmesh/sdk';

const payload = (value) => ('bytes' in value ? Uint8Array.from(atob(value.bytes), (c) => c.charCodeAt(0)) : value.json);

/** Throws unless both say the same. */
function same(found, wanted, what) {
  const text = (value) => JSON.stringify(value, (_, member) => (member instanceof Uint8Array ? { bytes: [...member] } : sorted(member)));
  if (text(found) !== text(wanted)) throw new Error(`${what}: ${text(found)}, not ${text(wanted)}`);
}

function sorted(value) {
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  return plain ? Object.fromEntries(Object.entries(value).sort()) : value;
}

class Play {
  clients = new Map();
  messages = new Map();
  amids = new Map();

  constructor(agents, create) {
    Object.assign(this, { agents, create });
  }

  async open(name) {
    const client = await this.create(name, { policy: Policy[this.agents[name].policy ?? 'permissive']() });
    await client.connect();
    this.clients.set(name, client);
    this.amids.set(name, client.amid);
    this.messages.delete(name);
  }

  async next(name) {
    if (!this.messages.has(name)) this.messages.set(name, this.clients.get(name).messages());
    const { value, done } = await this.messages.get(name).next();
    if (done) throw new Error(`${name} is closed`);
    return value;
  }

  steps = {
    send: (client, peer, step) =>
      client.send(peer, payload(step.payload), { wait: step.wait ?? 'stored', timeoutMs: step.timeout_ms ?? 30_000 }),
    receive: async (client, peer, step) => {
      const message = await this.next(step.at);
      same(message.from, this.amids.get(step.from), 'from');
      same(message.payload, payload(step.payload), 'payload');
      if ('attempt' in step) same(message.attempt, step.attempt, 'attempt');
      if (step.then === 'ack') await message.ack();
      else if (step.then === 'release') message.release();
      else same(step.then, 'nothing', 'then');
    },
    request: async (client, peer, step) => {
      const asking = client.request(peer, payload(step.payload), { timeoutMs: 60_000 });
      // It may fail before it is awaited.
      asking.catch(() => undefined);
      const message = await this.next(step.to);
      same(message.payload, payload(step.payload), 'payload');
      const { answer } = step;
      if ('fail' in answer) await message.fail(answer.fail, '', { retryable: answer.retryable });
      else await message.respond(payload(answer.payload));
      try {
        same((await asking).payload, payload(answer.payload ?? {}), 'answer');
      } catch (error) {
        if (!error.remote) throw error;
        same([error.remote.code, error.remote.retryable], [answer.fail, answer.retryable], 'answer');
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
        same(read, step.chunks, 'chunks');
      }
    },
    restart: async (client, peer, step) => {
      await client.close();
      await this.open(step.at);
    },
    sessions: async (client, peer, step) => {
      const found = (await client.getSessions()).map((session) => session.peer);
      same(found, step.peers.map((name) => this.amids.get(name)), 'sessions');
    },
    backup: async (client) => {
      const text = await client.backUp('correct horse');
      same(new Backup(text, 'correct horse').amid, client.amid, 'backup');
      try {
        new Backup(text, 'wrong');
      } catch (error) {
        return same(error.kind, 'authentication', 'wrong passphrase');
      }
      throw new Error('a wrong passphrase opened a backup');
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

/** Plays it; `create(name, options)` opens the client of that name, again after a restart. */
export async function play({ agents, steps }, create) {
  const play = new Play(agents, create);
  for (const agent of Object.keys(agents)) await play.open(agent);
  for (const step of steps) {
    let code;
    try {
      await play.steps[step.do](play.clients.get(step.at), play.amids.get(step.to ?? step.peer), step);
    } catch (error) {
      if (!AgentMeshError.is(error)) throw error;
      code = error.code;
    }
    same(code, step.error, JSON.stringify(step));
  }
  for (const client of play.clients.values()) await client.close();
}
