// KNOCKs: who asks for a session says what for, and the other end decides.

import type { EngineKnockQuestion } from './engine';
import { list, members, wholeSeconds, type SessionType } from './values';

/** What a session is asked for. */
export interface KnockRequest {
  /** The capability asked for, such as `weather/forecast`. Policies go by it. Default: `*`. */
  capability?: string;
  /** What to do with it. Default: `message`. */
  action?: string;
  /** Parameters, as JSON. */
  params?: unknown;
  /** How the session is to be used. Default: `one-shot`. */
  sessionType?: SessionType;
  /** How long it is to live. Default: five minutes. */
  ttlMs?: number;
  /** How many messages there will be, as far as known. */
  expectedMessages?: number;
}

/** A KNOCK that was verified: who asks for a session, and what for. */
export interface Knock {
  /** Who knocks. */
  from: string;
  /** The session that is asked for; it names the KNOCK. */
  session: string;
  /** The suite's name. */
  suite: string;
  /** What the registry says that the peer is. */
  tier: string;
  /** What the registry says of its reputation, 0 to 1. */
  reputation: number;
  capability: string;
  action: string;
  params: unknown;
  sessionType: SessionType;
  /** The lifetime asked for. */
  ttlMs: number;
  expectedMessages: number | null;
  priority: number | null;
}

/** A KNOCK without a decision. */
export interface PendingKnock {
  knock: Knock;
  receivedAt: Date;
  /** Messages that are held until it is decided. */
  held: number;
}

/**
 * What can be decided about a KNOCK: `later` leaves it to the owner, by `acceptKnock` or `rejectKnock`; messages are held until then.
 */
export type Decision =
  | { decision: 'accept'; ttlMs?: number }
  | { decision: 'reject'; reason: string; retryAfterMs?: number }
  | { decision: 'later' };

/** Decides about KNOCKs that the policy lets through: `true` accepts, `false` rejects, `undefined` decides later. */
export type KnockHandler = (knock: Knock) => Decision | boolean | undefined | void | Promise<Decision | boolean | undefined | void>;

export function requestJson(request: KnockRequest): Record<string, unknown> {
  return {
    type: request.sessionType ?? 'one-shot',
    ttl: wholeSeconds(request.ttlMs ?? 300_000),
    intent: { capability: request.capability ?? '*', action: request.action ?? 'message', params: request.params },
    expectedMessages: request.expectedMessages,
  };
}

export function knockOf(value: Record<string, unknown>): Knock {
  const { sender, ttl_s, params, ...rest } = value;
  return { ...members<Knock>(rest), from: sender as string, ttlMs: (ttl_s as number) * 1000, params };
}

export function pendingKnocks(json: string): PendingKnock[] {
  return list(json, (value) => ({
    knock: knockOf(value['knock'] as Record<string, unknown>),
    receivedAt: new Date(value['received_at'] as number),
    held: value['held'] as number,
  }));
}

export function decisionJson(decision: Decision | boolean | undefined | void): string {
  if (decision === true) return JSON.stringify({ decision: 'accept' });
  if (decision === false) return JSON.stringify({ decision: 'reject', reason: 'rejected' });
  if (decision === undefined) return JSON.stringify({ decision: 'later' });
  if (decision.decision === 'accept') return JSON.stringify({ decision: 'accept', ttl_s: wholeSeconds(decision.ttlMs) });
  if (decision.decision === 'reject') {
    const { reason, retryAfterMs } = decision;
    return JSON.stringify({ decision: 'reject', reason, retry_after_s: wholeSeconds(retryAfterMs) });
  }
  return JSON.stringify({ decision: 'later' });
}

export function decisionOf(json: string): Decision {
  const value = JSON.parse(json) as { decision: string; ttl_s?: number | null; reason?: string; retry_after_s?: number | null };
  if (value.decision === 'accept') return { decision: 'accept', ...(value.ttl_s != null && { ttlMs: value.ttl_s * 1000 }) };
  if (value.decision === 'reject') {
    const retry = value.retry_after_s != null && { retryAfterMs: value.retry_after_s * 1000 };
    return { decision: 'reject', reason: value.reason ?? '', ...retry };
  }
  return { decision: 'later' };
}

/** Asks a handler. One that fails decides nothing: the KNOCK is left for later. */
export function doorkeeper(handler: KnockHandler, failed: (error: unknown) => void): (question: EngineKnockQuestion) => void {
  return (question) => {
    void (async () => {
      const text = question.knock;
      if (text === null) return;
      let answer = decisionJson(undefined);
      try {
        answer = decisionJson(await handler(knockOf(JSON.parse(text) as Record<string, unknown>)));
      } catch (error) {
        failed(error);
      }
      question.answer(answer);
    })().catch(failed);
  };
}
