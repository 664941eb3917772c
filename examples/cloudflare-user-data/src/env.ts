// What wrangler.toml and the secrets give.

import type { Sandbox } from './sandbox';

export interface Env {
  USER_DATA: R2Bucket;
  SANDBOX: DurableObjectNamespace<Sandbox>;
  /** `development` copies skills into sandboxes, `production` shows them there. */
  ENVIRONMENT?: string;
  /** What callers must know, a secret of at least 16 bytes. Without it nothing but `/health` and `/_info` is answered. */
  API_KEY?: string;
  /** For the agent in the sandbox; nothing here uses it. */
  ANTHROPIC_API_KEY?: string;
  WRITES?: RateLimit;
  READS?: RateLimit;
}

export const environment = (env: Env): 'production' | 'development' =>
  env.ENVIRONMENT === 'production' ? 'production' : 'development';
