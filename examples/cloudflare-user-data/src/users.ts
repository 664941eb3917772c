// `/users/{user}/…`: skills, conversations and settings.

import { count } from './access';
import { object, Refusal, text } from './answers';
import type { Env } from './env';
import { name, segment, type Kind } from './names';
import { conversationKey, LIMITS, settingsKey, Store, type Listed } from './store';

const NO_SKILL = 'Skill name and content are required';
const NO_CONVERSATION = 'conversationId is required';
const NO_SETTINGS = 'Settings must be a JSON object';
/** A character takes six bytes of JSON at most, beside what is around it. */
const escaped = (bytes: number): number => 6 * bytes + 4096;

interface Call {
  request: Request;
  store: Store;
  userId: string;
  /** `HEAD` is `GET`: what a body is answered with is left out later. */
  method: string;
  query: URLSearchParams;
}

export async function users(request: Request, env: Env, segments: string[]): Promise<Response> {
  const [user, what, which, ...rest] = segments;
  if (user === undefined || what === undefined || rest.length > 0) throw Refusal.path();
  const userId = segment('user id', user);
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  await count(env, userId, method);
  const call = { request, store: new Store(env.USER_DATA, userId), userId, method, query: new URL(request.url).searchParams };
  if (what === 'skills') {
    return which === undefined ? skills(call) : skill(call, segment('skill name', which));
  }
  if (what === 'conversations') {
    return which === undefined ? conversations(call) : conversation(call, segment('conversation id', which));
  }
  if (what === 'settings') return settings(call, segment('settings name', which ?? 'preferences'));
  throw Refusal.path();
}

async function skills({ request, store, userId, method, query }: Call): Promise<Response> {
  if (method === 'GET') {
    const { items, cursor } = page(await store.skills(), query, 'skill name');
    return Response.json({ userId, skills: items.map((item) => item.name), count: items.length, ...cursor });
  }
  if (method !== 'POST') throw Refusal.method('GET', 'POST');
  const body = object(await text(request, escaped(LIMITS.skill)), NO_SKILL);
  const { content } = body;
  if (!filled(body['name']) || !filled(content)) throw new Refusal(400, NO_SKILL);
  const skillName = name('skill name', body['name']);
  const key = await store.putSkill(skillName, content);
  const message = 'Skill saved to R2. Call /setup/:sessionId to load into sandbox.';
  return Response.json({ status: 'success', userId, skillName, key, message });
}

async function skill({ store, userId, method }: Call, skillName: string): Promise<Response> {
  if (method === 'DELETE') return Response.json({ status: 'deleted', userId, skillName, key: await store.deleteSkill(skillName) });
  if (method !== 'GET') throw Refusal.method('GET', 'DELETE');
  const found = await store.skill(skillName);
  if (found === null) throw new Refusal(404, 'Skill not found');
  const { text: content, uploaded } = found;
  const metadata = { userId, uploadedAt: found.metadata['uploadedAt'] ?? uploaded };
  return Response.json({ userId, skillName, content, metadata, uploaded, size: new TextEncoder().encode(content).length });
}

async function conversations({ request, store, userId, method, query }: Call): Promise<Response> {
  if (method === 'GET') {
    const { items, cursor } = page(await store.conversations(), query, 'conversation id');
    const each = items.map((item) => ({ conversationId: item.name, savedAt: item.uploaded.toISOString(), size: item.size }));
    return Response.json({ userId, conversations: each, count: each.length, ...cursor });
  }
  if (method !== 'POST') throw Refusal.method('GET', 'POST');
  const body = await text(request, LIMITS.conversation);
  const { conversationId: said } = object(body, NO_CONVERSATION);
  if (!filled(said)) throw new Refusal(400, NO_CONVERSATION);
  const conversationId = name('conversation id', said);
  const key = conversationKey(userId, conversationId);
  // As it came, whatever else is in it.
  await store.put(key, body, 'application/json', { conversationId, savedAt: new Date().toISOString() });
  return Response.json({ status: 'saved', userId, conversationId, key });
}

async function conversation({ store, userId, method }: Call, conversationId: string): Promise<Response> {
  const key = conversationKey(userId, conversationId);
  if (method === 'DELETE') {
    await store.delete(key);
    return Response.json({ status: 'deleted', userId, conversationId, key });
  }
  if (method !== 'GET') throw Refusal.method('GET', 'DELETE');
  const found = await store.get(key);
  if (found === null) throw new Refusal(404, 'Conversation not found');
  const metadata = { userId, conversationId, savedAt: found.metadata['savedAt'] ?? found.uploaded };
  return kept({ userId, conversationId, metadata, uploaded: found.uploaded }, 'conversation', found.text);
}

async function settings({ request, store, userId, method }: Call, which: string): Promise<Response> {
  const key = settingsKey(userId, which);
  if (method === 'PUT') {
    const body = await text(request, LIMITS.settings);
    object(body, NO_SETTINGS);
    await store.put(key, body, 'application/json', { savedAt: new Date().toISOString() });
    return Response.json({ status: 'saved', userId, name: which, key });
  }
  if (method === 'DELETE') {
    await store.delete(key);
    return Response.json({ status: 'deleted', userId, name: which, key });
  }
  if (method !== 'GET') throw Refusal.method('GET', 'PUT', 'DELETE');
  const found = await store.get(key);
  if (found === null) throw new Refusal(404, 'Settings not found');
  const metadata = { userId, savedAt: found.metadata['savedAt'] ?? found.uploaded };
  return kept({ userId, name: which, metadata, uploaded: found.uploaded }, 'settings', found.text);
}

const filled = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** An answer with a member that is JSON already: parsed and written again, its numbers could be others. */
function kept(answer: Record<string, unknown>, member: string, json: string): Response {
  const body = `${JSON.stringify(answer).slice(0, -1)},${JSON.stringify(member)}:${json}}`;
  return new Response(body, { headers: { 'Content-Type': 'application/json' } });
}

/** The part of a list that the query asks for, and where the next one begins. */
function page(all: Listed[], query: URLSearchParams, kind: Kind): { items: Listed[]; cursor: { cursor?: string } } {
  const [limit, after] = [query.get('limit'), query.get('cursor')];
  if (limit !== null && !/^[1-9]\d{0,8}$/.test(limit)) throw new Refusal(400, 'Invalid limit');
  const from = after === null ? '' : name(kind, after);
  const rest = all.filter((item) => item.name > from);
  const items = rest.slice(0, limit === null ? undefined : Number(limit));
  const last = items.at(-1);
  return { items, cursor: last !== undefined && items.length < rest.length ? { cursor: last.name } : {} };
}
