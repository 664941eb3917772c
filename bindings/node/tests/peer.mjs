// An agent in Python, in a process of its own. The Python package is the one that `scripts/python.sh` installed. In CI it must be there.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, given } from './support.mjs';

export const python = join(given('AGENTMESH_TEST_SOURCE'), 'target', 'python', 'venv', 'bin', 'python');
export const peer = join(given('AGENTMESH_TEST_SOURCE'), 'bindings', 'node', 'tests', 'peer.py');
const missing = !existsSync(python);
if (missing && process.env.CI === 'true') throw new Error(`${python} is missing: run scripts/python.sh before scripts/node.sh`);
export const skip = missing && 'the Python package is not installed: run scripts/python.sh before';

/** An agent in Python, whose answers are awaited. */
export class Python {
  static async start(t, home, urls) {
    const made = new Python();
    made.child = spawn(python, [peer, home, urls.registryUrl, urls.relayUrl], { stdio: ['pipe', 'pipe', 'inherit'] });
    after(t, () => made.stop());
    made.lines = createInterface({ input: made.child.stdout })[Symbol.asyncIterator]();
    made.amid = (await made.heard()).amid;
    return made;
  }

  async heard() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the agent in Python ended');
    return JSON.parse(value);
  }

  async does(order) {
    this.child.stdin.write(`${JSON.stringify(order)}\n`);
    return this.heard();
  }

  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.stdin.end();
    await once(this.child, 'exit');
  }
}

/** Both ends of something, so that neither fails unheard. */
export const both = (...ends) => Promise.all(ends);
