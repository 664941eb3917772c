// What tests share: a relay of its own, workers bundled as wrangler bundles them, and workerd to run them.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';

/** A program or directory of the repository, as `scripts/wasm.sh` says it. */
export function given(variable) {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: run scripts/wasm.sh`);
  return value;
}

export const STORE_KEY = Buffer.alloc(32, 9).toString('base64');

const undone = new WeakMap();

/** Undoes things after a test, the last one first: what runs in a directory ends before that is removed. */
export function after(t, undo) {
  if (!undone.has(t)) {
    undone.set(t, []);
    t.after(async () => {
      for (const one of undone.get(t).reverse()) await one();
    });
  }
  undone.get(t).push(undo);
}

/** A directory that is gone after the test. */
export function directory(t) {
  const made = mkdtempSync(join(tmpdir(), 'agentmesh-wasm-'));
  after(t, () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Relay and registry, as people run them. */
export async function server(t, { args = [], env = {} } = {}) {
  const command = ['serve', '--listen', '127.0.0.1:0', '--data-dir', join(directory(t), 'server'), ...args];
  const child = spawn(given('AGENTMESH_TEST_SERVER'), command, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  after(t, async () => {
    if (child.exitCode === null) {
      child.kill();
      await once(child, 'exit');
    }
  });
  const address = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        const found = /127\.0\.0\.1:\d+/.exec(line);
        if (found) resolve(found[0]);
      });
    }
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { AGENTMESH_REGISTRY_URL: `http://${address}/v1`, AGENTMESH_RELAY_URL: `ws://${address}/v1/connect` };
}

/** The agent in Rust, with a home of its own. */
export function rust(t, urls) {
  const home = directory(t);
  const how = ['--home', home, '--registry', urls.AGENTMESH_REGISTRY_URL, '--relay', urls.AGENTMESH_RELAY_URL, '--json'];
  const said = (out) => out.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line));
  return {
    async does(...command) {
      const { stdout } = await promisify(execFile)(given('AGENTMESH_TEST_CLI'), [...how, ...command], { timeout: 60_000 });
      return said(stdout);
    },
    /** Runs until the test ends: what it prints, line by line, and how it is told something. */
    runs(...command) {
      const child = spawn(given('AGENTMESH_TEST_CLI'), [...how, ...command], { stdio: ['pipe', 'pipe', 'inherit'] });
      after(t, async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill();
        await once(child, 'exit');
      });
      const tell = (line) => child.stdin.write(`${JSON.stringify(line)}\n`);
      return [createInterface({ input: child.stdout })[Symbol.asyncIterator](), tell];
    },
  };
}

/** A template of the repository as a project of its own, with what was installed here. */
export function template(t, name) {
  const made = join(directory(t), name);
  cpSync(join(given('AGENTMESH_TEST_SOURCE'), 'examples', name), made, { recursive: true });
  symlinkSync(join(import.meta.dirname, '..', 'node_modules'), join(made, 'node_modules'));
  return made;
}

const wrangler = join(import.meta.dirname, '..', 'node_modules', 'wrangler', 'bin', 'wrangler.js');
/** wrangler as on a machine without an account. */
const alone = (home) => ({
  ...process.env,
  CI: '1',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_LOG_PATH: join(home, '.wrangler', 'logs'),
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  XDG_CONFIG_HOME: join(home, '.config'),
});

/** `wrangler deploy --dry-run`; what it would upload is in `dist/`. */
export async function wranglerDryRun(home) {
  const { stdout } = await promisify(execFile)(process.execPath, [wrangler, 'deploy', '--dry-run', '--outdir', 'dist'], { cwd: home, env: alone(home), timeout: 120_000 });
  return stdout;
}

/** `wrangler dev --local`; where it listens. */
export async function wranglerDev(t, home, ...more) {
  const args = ['dev', '--local', '--ip', '127.0.0.1', '--port', '0', '--inspector-port', '0', '--show-interactive-dev-session=false', ...more];
  const child = spawn(process.execPath, [wrangler, ...args], { cwd: home, env: alone(home), stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  after(t, async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    // With the processes that it started.
    process.kill(-child.pid, 'SIGTERM');
    await once(child, 'exit');
  });
  let said = '';
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said += text;
        const found = /Ready on (http:\/\/[\w.:]+)/.exec(said);
        if (found) resolve(found[1]);
      });
    }
    child.once('exit', (code) => reject(new Error(`wrangler ended with ${code}: ${said}`)));
  });
}

/** A worker in one file, with the module beside it. */
export async function bundle(entry, out) {
  await build({
    entryPoints: { worker: entry },
    outdir: out,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*'],
    loader: { '.wasm': 'copy' },
    logLevel: 'error',
  });
  return {
    modules: true,
    scriptPath: join(out, 'worker.js'),
    modulesRoot: out,
    modulesRules: [{ type: 'CompiledWasm', include: ['**/*.wasm'] }],
    compatibilityDate: '2026-04-01',
  };
}

/** workerd, with what miniflare takes. */
export async function workerd(t, options) {
  const mf = new Miniflare({ cf: false, ...options });
  after(t, () => mf.dispose());
  await mf.ready;
  return mf;
}

/** An answer as JSON; what went wrong in the worker goes wrong here. */
export async function answer(response) {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
  return JSON.parse(text);
}
