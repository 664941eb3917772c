// The template for user data, with what goes wrong in the world on demand: `/test/` sets it.

import { LIMITS } from './cloudflare-user-data/src/store.ts';
import worker, { Sandbox as Real } from './cloudflare-user-data/src/index.ts';

const world = { broken: false, mountFails: false, environment: 'development' };

const around = (env) => ({
  ...env,
  get ENVIRONMENT() {
    return world.environment;
  },
  USER_DATA: new Proxy(env.USER_DATA, {
    get(bucket, name) {
      return (...args) => (world.broken ? Promise.reject(new Error('the-password-is-hush')) : bucket[name](...args));
    },
  }),
});

export class Sandbox extends Real {
  constructor(state, env) {
    super(state, around(env));
  }

  async mount(user) {
    if (world.mountFails) throw new Error('no FUSE');
    return super.mount(user);
  }
}

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === '/test/world') {
      const { skills, ...change } = await request.json();
      Object.assign(world, change);
      if (skills) LIMITS.skills = skills;
      return Response.json({});
    }
    if (pathname === '/test/fill') {
      const { user, count } = await request.json();
      await Promise.all(Array.from({ length: count }, (_, n) => env.USER_DATA.put(`users/${user}/skills/s${n}`, 'x')));
      return Response.json({});
    }
    if (pathname === '/test/put') {
      const { key, value } = await request.json();
      await env.USER_DATA.put(key, value);
      return Response.json({});
    }
    if (pathname === '/test/read') {
      const { session, path } = await request.json();
      return Response.json(await env.SANDBOX.getByName(session).readFile(path));
    }
    return worker.fetch(request, around(env));
  },
};
