// Who may ask, and how often.

import { Refusal } from './answers';
import type { Env } from './env';

/** Shorter keys could be guessed. */
const SHORTEST = 16;

const digest = async (value: string): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(value)));

/** Compares digests, so that the time that it takes says nothing about the key. */
async function same(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([digest(one), digest(other)]);
  let different = 0;
  for (let n = 0; n < a.length; n++) different |= (a[n] ?? 0) ^ (b[n] ?? 0);
  return different === 0;
}

/** Refuses whoever does not bring the key. Without a key of its own the service is closed, not open. */
export async function admit(request: Request, env: Env): Promise<void> {
  const { API_KEY: key } = env;
  if (key === undefined || new TextEncoder().encode(key).length < SHORTEST) {
    console.error('API_KEY is missing or shorter than 16 bytes: wrangler secret put API_KEY');
    throw new Refusal(503, 'The service is not configured');
  }
  const [, token] = /^bearer +(\S+) *$/i.exec(request.headers.get('Authorization') ?? '') ?? [];
  if (token === undefined || !(await same(token, key))) throw new Refusal(401, 'Unauthorized');
}

/** Counts what a user does. */
export async function count(env: Env, user: string, method: string): Promise<void> {
  const limiter = method === 'GET' || method === 'HEAD' ? env.READS : env.WRITES;
  if (limiter === undefined) return;
  const { success } = await limiter.limit({ key: user });
  if (!success) throw new Refusal(429, 'Too many requests', { 'Retry-After': '60' });
}
