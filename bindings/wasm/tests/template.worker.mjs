// The template for agents, with a bucket that fails when a request says so, and without sockets if there are to be none.

import { env } from 'cloudflare:workers';
import worker from './cloudflare-worker/src/index.ts';

export { Agent, AgentSession, RelayConnection } from './cloudflare-worker/src/index.ts';

const failing = { get: () => Promise.reject(new Error('network')), put: () => Promise.reject(new Error('network')) };

if (env.SOCKETS === 'no sockets') {
  globalThis.WebSocket = class {
    constructor() {
      throw new Error('this Worker has no sockets');
    }
  };
}

export default {
  scheduled: worker.scheduled,
  fetch(request, env, ctx) {
    const broken = new URL(request.url).searchParams.has('broken');
    return worker.fetch(request, broken ? { ...env, AGENT_STORAGE: failing } : env, ctx);
  },
};
