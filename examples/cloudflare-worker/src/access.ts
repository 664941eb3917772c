// Who may use the agent: whoever brings the key.

import type { Env } from './env';

const SHORTEST = 16;

/** Compares digests, so that the time that it takes says nothing about the key. Without a key of its own the Worker is closed. */
export async function allowed(request: Request, env: Env): Promise<boolean> {
  const digest = async (text: string) => new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  const [, token] = /^bearer +(\S+) *$/i.exec(request.headers.get('Authorization') ?? '') ?? [];
  if (token === undefined || (env.API_KEY ?? '').length < SHORTEST) return false;
  const [given, expected] = await Promise.all([digest(token), digest(env.API_KEY)]);
  return given.every((byte, n) => byte === expected[n]);
}
