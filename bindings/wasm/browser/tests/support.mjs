// What tests share: Chromium with an empty profile, an origin of its own for each test, and a page that has the package.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { after as afterAll } from 'node:test';
import { chromium } from 'playwright-core';
import { build } from 'esbuild';
import { AgentMeshClient, MemoryStorage, Policy } from '@agentmesh/sdk';
import { Server } from '@agentmesh/sdk/testing';

/** A program or directory, as `scripts/browser.sh` says it. */
export function given(variable) {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: run scripts/browser.sh`);
  return value;
}

/** How long a page may take to show something. */
export const PATIENCE = 60_000;

const undone = new WeakMap();

/** Undoes things after a test, the last one first. */
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
  const made = mkdtempSync(join(tmpdir(), 'agentmesh-browser-'));
  after(t, () => rmSync(made, { recursive: true, force: true, maxRetries: 10 }));
  return made;
}

/** A browser with a profile on the disk; tabs are pages of it. */
export async function launch(profile) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: given('AGENTMESH_TEST_CHROMIUM'),
    headless: true,
    viewport: { width: 480, height: 520 },
    // The back/forward cache is a part of what is tested.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--host-resolver-rules=MAP insecure.test 127.0.0.1',
    ],
  });
  context.setDefaultTimeout(PATIENCE);
  return context;
}

/** A browser of its own, closed after the test. */
export async function ownBrowser(t, profile) {
  const context = await launch(profile);
  after(t, () => context.close());
  return context;
}

let started;
const profile = mkdtempSync(join(tmpdir(), 'agentmesh-browser-'));
afterAll(async () => {
  await (await started)?.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
});

/** The browser of this file: each test has an origin, and so stores and locks, of its own. Its tabs are closed after the test. */
export async function browser(t) {
  const context = await (started ??= launch(profile));
  after(t, () => Promise.all(context.pages().slice(1).map((page) => page.close())));
  return context;
}

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css' };

/** What the README asks of a page's policy, and nothing more. */
export const CSP = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "connect-src 'self' http://127.0.0.1:* ws://127.0.0.1:*",
].join('; ');

/** Serves files: texts by path, else those of a directory. Its port makes it an origin of its own. */
export async function serve(t, { files = {}, root } = {}) {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, 'http://x').pathname);
    const name = path.endsWith('/') ? `${path}index.html` : path;
    let content = files[name];
    try {
      if (content === undefined && root !== undefined) content = readFileSync(join(root, name));
    } catch {
      // There is no such file.
    }
    const type = TYPES[extname(name)] ?? 'application/octet-stream';
    response.writeHead(content === undefined ? 404 : 200, { 'Content-Type': type, 'Content-Security-Policy': CSP });
    response.end(content);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(t, () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${server.address().port}`;
}

let bundled;

/** `harness.mjs` with the package, as esbuild makes it without being told anything. */
function harness() {
  bundled ??= build({
    entryPoints: [join(import.meta.dirname, 'harness.mjs')],
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'error',
  }).then(({ outputFiles }) => outputFiles[0].text);
  return bundled;
}

const PAGE = '<!doctype html><title>tests</title><script type="module" src="/harness.js"></script>';

/** An origin whose page has `sdk`, `play` and `remote`. */
export async function origin(t) {
  return serve(t, { files: { '/index.html': PAGE, '/other.html': '<!doctype html><title>other</title>', '/harness.js': await harness() } });
}

/** Waits until the page has loaded the package. */
export async function loaded(page) {
  await page.waitForFunction(() => globalThis.sdk !== undefined);
  return page;
}

/** A tab with the package. */
export async function tab(context, url) {
  const page = await context.newPage();
  await page.goto(url);
  return loaded(page);
}

/** A browser, an origin, and a tab. */
export async function open(t) {
  const [context, url] = [await browser(t), await origin(t)];
  return { context, url, page: await tab(context, url) };
}

/** A relay and registry of its own. */
export async function server(t) {
  const running = await Server.start();
  after(t, () => running.stop());
  return running.urls;
}

/** An agent here, in Node. */
export async function agent(t, urls) {
  const client = await AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), ...urls });
  after(t, () => client.close());
  await client.connect();
  return client;
}
