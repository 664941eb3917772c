// Two isolates race for 500 messages of one identity in a Durable Object, while that is evicted, hibernates, and loses its runtime.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Miniflare } from 'miniflare';
import { after, answer, bundle, directory, STORE_KEY } from './support.mjs';

const EACH = 250;

/** The runtime, which is killed and started again over the same files. */
async function place(t) {
  const worker = await bundle(join(import.meta.dirname, 'hibernation.worker.mjs'), directory(t));
  const objects = { HOME: { className: 'Home', useSQLite: true } };
  const described = {
    cf: false,
    durableObjectsPersist: directory(t),
    workers: ['one', 'two'].map((name) => ({
      ...worker,
      name,
      routes: [`${name}.test/*`],
      bindings: { AGENTMESH_STORE_KEY: STORE_KEY },
      durableObjects: name === 'one' ? objects : { HOME: { ...objects.HOME, scriptName: 'one' } },
    })),
  };
  let mf = new Miniflare(described);
  after(t, () => mf.dispose());
  await mf.ready;
  const go = (name, path, init) => mf.dispatchFetch(`http://${name}.test${path}`, init);
  return {
    call: async (path, body) => answer(await go('one', path, body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) })),
    async socket(name) {
      const { webSocket } = await go(name, '/home/socket', { headers: { Upgrade: 'websocket' } });
      webSocket.accept();
      return webSocket;
    },
    /** Ends it as `kill -9` does. */
    async killAndStart() {
      await mf.dispose();
      mf = new Miniflare(described);
      await mf.ready;
    },
  };
}

/** One that wants messages sealed, over a socket that it opens again when it breaks; it asks again for what it got no answer to. */
class Racer {
  sealed = [];
  lives = new Set();
  opened = 0;
  #asked = 0;
  #socket;

  constructor(at, name, session) {
    Object.assign(this, { at, name, session });
  }

  async until(count) {
    for (; this.#asked < count; this.#asked++) {
      let said;
      while ((said = await this.#ask(this.#asked).catch(() => undefined)) === undefined) await pause(20);
      this.lives.add(said.life);
      this.sealed.push(said);
    }
  }

  async #ask(n) {
    if (this.#socket === undefined) {
      this.#socket = await this.at.socket(this.name);
      this.opened += 1;
    }
    const [socket, done] = [this.#socket, new AbortController()];
    const { signal } = done;
    try {
      return await new Promise((resolve, reject) => {
        AbortSignal.timeout(10_000).addEventListener('abort', () => reject(new Error('no answer')), { signal });
        socket.addEventListener('message', ({ data }) => resolve(JSON.parse(data)), { signal });
        for (const end of ['close', 'error']) socket.addEventListener(end, () => reject(new Error(end)), { signal });
        socket.send(JSON.stringify({ session: this.session, who: this.name, n }));
      });
    } catch (error) {
      this.#socket = undefined;
      throw error;
    } finally {
      done.abort();
    }
  }
}

test('two isolates race for 500 messages of a Durable Object through eviction, hibernation and the end of the runtime', async (t) => {
  const at = await place(t);
  const begun = await at.call('/home/begin', await at.call('/peer/describe'));
  const racers = ['one', 'two'].map((name) => new Racer(at, name, begun.session));
  const race = (count) => Promise.all(racers.map((racer) => racer.until(count)));
  const lives = () => new Set(racers.flatMap((racer) => [...racer.lives])).size;

  await race(20);
  assert.equal(lives(), 1);
  const evicted = race(100);
  await pause(50);
  await at.call('/home/evict', {});
  await evicted;
  assert.ok(lives() > 1, 'it was evicted in the middle');

  // The runtime takes an object out of memory when it was not needed for ten seconds, and keeps its sockets.
  const [before, opened] = [lives(), racers.map((racer) => racer.opened)];
  let goal = 100;
  for (let tries = 0; lives() === before && tries < 5; tries++) {
    await pause(12_000);
    await race(++goal);
  }
  assert.ok(lives() > before, 'it hibernated');
  assert.deepEqual(racers.map((racer) => racer.opened), opened, 'over the same sockets');

  const killed = race(EACH);
  await pause(50);
  await at.killAndStart();
  await killed;
  assert.ok(lives() > before + 1, 'it came back out of its files');

  assert.equal((await at.call('/home/describe')).amid, begun.amid);
  const sealed = racers.flatMap((racer) => racer.sealed).sort((one, other) => one.envelope.header.n - other.envelope.header.n);
  assert.equal(new Set(sealed.map(({ envelope }) => envelope.header.n)).size, 2 * EACH, 'no key was used twice: the chain was not forked');
  const all = await at.call('/peer/open', { from: begun.amid, message: begun.message, session: begun.session, sealed: sealed.map(({ envelope }) => envelope) });
  assert.deepEqual(all, sealed.map(({ who, n }) => ({ who, n })), 'the peer opens every one');
  for (const { name } of racers) {
    assert.deepEqual(all.filter(({ who }) => who === name).map(({ n }) => n), Array.from({ length: EACH }, (_, n) => n), 'nothing is lost');
  }
  const unanswered = sealed.at(-1).envelope.header.n - 2 * EACH;
  t.diagnostic(`lives: ${lives()}; sealed, but the answer was lost with the object: ${unanswered}`);
});
