// What the package costs beside others of its kind from npm: `scripts/bench-node.sh` builds and installs what it needs.
//
//     node bench.mjs CALLS RESULTS [--rounds N] [--quick] [--without-native] [NAME=TARBALL…]
//
// CALLS is the bench `calls` of the facade, which does the same work in Rust. Each round measures everything, one after the other;
// RESULTS is for `bench_report`: group → contender → one value a round. Peers that are not installed are left out. Of the tarballs it
// tells the size. The WebAssembly half is measured in a process of its own, which takes the package as browsers do.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { AgentMeshClient, AgentMeshError, Identity, MemoryStorage, Policy, PrekeyManager, SessionManager, verify } from '@agentmesh/sdk';

const [VERIFY, ASK] = ['verify a signature, µs', 'ask the agent, µs'];
const [ENCRYPT, DECRYPT, TURNS] = ['encrypt 1 KiB, µs', 'decrypt 1 KiB, µs', 'a message and its answer, 1 KiB, µs'];
const REQUESTS = '1,000 requests, 200 at once, ms';
const MESSAGE = new Uint8Array(1024).fill(7);

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, quick: { type: 'boolean', default: false }, wasm: { type: 'boolean', default: false }, 'without-native': { type: 'boolean', default: false } },
});
const [calls, target, ...tarballs] = positionals;
const native = !options['without-native'];
const results = {};
const add = (group, contender, value) => ((results[`node: ${group}`] ??= {})[contender] ??= []).push(value);
const each = (count, start) => ((performance.now() - start) * 1e3) / count;

/** Another package, if it is there. */
async function peer(name) {
  try {
    return await import(name);
  } catch (error) {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/**
 * Encrypts, decrypts, and says something back and forth; `end` is `{ encrypt, decrypt }`. What counts is processor time, of all threads:
 * on a machine that others use wall time says how busy they are.
 */
async function chains(name, count, alice, bob) {
  let start = process.cpuUsage();
  const took = (group, times) => {
    const { user, system } = process.cpuUsage(start);
    add(group, name, (user + system) / times);
    start = process.cpuUsage();
  };
  const messages = [];
  for (let n = 0; n < count; n++) messages.push(await alice.encrypt());
  took(ENCRYPT, count);
  for (const message of messages) await bob.decrypt(message);
  took(DECRYPT, count);
  for (let n = 0; n < count / 10; n++) {
    await bob.decrypt(await alice.encrypt());
    await alice.decrypt(await bob.encrypt());
  }
  took(TURNS, count / 10);
}

async function ours(name, count) {
  const party = async () => {
    const [identity, storage] = [await Identity.generate(), new MemoryStorage()];
    const prekeys = new PrekeyManager(identity, storage);
    return { identity, prekeys, sessions: new SessionManager(identity, storage, prekeys), bundle: await prekeys.loadOrInitialize() };
  };
  const [a, b] = [await party(), await party()];
  const signature = await a.identity.sign(MESSAGE);
  let start = performance.now();
  for (let n = 0; n < count / 10; n++) verify(a.identity.signingPublicKey, MESSAGE, signature);
  add(VERIFY, name, each(count / 10, start));
  const begun = await a.sessions.initiateSession(b.identity.amid, b.bundle, b.identity.signingPublicKey);
  const session = await b.sessions.acceptSession(a.identity.amid, begun.x3dhMessage);
  const end = ({ sessions }) => ({
    encrypt: () => sessions.encryptMessage(session, MESSAGE),
    decrypt: (envelope) => sessions.openEnvelope(session, envelope),
  });
  // Answered, its messages no longer carry the handshake.
  await end(b).decrypt(await end(a).encrypt());
  await end(a).decrypt(await end(b).encrypt());
  await chains(name, count, end(a), end(b));
  const client = await AgentMeshClient.create({ storage: new MemoryStorage(), offline: true });
  start = performance.now();
  for (let n = 0; n < count; n++) await client.circuitState();
  add(ASK, name, each(count, start));
  await client.close();
}

const MODULE = 'node_modules/@agentmesh/sdk/dist/web/wasm/agentmesh.wasm';

/** After each round, so that one that is interrupted leaves what it found. */
function save() {
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, `${JSON.stringify(results, null, 2)}\n`);
}

/** The same package as browsers get it. */
function wasm() {
  if (!existsSync(MODULE)) return;
  const command = ['--conditions=browser', fileURLToPath(import.meta.url), '--wasm', ...(options.quick ? ['--quick'] : [])];
  const found = JSON.parse(execFileSync(process.execPath, command, { encoding: 'utf8' }));
  for (const [group, contenders] of Object.entries(found)) {
    for (const [contender, values] of Object.entries(contenders)) ((results[group] ??= {})[contender] ??= []).push(...values);
  }
}

/** Bytes of a file, or of everything below a directory. */
function bytes(path) {
  if (!existsSync(path)) return 0;
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + bytes(join(path, name)), 0);
}

/** In millions of bytes. XMTP's is that of `@xmtp/wasm-bindings` 1.6.1. */
function sizes() {
  const [packed, installed, module] = ['tarballs, MB', 'installed, MB', 'the WebAssembly module, gzipped, MB'];
  const packages = {};
  for (const [name, path] of tarballs.map((said) => said.split('='))) packages[name] = (packages[name] ?? 0) + bytes(path) / 1e6;
  for (const [name, size] of Object.entries(packages)) add(packed, name, size);
  if (native) add(installed, 'node', bytes('node_modules/@agentmesh') / 1e6);
  for (const [name, path] of [['libsignal-client', '@signalapp/libsignal-client'], ['olm', '@matrix-org/olm']]) {
    const size = bytes(join('node_modules', path)) / 1e6;
    if (size > 0) add(installed, name, size);
  }
  if (existsSync(MODULE)) add(module, 'wasm', gzipSync(readFileSync(MODULE), { level: 9 }).length / 1e6);
  add(module, 'XMTP', 3.93);
}

/** Its stores are in memory, and keep what was written, as ours do. */
async function libsignal(count) {
  const signal = await peer('@signalapp/libsignal-client');
  if (signal === undefined) return;
  class Sessions extends signal.SessionStore {
    kept = new Map();
    async saveSession(name, record) {
      this.kept.set(name.toString(), record.serialize());
    }
    async getSession(name) {
      const kept = this.kept.get(name.toString());
      return kept ? signal.SessionRecord.deserialize(kept) : null;
    }
    async getExistingSessions(names) {
      return Promise.all(names.map((name) => this.getSession(name)));
    }
  }
  class Identities extends signal.IdentityKeyStore {
    key = signal.PrivateKey.generate();
    known = new Map();
    async getIdentityKey() {
      return this.key;
    }
    async getLocalRegistrationId() {
      return 1;
    }
    async saveIdentity(name, key) {
      this.known.set(name.toString(), key);
      return signal.IdentityChange.NewOrUnchanged;
    }
    async isTrustedIdentity() {
      return true;
    }
    async getIdentity(name) {
      return this.known.get(name.toString()) ?? null;
    }
  }
  const store = (Base, kind) => {
    const made = new Base();
    const kept = new Map();
    made[`save${kind}`] = async (id, record) => void kept.set(id, record);
    made[`get${kind}`] = async (id) => kept.get(id);
    made.removePreKey = async (id) => void kept.delete(id);
    made.markKyberPreKeyUsed = async () => undefined;
    return made;
  };
  const party = (name) => ({
    address: signal.ProtocolAddress.new(name, 1),
    sessions: new Sessions(),
    identities: new Identities(),
    prekeys: store(class extends signal.PreKeyStore {}, 'PreKey'),
    signed: store(class extends signal.SignedPreKeyStore {}, 'SignedPreKey'),
    kyber: store(class extends signal.KyberPreKeyStore {}, 'KyberPreKey'),
  });
  const [a, b] = [party('alice'), party('bob')];
  const [once, signed, kem] = [signal.PrivateKey.generate(), signal.PrivateKey.generate(), signal.KEMKeyPair.generate()];
  const identity = b.identities.key;
  const signature = identity.sign(signed.getPublicKey().serialize());
  const ofKem = identity.sign(kem.getPublicKey().serialize());
  await b.prekeys.savePreKey(1, signal.PreKeyRecord.new(1, once.getPublicKey(), once));
  await b.signed.saveSignedPreKey(1, signal.SignedPreKeyRecord.new(1, Date.now(), signed.getPublicKey(), signed, signature));
  await b.kyber.saveKyberPreKey(1, signal.KyberPreKeyRecord.new(1, Date.now(), kem, ofKem));
  const bundle = signal.PreKeyBundle.new(
    1, 1, 1, once.getPublicKey(), 1, signed.getPublicKey(), signature, identity.getPublicKey(), 1, kem.getPublicKey(), ofKem,
  );
  await signal.processPreKeyBundle(bundle, b.address, a.address, a.sessions, a.identities);
  const end = (me, other) => ({
    async encrypt() {
      const message = await signal.signalEncrypt(MESSAGE, other.address, me.address, me.sessions, me.identities);
      return [message.type(), message.serialize()];
    },
    decrypt: ([type, bytes]) =>
      type === signal.CiphertextMessageType.PreKey
        ? signal.signalDecryptPreKey(
            signal.PreKeySignalMessage.deserialize(bytes), other.address, me.address, me.sessions, me.identities, me.prekeys, me.signed, me.kyber,
          )
        : signal.signalDecrypt(signal.SignalMessage.deserialize(bytes), other.address, me.address, me.sessions, me.identities),
  });
  await end(b, a).decrypt(await end(a, b).encrypt());
  await end(a, b).decrypt(await end(b, a).encrypt());
  await chains('libsignal-client', count, end(a, b), end(b, a));
}

/** Alone, and with the session written after each message, as ours is. */
async function olm(count) {
  const found = await peer('@matrix-org/olm');
  if (found === undefined) return;
  const { default: Olm } = found;
  await Olm.init();
  // It takes text, and this is as many bytes of it.
  const text = 'x'.repeat(MESSAGE.length);
  for (const written of [false, true]) {
    const [alice, bob] = [new Olm.Account(), new Olm.Account()];
    alice.create();
    bob.create();
    bob.generate_one_time_keys(1);
    const [key] = Object.values(JSON.parse(bob.one_time_keys()).curve25519);
    const [sending, receiving] = [new Olm.Session(), new Olm.Session()];
    sending.create_outbound(alice, JSON.parse(bob.identity_keys()).curve25519, key);
    const first = sending.encrypt('hello');
    receiving.create_inbound(bob, first.body);
    receiving.decrypt(first.type, first.body);
    const answer = receiving.encrypt('hello');
    sending.decrypt(answer.type, answer.body);
    const keep = (session) => written && session.pickle('key');
    const end = (session) => ({
      encrypt() {
        const message = session.encrypt(text);
        keep(session);
        return message;
      },
      decrypt({ type, body }) {
        session.decrypt(type, body);
        keep(session);
      },
    });
    await chains(written ? 'olm, written' : 'olm', count, end(sending), end(receiving));
  }
}

/** As the bench in Rust: the agents in this process, the relay in another one. */
async function atOnce(urls, count) {
  const open = () => AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), ...urls });
  const [alice, bob] = [await open(), await open()];
  await Promise.all([alice.connect(), bob.connect()]);
  const serving = (async () => {
    for await (const message of bob.messages()) {
      // The last ones may hear that their client was closed: their answers are on their way.
      message.respond({ n: 1 }).catch((error) => {
        if (!(AgentMeshError.is(error) && error.kind === 'closed')) throw error;
      });
    }
  })();
  const ask = () => alice.request(bob.amid, { n: 1 }, { timeoutMs: 120_000 });
  for (let n = 0; n < 10; n++) await ask();
  const start = performance.now();
  for (let n = 0; n < 5; n++) await Promise.all(Array.from({ length: count }, ask));
  add(REQUESTS, 'node', performance.now() - start);
  await Promise.all([alice.close(), bob.close()]);
  await serving;
}

function rust(urls) {
  const command = [...(options.quick ? [] : ['--bench']), urls.registryUrl, urls.relayUrl];
  for (const line of execFileSync(calls, command, { encoding: 'utf8' }).split('\n').filter(Boolean)) {
    const { group, value } = JSON.parse(line);
    add(group, 'rust', value);
  }
}

const count = options.quick ? 10 : 5_000;
if (options.wasm) {
  await ours('wasm', count / 2);
  console.log(JSON.stringify(results));
  process.exit();
}

const home = mkdtempSync(join(tmpdir(), 'agentmesh-bench-'));
const command = join(dirname(createRequire(import.meta.url).resolve('@agentmesh/sdk')), 'bin.js');
const server = spawn(process.execPath, [command, '--json', 'dev', '--listen', '127.0.0.1:0'], {
  env: { ...process.env, HOME: home, TMPDIR: home },
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const [line] = await once(createInterface({ input: server.stdout }), 'line');
  const { registry: registryUrl, relay: relayUrl } = JSON.parse(line);
  const urls = { registryUrl, relayUrl };
  for (let round = 1; round <= (options.quick ? 1 : Number(options.rounds)); round++) {
    console.log(`round ${round}`);
    if (native) rust(urls);
    if (native) await ours('node', count);
    wasm();
    await libsignal(count / 2);
    await olm(count / 2);
    if (native) await atOnce(urls, options.quick ? 10 : 200);
    save();
  }
} finally {
  const ended = once(server, 'exit');
  if (server.exitCode === null && server.kill()) await ended;
  rmSync(home, { recursive: true, force: true });
}
sizes();
save();
for (const [group, contenders] of Object.entries(results)) {
  for (const [contender, values] of Object.entries(contenders)) {
    const median = [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
    console.log(`${group.padEnd(44)} ${contender.padEnd(18)} median ${median.toFixed(2).padStart(10)}`);
  }
}
