import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';
import { inspect } from 'node:util';
import * as sdk from '@agentmesh/sdk';
import * as testing from '@agentmesh/sdk/testing';

const { AgentMeshError, Backup, ErrorCode, Identity, Key, MemoryStorage, Policy, safetyNumber, verify } = sdk;
const require = createRequire(import.meta.url);

/** The native module itself, for what the package does not show. */
const native = require(`@agentmesh/sdk-${platform()}`);

function platform() {
  const libc = process.platform !== 'linux' ? '' : process.report.getReport().header.glibcVersionRuntime ? '-gnu' : '-musl';
  return `${process.platform}-${process.arch}${libc}`;
}

const error = (code, kind) => (thrown) => {
  assert.ok(thrown instanceof AgentMeshError, inspect(thrown));
  assert.equal(thrown.code, code);
  if (kind) assert.equal(thrown.kind, kind);
  assert.ok(AgentMeshError.is(thrown));
  return true;
};

test('import and require give the same classes', () => {
  assert.equal(require('@agentmesh/sdk').AgentMeshClient, sdk.AgentMeshClient);
  assert.equal(require('@agentmesh/sdk/testing').Server, testing.Server);
  assert.deepEqual(Object.keys(require('@agentmesh/sdk')).sort(), Object.keys(sdk).sort());
  assert.deepEqual(Object.keys(require('@agentmesh/sdk/testing')).sort(), Object.keys(testing).sort());
});

test('versions of package and native module are the same', () => {
  assert.equal(sdk.VERSION, native.VERSION);
  assert.equal(sdk.VERSION, require('@agentmesh/sdk/package.json').version);
});

test('the set of error codes is that of Rust', () => {
  const known = JSON.parse(native.errorCodes()).map(({ code }) => code);
  assert.deepEqual(Object.keys(ErrorCode), known);
  assert.ok(known.length > 300);
});

test('every kind of error of Rust is one that TypeScript knows', () => {
  const kinds = new Set(JSON.parse(native.errorCodes()).map(({ kind }) => kind));
  const named = ['invalid_input', 'authentication', 'protocol', 'not_found', 'conflict', 'storage', 'network', 'rate_limited'];
  for (const kind of kinds) assert.ok([...named, 'timeout', 'policy', 'closed', 'internal'].includes(kind), kind);
});

test('a panic is an error, and the process lives', () => {
  assert.throws(() => native.panicForTests(), /BINDING_PANICKED/);
});

test('errors have code, kind, retryability and a stack that begins here', async () => {
  await assert.rejects(Identity.restore('no backup', 'x'), (thrown) => {
    assert.ok(thrown instanceof AgentMeshError);
    assert.match(thrown.code, /^BACKUP_/);
    assert.equal(thrown.retryable, false);
    assert.equal(thrown.name, 'AgentMeshError');
    assert.ok(!thrown.message.includes('{'), thrown.message);
    return true;
  });
});

test('identities sign, are verified, and show no key when they are printed', async () => {
  const identity = await Identity.generate();
  const message = new TextEncoder().encode('hello');
  assert.ok(verify(identity.signingPublicKey, message, await identity.sign(message)));
  assert.ok(!verify(identity.signingPublicKey, Buffer.from('hallo'), await identity.sign(message)));
  assert.equal(identity.did, `did:agentmesh:${identity.amid}`);
  assert.equal(inspect({ identity }), `{ identity: Identity ${identity.amid} }`);
  assert.equal(Buffer.from(identity.signingPublicKeyB64Raw, 'base64').length, 32);
  const other = await Identity.generate();
  assert.equal(
    safetyNumber(identity.signingPublicKey, other.signingPublicKey),
    safetyNumber(other.signingPublicKey, identity.signingPublicKey),
  );
  const [[first], [second, signature]] = [await identity.signTimestamp(), await identity.signTimestamp()];
  assert.ok(first < second);
  assert.ok(verify(identity.signingPublicKey, Buffer.from(second), Buffer.from(signature, 'base64')));
});

test('identities go through the file of 0.2 and through backups', async () => {
  const identity = await Identity.generate();
  const copy = Identity.fromJSON(JSON.parse(JSON.stringify(identity)));
  assert.equal(copy.amid, identity.amid);
  assert.equal(copy.createdAt.getTime(), identity.createdAt.getTime());
  const edited = { ...identity.toJSON(), amid: (await Identity.generate()).amid };
  assert.throws(() => Identity.fromJSON(edited), error('IDENTITY_AMID_MISMATCH'));
  const text = await identity.backUp('correct horse');
  assert.equal((await Identity.restore(text, 'correct horse')).amid, identity.amid);
  assert.throws(() => new Backup(text, 'wrong'), error('BACKUP_WRONG_PASSPHRASE', 'authentication'));
});

test('identities are saved under paths, and never over another one', async () => {
  const storage = new MemoryStorage();
  const identity = await Identity.generate();
  await assert.rejects(Identity.load(storage, 'me'), error('IDENTITY_NOT_FOUND', 'not_found'));
  await identity.save(storage, 'me');
  assert.equal((await Identity.load(storage, 'me')).amid, identity.amid);
  await assert.rejects((await Identity.generate()).save(storage, 'me'), error('IDENTITY_EXISTS'));
  assert.equal((await Identity.loadOrGenerate(storage, 'me')).amid, identity.amid);
});

test('policies judge as the core does, and what is misspelt is an error', () => {
  const knock = { from: '3vaLv8qnmGSndxmYvHiHWN3cb312', capability: 'weather' };
  assert.deepEqual(Policy.permissive().evaluate(knock), { decision: 'accept', ttlMs: 300_000 });
  assert.equal(Policy.verified().evaluate(knock).reason, 'Tier anonymous below minimum verified');
  assert.equal(Policy.verified().evaluate({ ...knock, tier: 'verified', reputation: 0.9 }).decision, 'accept');
  assert.throws(() => new Policy({ min_teir: 'verified' }), error('POLICY_MALFORMED'));
  assert.equal(Policy.verified().with({ minReputation: 0.9 }).rules.minReputation, 0.9);
  assert.deepEqual(Policy.fromJSON(JSON.stringify(Policy.organization())).rules, Policy.organization().rules);
});

test('keys are checked before anything is opened', async () => {
  assert.throws(() => Key.bytes(new Uint8Array(31)), error('BINDING_ARGUMENT', 'invalid_input'));
  delete process.env.AGENTMESH_STORE_KEY;
  const storage = new sdk.FileStorage('/dev/null/agentmesh');
  await assert.rejects(Identity.load(storage, 'x'), (thrown) => AgentMeshError.is(thrown));
});
