// What this process holds, and how it grows. Linux only.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Bytes of memory in RAM. */
const resident = () => Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * 4096;

/** Sockets that are open, whatever their state. */
export function sockets() {
  return readdirSync('/proc/self/fd').filter((number) => {
    try {
      return readlinkSync(`/proc/self/fd/${number}`).startsWith('socket:');
    } catch {
      return false; // The one that listed them.
    }
  }).length;
}

/** Threads of the process. */
export const threads = () => readdirSync('/proc/self/task').length;

/** Memory after so and so many rounds. */
export class Growth {
  samples = [];

  /** Garbage is collected before: run with `--expose-gc`. */
  async sample(done) {
    // Finalizers of the native module run between two collections.
    for (let n = 0; n < 3; n++) {
      globalThis.gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { heapUsed, external } = process.memoryUsage();
    this.samples.push([done, resident(), heapUsed + external]);
  }

  /** Bytes a round: the line through the second half of the samples, when caches and pools are full. */
  get slope() {
    return this.#slope(1);
  }

  #slope(which) {
    const later = this.samples.slice(Math.floor(this.samples.length / 2));
    const mean = (n) => later.reduce((sum, sample) => sum + sample[n], 0) / later.length;
    const [x, y] = [mean(0), mean(which)];
    const spread = later.reduce((sum, [at]) => sum + (at - x) ** 2, 0);
    return spread === 0 ? 0 : later.reduce((sum, sample) => sum + (sample[0] - x) * (sample[which] - y), 0) / spread;
  }

  toString() {
    const mib = (n) => (this.samples.at(n)[1] / 2 ** 20).toFixed(1);
    const half = Math.floor(this.samples.length / 2);
    return `RSS ${mib(0)} → ${mib(half)} (half way) → ${mib(-1)} MiB, ${this.slope.toFixed(3)} bytes a round, of which ${this.#slope(2).toFixed(3)} in V8's heap`;
  }
}
