// What tests share: a relay of its own, workers bundled as wrangler bundles them, and workerd to run them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';

/** A program or directory of the repository, as `scripts/wasm.sh` says it. */
export function given(variable) {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: run scripts/wasm.sh`);
  return value;
}

export const STORE_KEY = Buffer.alloc(32, 9).toString('base64');

/** A directory that is gone after the test. */
export function directory(t) {
  const made = mkdtempSync(join(tmpdir(), 'agentmesh-wasm-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Relay and registry, as people run them. */
export async function server(t) {
  const command = ['serve', '--listen', '127.0.0.1:0', '--data-dir', join(directory(t), 'server')];
  const child = spawn(given('AGENTMESH_TEST_SERVER'), command, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(async () => {
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
  t.after(() => mf.dispose());
  await mf.ready;
  return mf;
}

/** An answer as JSON; what went wrong in the worker goes wrong here. */
export async function answer(response) {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
  return JSON.parse(text);
}
