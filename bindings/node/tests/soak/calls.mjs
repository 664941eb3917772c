// Calls of the native half, of every kind: at once, through the runtime, failing, aborted, encrypting, storing, sending.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  AgentMeshClient, Identity, Key, MemoryStorage, Policy, PrekeyManager, SessionManager, SqliteStorage, verify,
} from '@agentmesh/sdk';
import { Growth } from './measure.mjs';

/** Calls in one round, the messages not counted. */
export const ROUND = 10;
/** So many rounds have one request with its answer. */
export const EVERY = 100;
/** Bytes that a request with its answer may leave in the memory of the two agents, who know its ids for seven days. */
export const REMEMBERED = 1024;

async function party() {
  const [identity, storage] = [await Identity.generate(), new MemoryStorage()];
  const prekeys = new PrekeyManager(identity, storage);
  return [identity, prekeys, new SessionManager(identity, storage, prekeys)];
}

/** Makes so many calls. */
export async function run(calls, urls, home) {
  const [[alice, ours, sending], [bob, theirs, receiving]] = [await party(), await party()];
  await ours.loadOrInitialize();
  const bundle = await theirs.loadOrInitialize();
  const { sessionId, x3dhMessage } = await sending.initiateSession(bob.amid, bundle, bob.signingPublicKey);
  await receiving.acceptSession(alice.amid, x3dhMessage);
  const message = new TextEncoder().encode('hello');
  const [text, signature, policy] = [{ text: 'x'.repeat(200) }, await alice.sign(message), Policy.permissive()];
  // On a disk, so that what an agent remembers of its messages is not in the memory of this process.
  const open = (name) => AgentMeshClient.create({ storage: new SqliteStorage(join(home, `${name}.db`)), key: Key.random(), policy, ...urls });
  const [asking, answering] = [await open('asking'), await open('answering')];
  await Promise.all([asking.connect(), answering.connect()]);
  answering.onRequest(() => ({ answer: true }));
  const [growth, rounds] = [new Growth(), Math.max(1, Math.floor(calls / ROUND))];
  const every = Math.max(1, Math.floor(rounds / 100));
  for (let done = 0; done < rounds; done++) {
    if (done % every === 0) await growth.sample(done);
    assert.ok(verify(alice.signingPublicKey, message, signature));
    await alice.sign(message);
    asking.newId();
    await asking.circuitState();
    await asking.outbox();
    await assert.rejects(asking.lookup('nobody'));
    assert.throws(() => verify(new Uint8Array(3), message, signature));
    const envelope = await sending.encryptMessage(sessionId, text);
    assert.deepEqual(await receiving.decryptMessage(sessionId, envelope), text);
    const gone = new AbortController();
    const waiting = asking.messages({ signal: gone.signal }).next();
    gone.abort();
    assert.equal((await waiting).done, true);
    if (done % EVERY === 0) await asking.request(answering.amid, text);
  }
  await growth.sample(rounds);
  await Promise.all([asking.close(), answering.close()]);
  return growth;
}
