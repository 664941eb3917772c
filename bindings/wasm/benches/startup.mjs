// How long a Worker with the package takes to start in workerd, beyond one without: from the start of the process until it answered
// its first request, which makes an identity. `scripts/wasm.sh startup` runs it; Linux only, since processor time comes from /proc.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundle } from '../tests/support.mjs';

const RUNS = 15;
const place = process.argv[2];
// The runtime itself: what Miniflare does around it is no part of a Worker's start.
const { default: workerd } = createRequire(createRequire(import.meta.url).resolve('miniflare'))('workerd');

const programs = {
  empty: `export default { fetch: () => new Response('ready') };`,
  loaded: `import { VERSION } from '@agentmesh/sdk'; export default { fetch: () => new Response(VERSION) };`,
  used: `import { Identity } from '@agentmesh/sdk'; export default { fetch: async () => new Response((await Identity.generate()).amid) };`,
};

/** Writes what workerd serves: the program and the module that it imports, embedded. */
function configure(directory, compatibilityDate) {
  const modules = readdirSync(directory)
    .filter((file) => /\.(js|wasm)$/.test(file))
    // The program first: the first module is the Worker.
    .sort((one) => (one === 'worker.js' ? -1 : 1))
    .map((file) => `(name = "${file}", ${file.endsWith('.js') ? 'esModule' : 'wasm'} = embed "${file}")`);
  const config = join(directory, 'config.capnp');
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [${modules.join(', ')}], compatibilityDate = "${compatibilityDate}"))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
  );
  return config;
}

/** One start: milliseconds by the clock and of the processor, until the first answer. */
async function start(config) {
  const started = performance.now();
  const running = spawn(workerd, ['serve', '--control-fd=1', config], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    for await (const line of createInterface({ input: running.stdout })) {
      const { event, port } = JSON.parse(line);
      if (event !== 'listen') continue;
      const answer = await fetch(`http://127.0.0.1:${port}/`);
      if (!answer.ok) throw new Error(await answer.text());
      await answer.text();
      const wall = performance.now() - started;
      const [user, system] = readFileSync(`/proc/${running.pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
      return { wall, processor: (Number(user) + Number(system)) * 10 };
    }
    throw new Error('workerd ended');
  } finally {
    running.kill('SIGKILL');
  }
}

const median = (values) => values.sort((one, other) => one - other)[Math.floor(values.length / 2)];

const found = {};
for (const name of Object.keys(programs)) {
  writeFileSync(join(place, `${name}.mjs`), programs[name]);
  const { modulesRoot, compatibilityDate } = await bundle(join(place, `${name}.mjs`), join(place, name));
  found[name] = { config: configure(modulesRoot, compatibilityDate), wall: [], processor: [] };
}
// By turns, so that whatever else the machine does meets all of them.
for (let run = 0; run < RUNS; run++) {
  for (const { config, wall, processor } of Object.values(found)) {
    const took = await start(config);
    wall.push(took.wall);
    processor.push(took.processor);
  }
}
const { empty, loaded, used } = found;
for (const [what, one] of [['loaded', loaded], ['loaded, and an identity made', used]]) {
  const beyond = (kind) => (median(one[kind]) - median(empty[kind])).toFixed(0);
  console.log(`${what}: ${beyond('wall')} ms, ${beyond('processor')} ms of processor time, beyond a Worker without it (medians of ${RUNS})`);
}
