// `examples/browser`: built, served, and two people who talk. It takes the screenshot of its README.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { after, browser, directory, given, PATIENCE, serve } from './support.mjs';

const source = join(given('AGENTMESH_TEST_SOURCE'), 'examples', 'browser');

/** `agentmesh dev`, as people run it. */
async function dev(t) {
  const child = spawn(given('AGENTMESH_TEST_CLI'), ['dev', '--json', '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // It tells other commands of this user where it is.
    env: { ...process.env, HOME: directory(t) },
  });
  after(t, async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line);
    if (said.event === 'listening') return `http://${said.addr}`;
  }
  throw new Error('agentmesh dev ended');
}

test('two agents in two tabs chat, a third tab waits, and the screenshot shows it', async (t) => {
  const place = join(directory(t), 'browser');
  cpSync(source, place, { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(place, 'node_modules'));
  const vite = join(place, 'node_modules', 'vite', 'bin', 'vite.js');
  execFileSync(process.execPath, [vite, 'build', '--logLevel', 'warn'], { cwd: place, stdio: 'pipe' });
  // The page has a policy of its own; both must let it through.
  const url = await serve(t, { root: join(place, 'dist') });
  const server = await dev(t);
  const context = await browser(t);
  const problems = [];
  const open = async (name) => {
    const page = await context.newPage();
    page.on('pageerror', (error) => problems.push(String(error)));
    await page.goto(`${url}/?name=${name}&server=${encodeURIComponent(server)}`);
    return page;
  };
  const reads = (page, selector, wanted) =>
    page
      .waitForFunction(([selector, wanted]) => document.querySelector(selector)?.textContent.includes(wanted), [selector, wanted], { timeout: PATIENCE })
      .catch(async (error) => assert.fail(`${selector}: ${await page.textContent(selector)}, not ${wanted}\n${problems.join('\n')}\n${error}`));
  const lines = (page) => page.$$eval('#talk li', (all) => all.map((line) => [line.className, line.textContent]));

  const [alice, bob] = [await open('alice'), await open('bob')];
  for (const page of [alice, bob]) await reads(page, '#state', 'online');
  const amid = await bob.textContent('#amid');
  assert.match(amid, /^\w{20,}$/);
  await alice.fill('#peer', amid);
  await alice.fill('#text', 'Are you there?');
  await alice.click('#send button');
  await bob.click('#accept');
  await reads(bob, '#talk', 'Are you there?');
  assert.equal(await bob.inputValue('#peer'), await alice.textContent('#amid'));
  await bob.fill('#text', 'Yes, and only you can read this: <b>grüezi</b>');
  await bob.click('#send button');
  await reads(alice, '#talk', 'grüezi');
  assert.deepEqual(await lines(alice), [
    ['mine', 'Are you there?'],
    ['', 'Yes, and only you can read this: <b>grüezi</b>'],
  ]);

  // What the README shows; in the checkout it is replaced only by who says so.
  const picture = join(directory(t), 'screenshot.png');
  await alice.evaluate(() => document.activeElement.blur());
  await alice.screenshot({ path: process.env.AGENTMESH_UPDATE_DOCS ? join(source, 'screenshot.png') : picture });
  if (!process.env.AGENTMESH_UPDATE_DOCS) assert.ok(statSync(picture).size > 5_000, 'a picture of a page that shows something');
  assert.match(readFileSync(join(source, 'README.md'), 'utf8'), /\]\(screenshot\.png\)/);
  assert.equal(readFileSync(join(source, 'screenshot.png')).subarray(1, 4).toString(), 'PNG');

  const third = await open('alice');
  await reads(third, '#state', 'waiting');
  const same = await alice.textContent('#amid');
  await alice.close();
  await reads(third, '#state', 'online');
  assert.equal(await third.textContent('#amid'), same);
  await bob.fill('#text', 'Still you?');
  await bob.click('#send button');
  await reads(third, '#talk', 'Still you?');
  assert.deepEqual(problems, []);
});
