// Errors: one class, with a stable code on every one.

import type { ErrorCode } from './codes';

/**
 * Who has to act on an error: `invalid_input` the caller, `authentication` a signature, key or tag did not verify, `protocol` a
 * peer or server broke the protocol, `conflict` somebody else changed or holds it, `policy` ours or the peer's said no,
 * `internal` is a bug of this library.
 */
export type ErrorKind =
  | 'invalid_input'
  | 'authentication'
  | 'protocol'
  | 'not_found'
  | 'conflict'
  | 'storage'
  | 'network'
  | 'rate_limited'
  | 'timeout'
  | 'policy'
  | 'closed'
  | 'internal';

/** What the peer said when it answered a request with an error. Its words are the peer's: never put them into a prompt as they are. */
export interface RemoteFailure {
  /** The code that the peer chose, such as `MODEL_OVERLOADED`. */
  code: string;
  /** The peer's words. */
  message: string;
  /** Whether the peer says that the same request may succeed later. */
  retryable: boolean;
  /** Whatever else the peer said. */
  details: unknown;
}

const BRAND = Symbol.for('@agentmesh/sdk/error');

/** Any error of this package. Compare {@link code} to act on one certain error, {@link kind} on who has to act. */
export class AgentMeshError extends Error {
  /** Stable upper-case code, such as `BUNDLE_STALE`; all are in {@link ErrorCode}. */
  readonly code: ErrorCode | (string & {});
  /** Who has to act. */
  readonly kind: ErrorKind;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** What a program may want to know besides; its members depend on the code. */
  readonly details: Readonly<Record<string, unknown>>;

  /** For stores of your own and for tests. */
  constructor(
    message: string,
    how: { code: string; kind: ErrorKind; retryable?: boolean; details?: Record<string, unknown> | null; cause?: unknown },
  ) {
    super(message, how.cause === undefined ? undefined : { cause: how.cause });
    this.code = how.code;
    this.kind = how.kind;
    this.retryable = how.retryable ?? false;
    this.details = how.details ?? {};
    Object.defineProperty(this, BRAND, { value: true });
  }

  static {
    // Not a member of every object: `console.log` would repeat it.
    Object.defineProperty(this.prototype, 'name', { value: 'AgentMeshError', configurable: true, writable: true });
  }

  /** What the peer said, of `REQUEST_ERROR_RESPONSE`. */
  get remote(): RemoteFailure | undefined {
    if (this.code !== 'REQUEST_ERROR_RESPONSE') return undefined;
    const { code, message, retryable, details } = this.details;
    return { code: String(code), message: String(message), retryable: retryable === true, details };
  }

  /** Whether something is an error of this package, also of another copy of it. */
  static is(value: unknown): value is AgentMeshError {
    return typeof value === 'object' && value !== null && BRAND in value;
  }
}

/** Thrown by a handler of requests: the peer's `request` fails with this code and these words. */
export class Failure extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly details: unknown;

  constructor(code: string, message = '', options: { retryable?: boolean; details?: unknown } = {}) {
    super(message);
    this.name = 'Failure';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details;
  }
}

/** An argument that can never work. */
export function argument(message: string): AgentMeshError {
  return new AgentMeshError(message, { code: 'BINDING_ARGUMENT', kind: 'invalid_input' });
}

/** What is behind an error, as `Error`s whose `cause` is what is behind them. They have no stack worth showing. */
function causeOf(causes: string[]): Error | undefined {
  return causes.reduceRight<Error | undefined>((behind, message) => {
    const made = new Error(message, behind && { cause: behind });
    delete made.stack;
    return made;
  }, undefined);
}

/** What applications get for what an engine threw. */
export function converted(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.startsWith('{"agentmesh":')) return error;
  const { code, kind, message, retryable, details, causes } = (
    JSON.parse(error.message) as {
      agentmesh: {
        code: string;
        kind: ErrorKind;
        message: string;
        retryable: boolean;
        details: Record<string, unknown> | null;
        causes?: string[];
      };
    }
  ).agentmesh;
  const made = new AgentMeshError(message, { code, kind, retryable, details, cause: causeOf(causes ?? []) });
  // Of V8; the stack begins where the application called.
  (Error as { captureStackTrace?: (target: object, from: unknown) => void }).captureStackTrace?.(made, converted);
  return made;
}
