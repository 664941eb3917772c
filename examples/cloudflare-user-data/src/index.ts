// User data in a bucket of R2: skills, conversations and settings of users, and sandboxes that have a user's skills. Not end-to-end
// encrypted: whoever runs the Worker reads all of it.

import { admit, count } from './access';
import { Refusal } from './answers';
import { environment, type Env } from './env';
import { name, segment } from './names';
import { users } from './users';

export { Sandbox } from './sandbox';

async function answer(request: Request, env: Env): Promise<Response> {
  const url = new URL(request.url);
  const [, area, ...segments] = url.pathname.split('/');
  switch (area) {
    case 'health':
      only(request, 'GET');
      return Response.json({
        status: 'healthy',
        environment: environment(env),
        hasApiKey: env.ANTHROPIC_API_KEY !== undefined,
        hasSandbox: env.SANDBOX !== undefined,
        hasR2: env.USER_DATA !== undefined,
        timestamp: new Date().toISOString(),
      });
    case '_info':
      only(request, 'GET');
      return Response.json({ publicUrl: url.origin, socketPath: '/socket.io/', environment: environment(env) });
    case 'users':
      await admit(request, env);
      return users(request, env, segments);
    case 'setup':
      await admit(request, env);
      return setup(request, env, segments, url.searchParams.get('userId'));
    case 'sandbox':
      await admit(request, env);
      return destroy(request, env, segments);
    case 'ws':
      if (request.headers.get('Upgrade')?.toLowerCase() !== 'websocket') {
        return new Response('Expected Upgrade: websocket', { status: 426 });
      }
      await admit(request, env);
      return env.SANDBOX.getByName(segment('session id', url.searchParams.get('sessionId') ?? '')).fetch(request);
    default:
      throw Refusal.path();
  }
}

async function setup(request: Request, env: Env, segments: string[], user: string | null): Promise<Response> {
  const sessionId = session(segments);
  only(request, 'POST');
  const userId = name('user id', user ?? sessionId);
  await count(env, userId, 'POST');
  const prepared = await env.SANDBOX.getByName(sessionId).prepare(userId);
  if ('refused' in prepared) throw new Refusal(prepared.status, prepared.refused);
  const message = `Sandbox prepared. Connect via WebSocket to /ws?sessionId=${sessionId}`;
  return Response.json({ status: 'ready', sessionId, userId, ...prepared, message });
}

async function destroy(request: Request, env: Env, segments: string[]): Promise<Response> {
  const sessionId = session(segments);
  only(request, 'DELETE');
  await env.SANDBOX.getByName(sessionId).destroy();
  return Response.json({ status: 'destroyed', sessionId });
}

function session(segments: string[]): string {
  const [id, ...rest] = segments;
  if (id === undefined || rest.length > 0) throw Refusal.path();
  return segment('session id', id);
}

function only(request: Request, method: string): void {
  const asked = request.method === 'HEAD' ? 'GET' : request.method;
  if (asked !== method) throw Refusal.method(method);
}

export default {
  async fetch(request, env): Promise<Response> {
    let response: Response;
    try {
      response = await answer(request, env);
    } catch (error) {
      if (error instanceof Refusal) response = error.response();
      else {
        console.error(error);
        response = new Refusal(500, 'Internal error').response();
      }
    }
    return request.method === 'HEAD' ? new Response(null, response) : response;
  },
} satisfies ExportedHandler<Env>;
