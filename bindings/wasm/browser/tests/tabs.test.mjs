// Several tabs with one store: one writes, the others wait, and whoever comes next goes on where the one before ended.

import assert from 'node:assert/strict';
import test from 'node:test';
import { agent, browser, open, origin, PATIENCE, server, tab } from './support.mjs';

/** Begins to open a store in a tab; `globalThis.opened` is what comes of it. */
const begin = (page, options = {}) =>
  page.evaluate((options) => {
    globalThis.lost = new Promise((resolve) => (globalThis.wasLost = resolve));
    globalThis.store = new globalThis.sdk.IndexedDbStorage('agent', { ...options, onLost: (reason) => globalThis.wasLost(reason) });
    globalThis.opened = globalThis.outcome(() => globalThis.store.load([]).then(() => 'open'));
  }, options);
const opened = async (page) => (await page.evaluate(() => globalThis.opened)).value;
const write = (page, n) => page.evaluate((n) => globalThis.outcome(() => globalThis.store.commit([globalThis.change(n)]).then(() => 'written')), n);

const WRITTEN = { value: 'written' };

/** The locks that are held and waited for, as the browser tells. */
const locks = (page) => page.evaluate(async () => {
  const { held, pending } = await navigator.locks.query();
  return [held.length, pending.length];
});

/** Waits for something, and fails if it does not come. */
async function eventually(what, holds) {
  for (const deadline = Date.now() + PATIENCE; !(await holds()); ) {
    assert.ok(Date.now() < deadline, `still not: ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const until = (page, wanted) =>
  eventually(`locks ${wanted}`, async () => JSON.stringify(await locks(page)) === JSON.stringify(wanted));

test('the second tab fails or waits, as it was told, until the first is closed', async (t) => {
  const { context, url, page: first } = await open(t);
  await begin(first);
  assert.equal(await opened(first), 'open');
  const second = await tab(context, url);
  await begin(second, { whenInUse: 'fail' });
  const refused = await second.evaluate(() => globalThis.opened);
  assert.deepEqual([refused.code, refused.retryable], ['STORAGE_LOCKED', true]);

  await begin(second);
  await until(first, [1, 1]);
  assert.deepEqual(await write(first, 1), WRITTEN);
  await first.close();
  assert.equal(await opened(second), 'open');
  assert.equal(await second.evaluate(async () => (await globalThis.store.list('meta', null, 10)).length), 1);
  assert.deepEqual(await write(second, 2), WRITTEN);
});

test('who waits for a turn can give up: by a signal, or by closing', async (t) => {
  const { context, url, page: first } = await open(t);
  await begin(first);
  assert.equal(await opened(first), 'open');
  const second = await tab(context, url);
  const told = await second.evaluate(async () => {
    const { AgentMeshClient, IndexedDbStorage } = globalThis.sdk;
    const codes = [];
    const pending = async () => {
      while ((await navigator.locks.query()).pending.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    // A signal of the storage, one of the call, and the client's end.
    const control = new AbortController();
    const waiting = globalThis.outcome(() => new IndexedDbStorage('agent', { signal: control.signal }).load([]));
    await pending();
    control.abort(new DOMException('enough', 'TimeoutError'));
    codes.push((await waiting).message);
    const client = new AgentMeshClient({ storage: new IndexedDbStorage('agent'), offline: true });
    const call = new AbortController();
    const opening = globalThis.outcome(() => client.initialize({ signal: call.signal }));
    await pending();
    call.abort(new DOMException('enough again', 'TimeoutError'));
    codes.push((await opening).message);
    const once = globalThis.outcome(() => client.initialize());
    await pending();
    await client.close();
    codes.push((await once).code);
    const storage = new IndexedDbStorage('agent');
    const list = globalThis.outcome(() => storage.list('meta', null, 1));
    await pending();
    await storage.close();
    codes.push((await list).code);
    codes.push((await navigator.locks.query()).pending.length);
    return codes;
  });
  assert.deepEqual(told, ['enough', 'enough again', 'AGENT_CLOSED', 'closed', 0]);
  assert.deepEqual(await write(first, 1), WRITTEN);
});

test('tabs that open at the same time are one agent', async (t) => {
  const [context, url] = [await browser(t), await origin(t)];
  const tabs = await Promise.all([1, 2, 3].map(() => tab(context, url)));
  const amids = await Promise.all(tabs.map((page) => page.evaluate(() => globalThis.amid('agent'))));
  assert.match(amids[0].value, /^\w{20,}$/);
  assert.deepEqual(new Set(amids.map(({ value }) => value)).size, 1);
});

test('a tab is killed in the midst of traffic: the next goes on with the same session, and nothing is lost', async (t) => {
  const urls = await server(t);
  const bob = await agent(t, urls);
  const { context, url, page: first } = await open(t);
  const second = await tab(context, url);
  const queued = [];
  const count = (who) => queued.filter((said) => said.startsWith(who)).length;
  await context.exposeFunction('queued', (said) => void queued.push(said));
  /** Sends without end, several at a time, and tells what is queued; answers what comes in. */
  const talk = (page, who) =>
    page.evaluate(
      ([who, peer, urls]) => {
        globalThis.talking = globalThis.outcome(async () => {
          const { AgentMeshClient, IndexedDbStorage, Policy } = globalThis.sdk;
          const client = await AgentMeshClient.create({ storage: new IndexedDbStorage('alice'), policy: Policy.permissive(), ...urls });
          globalThis.client = client;
          client.onMessage((message) => globalThis.queued(`got ${message.payload}`));
          await client.connect();
          globalThis.stop = false;
          const lines = [0, 1, 2].map(async (line) => {
            for (let n = 0; !globalThis.stop; n++) {
              const said = `${who} ${line} ${n}`;
              await client.send(peer, said, { wait: 'queued' });
              await globalThis.queued(said);
            }
          });
          await Promise.all(lines);
          return client.amid;
        });
      },
      [who, bob.amid, urls],
    );

  const heard = [];
  const senders = new Set();
  let answered = 0;
  let established = 0;
  bob.on('sessionEstablished', () => (established += 1));
  bob.onMessage(async (message) => {
    heard.push(message.payload);
    senders.add(message.from);
    // Both ends turn the ratchet.
    if (heard.length % 5 === 0) await bob.send(message.from, (answered += 1), { wait: 'queued' });
  });
  await talk(first, 'first');
  await first.waitForFunction(() => globalThis.client !== undefined);
  await talk(second, 'second');
  await until(second, [1, 1]);
  await eventually('messages of the first tab', () => count('first') >= 60);
  const crashed = first.waitForEvent('crash');
  const cdp = await context.newCDPSession(first);
  cdp.send('Page.crash').catch(() => undefined);
  await crashed;
  await eventually('messages of the second tab', () => count('second') >= 60);
  const amid = (await second.evaluate(() => {
    globalThis.stop = true;
    return globalThis.talking;
  })).value;
  const missing = () => queued.filter((said) => !said.startsWith('got') && !heard.includes(said));
  // Handled again is what the first tab handled when it died before it could write that it had.
  const unanswered = () => answered - new Set(queued.filter((said) => said.startsWith('got'))).size;
  const left = () => `${missing().length} of ${queued.length} messages missing, ${unanswered()} of ${answered} answers`;
  await eventually(left, () => missing().length === 0 && unanswered() === 0);
  assert.deepEqual([...senders], [amid], 'one identity');
  assert.equal(new Set(heard).size, heard.length, 'nothing came twice');
  assert.deepEqual([established, (await bob.getSessions()).length], [1, 1], 'one session, which was not forked');
  await second.evaluate(() => globalThis.client.close());
});

test('a frozen tab gives its turn up, and is told if another one took it', async (t) => {
  const { context, url, page: first } = await open(t);
  const second = await tab(context, url);
  await begin(first);
  assert.equal(await opened(first), 'open');
  // Browsers freeze no tab that is told by a debugger to be visible: the events are played.
  const events = { frozen: 'freeze', active: 'resume' };
  const freeze = (state) => first.evaluate((type) => document.dispatchEvent(new Event(type)) && undefined, events[state]);

  // Nobody else wants it: it goes on.
  await freeze('frozen');
  await until(second, [0, 0]);
  await freeze('active');
  assert.deepEqual(await write(first, 1), WRITTEN);

  await freeze('frozen');
  await begin(second);
  assert.equal(await opened(second), 'open');
  assert.deepEqual(await write(second, 2), WRITTEN);
  await freeze('active');
  assert.equal(await first.evaluate(() => globalThis.lost), 'taken');
  assert.equal((await write(first, 3)).code, 'locked');
  await second.evaluate(() => globalThis.store.close());

  // One that only waited asks again when it is back, and does not stand in the way meanwhile.
  await begin(second);
  assert.equal(await opened(second), 'open');
  await begin(first);
  await until(second, [1, 1]);
  await freeze('frozen');
  await until(second, [1, 0]);
  await freeze('active');
  await second.evaluate(() => globalThis.store.close());
  assert.equal(await opened(first), 'open');
});

test('a page in the back/forward cache holds up nobody, and goes on when it is back', async (t) => {
  const { context, url, page: first } = await open(t);
  const second = await tab(context, url);
  await begin(first);
  assert.equal(await opened(first), 'open');
  // As browsers do that keep pages with locks; this one may not.
  const event = (type) => first.evaluate((type) => dispatchEvent(new PageTransitionEvent(type, { persisted: true })), type);
  await event('pagehide');
  await until(second, [0, 0]);
  const waiting = write(first, 1);
  await event('pageshow');
  assert.deepEqual(await waiting, WRITTEN);
  await event('pagehide');
  await begin(second);
  assert.equal(await opened(second), 'open');
  await event('pageshow');
  assert.equal(await first.evaluate(() => globalThis.lost), 'taken');
  await second.evaluate(() => globalThis.store.close());

  // And really. Whether a browser keeps the page is its business; what comes of it is told by way of the other tab.
  await begin(first);
  assert.equal(await opened(first), 'open');
  await first.evaluate(() =>
    addEventListener('pageshow', async ({ persisted }) => {
      const { value } = await globalThis.outcome(() => globalThis.store.commit([globalThis.change(2)]).then(() => 'written'));
      localStorage.setItem('came back', `${persisted} ${value}`);
    }),
  );
  await first.goto(`${url}/other.html`);
  await until(second, [0, 0]);
  await first.evaluate(() => setTimeout(() => history.back()));
  await second.waitForFunction(() => localStorage.getItem('came back') ?? Number(localStorage.getItem('loaded')) > 2);
  const told = await second.evaluate(() => localStorage.getItem('came back'));
  if (told === null) t.diagnostic('this browser did not keep the page');
  else assert.equal(told, 'true written');
});

test('a turn that is taken away by force ends all writing, even of a tab that has not noticed', async (t) => {
  const { context, url, page: first } = await open(t);
  await begin(first);
  assert.equal(await opened(first), 'open');
  const second = await tab(context, url);
  await second.evaluate(() => navigator.locks.request('indexeddb:agent', { steal: true }, () => undefined));
  assert.equal(await first.evaluate(() => globalThis.lost), 'taken');
  assert.equal((await write(first, 1)).code, 'locked');

  await begin(first);
  assert.equal(await opened(first), 'open');
  await second.evaluate(() => globalThis.raw('agent', 'meta', (meta) => meta.put('somebody else', 'holder')));
  assert.equal((await write(first, 1)).code, 'locked');
  assert.equal(await first.evaluate(() => globalThis.lost), 'taken');
});
