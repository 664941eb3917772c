// An agent on Cloudflare: what is asked over HTTP, and what is done on schedule.

import { AgentMeshError, KVStorage } from '@agentmesh/sdk';
import { allowed } from './access';
import type { Outcome } from './agent';
import type { Env } from './env';
import { CAPABILITIES, openAgent } from './open';

export { Agent } from './agent';
export { RelayConnection } from './relay';
export { AgentSession } from './session';

/** Presence is told to others for so long. KV is for this, and not for anything that must not be old. */
const PRESENCE_MS = 15 * 60_000;

async function answer(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
  const { pathname } = new URL(request.url);
  const [, route, name, ...rest] = pathname.split('/');
  if (pathname === '/info' || pathname === '/health') {
    const agent = await openAgent(env, { offline: true });
    const { amid } = agent;
    ctx.waitUntil(agent.close());
    return Response.json(pathname === '/info' ? { amid, capabilities: CAPABILITIES } : { status: 'healthy', amid });
  }
  if (!(await allowed(request, env))) return Response.json({ error: 'Unauthorized' }, { status: 401 });
  const agent = env.AGENT.getByName('agent');
  const presence = new KVStorage(env.AGENT_KV, 'agentmesh:');
  switch (`${request.method} /${route}`) {
    case 'POST /send': {
      const { to, message } = await json(request);
      const sent = result(await agent.send(to, message));
      const status = new TextEncoder().encode(JSON.stringify({ status: 'online', at: new Date().toISOString() }));
      ctx.waitUntil(presence.set('presence:agent', status, { ttlMs: PRESENCE_MS }));
      return Response.json({ success: true, ...sent });
    }
    case 'POST /request': {
      const { to, message } = await json(request);
      return Response.json(result(await agent.request(to, message)));
    }
    case 'POST /receive':
      result(await agent.tend());
      return Response.json(await agent.received());
    case 'GET /messages':
      return Response.json(await agent.received());
    case 'DELETE /messages':
      await agent.forget(decodeURIComponent(name ?? ''));
      return Response.json({ success: true });
    case 'GET /presence': {
      const known = await presence.get('presence:agent');
      return known ? new Response(known, { headers: { 'Content-Type': 'application/json' } }) : Response.json({ status: 'offline' });
    }
    case 'GET /relay':
      return env.RELAY_CONNECTION.getByName(name ?? 'relay').fetch(request);
    default:
      // `/sessions/{name}/session/…` and `/sessions/{name}/message/…` are those of one AgentSession.
      if (route === 'sessions' && name) {
        return env.AGENT_SESSION.getByName(name).fetch(new Request(new URL(`/${rest.join('/')}`, request.url), request));
      }
      if (['/send', '/request', '/receive'].includes(pathname)) return new Response('Method not allowed', { status: 405 });
      return new Response('Not found', { status: 404 });
  }
}

function result<T>(outcome: Outcome<T>): T {
  if ('ok' in outcome) return outcome.ok;
  throw Response.json({ error: outcome.code }, { status: outcome.retryable ? 503 : 500 });
}

async function json(request: Request): Promise<{ to: string; message: unknown }> {
  const body = await request.json<{ to?: unknown; message?: unknown }>().catch(() => null);
  if (typeof body?.to !== 'string') throw Response.json({ error: 'to and message are required' }, { status: 400 });
  return { to: body.to, message: body.message };
}

export default {
  async fetch(request, env, ctx): Promise<Response> {
    try {
      return await answer(request, env, ctx);
    } catch (error) {
      if (error instanceof Response) return error;
      console.error(error);
      // The code says what went wrong, and nothing more is told.
      const code = AgentMeshError.is(error) ? error.code : 'INTERNAL';
      return Response.json({ error: code }, { status: AgentMeshError.is(error) && error.retryable ? 503 : 500 });
    }
  },

  /** Prekeys are replenished, and what waits at the relay is collected. */
  async scheduled(_, env, ctx): Promise<void> {
    ctx.waitUntil(Promise.all([env.AGENT.getByName('agent').tend(), env.AGENT_SESSION.getByName('main').replenish()]));
  },
} satisfies ExportedHandler<Env>;
