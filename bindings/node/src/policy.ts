// Policies: who may open sessions with an agent.

import { now } from './calls';
import { engine } from './engine';
import { decisionOf, type Decision } from './knock';
import { json, wholeSeconds, type SessionType, type Tier } from './values';

/**
 * Rules by which KNOCKs are accepted or rejected, as a policy file has them, in either spelling. What is left out takes the
 * default, and what is not understood is an error (`POLICY_MALFORMED`): a misspelt block list would otherwise be none.
 */
export class Policy {
  readonly #rules: string;

  constructor(rules: Record<string, unknown> = {}) {
    this.#rules = now(() => engine().normalizePolicy(json(rules)));
  }

  static #preset(name: string): Policy {
    return Policy.fromJSON(now(() => engine().policyPreset(name)));
  }

  /** Anybody, for sessions of at most five minutes; the handler of the application is asked. */
  static default(): Policy {
    return Policy.#preset('default');
  }

  /** Anybody, without asking the handler. */
  static permissive(): Policy {
    return Policy.#preset('permissive');
  }

  /** Verified agents and organizations of a reputation of 0.5 and more. What agents have unless they say otherwise. */
  static verified(): Policy {
    return Policy.#preset('verified');
  }

  /** Organizations of a reputation of 0.7 and more. */
  static organization(): Policy {
    return Policy.#preset('organization');
  }

  /** Reads a policy as a file has it, as text or parsed. */
  static fromJSON(policy: string | object): Policy {
    return new Policy((typeof policy === 'string' ? JSON.parse(policy) : policy) as Record<string, unknown>);
  }

  /** The same with other rules. */
  with(rules: Record<string, unknown>): Policy {
    return new Policy({ ...this.rules, ...rules });
  }

  /** Every rule, in camelCase. */
  get rules(): Record<string, unknown> {
    return JSON.parse(this.#rules) as Record<string, unknown>;
  }

  toJSON(): Record<string, unknown> {
    return this.rules;
  }

  /** What the policy says of a KNOCK. Has no side effects. */
  evaluate(knock: {
    from: string;
    capability: string;
    tier?: Tier | (string & {});
    reputation?: number;
    sessionType?: SessionType;
    ttlMs?: number;
    sessions?: number;
  }): Decision {
    const { from, capability, tier, reputation, sessionType, ttlMs, sessions } = knock;
    const asked = {
      sender: from,
      capability,
      tier,
      reputation,
      session_type: sessionType,
      ttl_s: wholeSeconds(ttlMs) ?? undefined,
      sessions,
    };
    return decisionOf(now(() => engine().evaluatePolicy(this.#rules, json(asked))));
  }
}
