// The packed package in empty projects: built and served by Vite, bundled by esbuild, and as it is, without any bundler; none of them
// is configured. Each is a page under the policy that the README names, and has two agents that talk through a relay.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { build } from 'esbuild';
import { after, browser, CSP, directory, serve, server } from './support.mjs';

const program = (from) => `
import { AgentMeshClient, IndexedDbStorage, Policy, VERSION } from '${from}';

const [registryUrl, relayUrl] = decodeURIComponent(location.hash.slice(1)).split(' ');
const open = (name) =>
  AgentMeshClient.create({ storage: new IndexedDbStorage(name), policy: Policy.permissive(), registryUrl, relayUrl });

async function main() {
  const [alice, bob] = [await open('alice'), await open('bob')];
  await Promise.all([alice.connect(), bob.connect()]);
  bob.onRequest((message) => ({ echo: message.payload }));
  const { payload } = await alice.request(bob.amid, { hello: 'wörld' });
  await Promise.all([alice.close(), bob.close()]);
  return JSON.stringify({ payload, version: VERSION });
}

main().catch((error) => \`\${error.code ?? error.name}: \${error.message}\`).then((text) => {
  document.querySelector('p').textContent = text;
});
`;

const page = (script) => `<!doctype html><meta charset="utf-8"><title>t</title><p></p><script type="module" src="${script}"></script>\n`;

/** An empty project with the package in it. */
function project(t, files) {
  const place = directory(t);
  mkdirSync(join(place, 'node_modules', '@agentmesh'), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules', '@agentmesh', 'sdk'), join(place, 'node_modules', '@agentmesh', 'sdk'));
  for (const [name, text] of Object.entries({ 'package.json': '{"private": true, "type": "module"}', ...files })) {
    writeFileSync(join(place, name), text);
  }
  return place;
}

/** Opens the page, and checks that its agents have talked. */
async function talks(t, url) {
  const { registryUrl, relayUrl } = await server(t);
  const opened = await (await browser(t)).newPage();
  const problems = [];
  opened.on('pageerror', (error) => problems.push(String(error)));
  opened.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await opened.goto(`${url}/#${encodeURIComponent(`${registryUrl} ${relayUrl}`)}`);
  await opened.waitForFunction(() => document.querySelector('p')?.textContent, undefined, {}).catch((error) => {
    throw new Error(`${error}\n${problems.join('\n')}`);
  });
  const { version } = JSON.parse(readFileSync(join(process.cwd(), 'node_modules/@agentmesh/sdk/package.json'), 'utf8'));
  assert.equal(await opened.textContent('p'), JSON.stringify({ payload: { echo: { hello: 'wörld' } }, version }));
  // The registry answers 409 to who is there already, and so on: what browsers print of answers is not ours.
  assert.deepEqual(problems.filter((text) => !text.startsWith('Failed to load resource')), []);
}

test('a project of Vite, built for production and served by its preview', async (t) => {
  const place = project(t, { 'index.html': page('/main.js'), 'main.js': program('@agentmesh/sdk') });
  const vite = join(process.cwd(), 'node_modules', 'vite', 'bin', 'vite.js');
  const run = (...args) => spawn(process.execPath, [vite, ...args], { cwd: place, stdio: ['ignore', 'pipe', 'pipe'] });
  const building = run('build', '--logLevel', 'warn');
  let said = '';
  building.stderr.on('data', (data) => (said += data));
  assert.deepEqual(await once(building, 'exit'), [0, null], said);
  // Its preview sends no policy; a project says it in the page.
  const built = join(place, 'dist', 'index.html');
  const html = readFileSync(built, 'utf8');
  assert.match(html, /<meta charset/);
  writeFileSync(built, html.replace('<title>', `<meta http-equiv="Content-Security-Policy" content="${CSP}"><title>`));
  const preview = run('preview', '--host', '127.0.0.1', '--port', '0');
  after(t, async () => {
    preview.kill();
    if (preview.exitCode === null && preview.signalCode === null) await once(preview, 'exit');
  });
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: preview.stdout }).on('line', (line) => {
      // Colours are in between.
      const found = /http:\/\/127\.0\.0\.1:(\d+)/.exec(line.replace(/\u001b\[\d+m/g, ''));
      if (found) resolve(found[0]);
    });
    preview.once('exit', (code) => reject(new Error(`vite preview ended with ${code}`)));
  });
  await talks(t, url);
});

test('a bundle of esbuild', async (t) => {
  const place = project(t, { 'main.js': program('@agentmesh/sdk') });
  const out = join(place, 'out');
  await build({ entryPoints: [join(place, 'main.js')], bundle: true, format: 'esm', outdir: out, logLevel: 'error', absWorkingDir: place });
  writeFileSync(join(out, 'index.html'), page('/main.js'));
  await talks(t, await serve(t, { root: out }));
});

test('without a bundler', async (t) => {
  const place = project(t, { 'index.html': page('/main.js'), 'main.js': program('/node_modules/@agentmesh/sdk/dist/web/wasm/web.js') });
  await talks(t, await serve(t, { root: place }));
});
