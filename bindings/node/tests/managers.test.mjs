import assert from 'node:assert/strict';
import test from 'node:test';
import { Identity, KnockProtocol, MemoryStorage, Policy, PrekeyManager, SessionManager } from '@agentmesh/sdk';

async function end() {
  const [identity, storage] = [await Identity.generate(), new MemoryStorage()];
  const prekeys = new PrekeyManager(identity, storage);
  return { identity, storage, prekeys, sessions: new SessionManager(identity, storage, prekeys), bundle: await prekeys.loadOrInitialize() };
}

/** As it arrives at another agent. */
const wire = (value) => JSON.parse(JSON.stringify(value, (_, v) => (v instanceof Uint8Array ? Array.from(v) : v)));

test('a session is opened, and envelopes go both ways', async () => {
  const [alice, bob] = [await end(), await end()];
  const { sessionId, x3dhMessage } = await alice.sessions.initiateSession(bob.identity.amid, wire(bob.bundle), bob.identity.signingPublicKey);
  assert.ok(x3dhMessage.identityKey instanceof Uint8Array && x3dhMessage.ephemeralKey.length === 32);
  const accepted = await bob.sessions.acceptSession(alice.identity.amid, wire(x3dhMessage));
  assert.equal(accepted, sessionId);
  assert.deepEqual(bob.sessions.getRatchetPublicKey(accepted), await bob.sessions.ratchetPublicKey(accepted));
  assert.equal(bob.sessions.getRatchetPublicKey('another'), null);

  const envelope = wire(await alice.sessions.encryptMessage(sessionId, { hello: 'wörld' }));
  assert.deepEqual(await bob.sessions.decryptMessage(accepted, envelope), { hello: 'wörld' });
  await assert.rejects(bob.sessions.decryptMessage(accepted, envelope), (error) => error.code.length > 0);
  const back = await bob.sessions.encryptMessage(accepted, new Uint8Array([1, 2]));
  const opened = await alice.sessions.openEnvelope(sessionId, wire(back));
  assert.deepEqual([opened.payload, opened.from, opened.kind], [new Uint8Array([1, 2]), bob.identity.amid, 'message']);

  assert.deepEqual((await alice.sessions.getSessions()).map((one) => one.id), [sessionId]);
  assert.equal((await bob.sessions.getSessionByPeer(alice.identity.amid)).id, sessionId);
  await bob.sessions.closeSession(accepted);
  assert.equal(await bob.sessions.getSessionByPeer(alice.identity.amid), null);
  assert.equal(typeof (await bob.sessions.maintain()), 'number');
});

test('prekeys are counted, added and rotated', async () => {
  const { prekeys, bundle } = await end();
  const had = bundle.oneTimePrekeys.length;
  assert.equal(await prekeys.remaining(), had);
  // As many as there may be are there from the beginning.
  const more = await prekeys.replenishOneTimePrekeys(10);
  assert.deepEqual(more.oneTimePrekeys.map(({ id }) => id), bundle.oneTimePrekeys.map(({ id }) => id));
  assert.equal(await prekeys.needsReplenishment(), false);
  const rotated = await prekeys.rotateSignedPrekey();
  assert.notEqual(rotated.signedPrekeyId, bundle.signedPrekeyId);
  assert.equal((await prekeys.bundle()).signedPrekeyId, rotated.signedPrekeyId);
});

test('KNOCKs are judged and answered', async () => {
  const [alice, bob] = [await end(), await end()];
  const knocks = new KnockProtocol(alice.sessions, Policy.permissive());
  const doors = new KnockProtocol(bob.sessions, Policy.permissive());
  const asked = { capability: 'weather', action: 'ask', params: { in_days: 2 } };
  const { sessionId, x3dhMessage } = await knocks.createKnock(bob.identity.amid, bob.bundle, bob.identity.signingPublicKey, asked);
  const { knock, decision } = await doors.judge(alice.identity.amid, wire(x3dhMessage));
  assert.deepEqual([knock.from, knock.capability, knock.params, decision.decision], [alice.identity.amid, 'weather', { in_days: 2 }, 'accept']);
  const { envelope } = await doors.answer(alice.identity.amid, wire(x3dhMessage), { decision: 'reject', reason: 'no', retryAfterMs: 5000 });
  const answer = await knocks.verifyAnswer(sessionId, wire(envelope));
  assert.deepEqual(answer, { decision: 'reject', reason: 'no', retryAfterMs: 5000 });
});

test('what does not belong together is refused', async () => {
  const [alice, bob] = [await end(), await end()];
  assert.throws(() => new SessionManager(alice.identity, alice.storage, bob.prekeys), { code: 'BINDING_ARGUMENT' });
  await assert.rejects(alice.sessions.acceptSession(bob.identity.amid, { nonsense: true }), { kind: 'protocol' });
});
