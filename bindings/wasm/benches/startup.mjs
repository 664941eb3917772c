// How long a Worker with the package takes to start in workerd, beyond one without: until it answered its first request, which makes an
// identity. `scripts/wasm.sh startup` runs it; Linux only, since processor time comes from /proc.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from '../tests/support.mjs';
import { Miniflare } from 'miniflare';

const RUNS = 15;
const place = process.argv[2];

const programs = {
  empty: `export default { fetch: () => new Response('ready') };`,
  loaded: `import { VERSION } from '@agentmesh/sdk'; export default { fetch: () => new Response(VERSION) };`,
  used: `import { Identity } from '@agentmesh/sdk'; export default { fetch: async () => new Response((await Identity.generate()).amid) };`,
};

/** Processor time of the children of this process so far, in milliseconds. */
function childrenTime() {
  const pids = execFileSync('pgrep', ['-P', String(process.pid)], { encoding: 'utf8' }).split('\n').filter(Boolean);
  const ticks = pids.map((pid) => {
    try {
      const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
      return Number(user) + Number(system);
    } catch {
      return 0;
    }
  });
  return ticks.reduce((sum, n) => sum + n, 0) * 10;
}

const median = (values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)];

const found = {};
for (const name of Object.keys(programs)) {
  writeFileSync(join(place, `${name}.mjs`), programs[name]);
  found[name] = { options: await bundle(join(place, `${name}.mjs`), join(place, name)), wall: [], processor: [] };
}
// By turns, so that whatever else the machine does meets all of them.
for (let run = 0; run < RUNS; run++) {
  for (const { options, wall, processor } of Object.values(found)) {
    const started = performance.now();
    const mf = new Miniflare({ cf: false, ...options });
    await mf.ready;
    await (await mf.dispatchFetch('http://worker.test/')).text();
    wall.push(performance.now() - started);
    processor.push(childrenTime());
    await mf.dispose();
  }
}
const { empty, loaded, used } = found;
for (const [what, one] of [['loaded', loaded], ['loaded, and an identity made', used]]) {
  const beyond = (kind) => (median(one[kind]) - median(empty[kind])).toFixed(0);
  console.log(`${what}: ${beyond('wall')} ms, ${beyond('processor')} ms of processor time, beyond a Worker without it (medians of ${RUNS})`);
}
