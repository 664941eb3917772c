// What an agent is opened with, and how messages are sent, in the words of the engine.

import type { Backup, Identity } from './identity';
import { variable, type Key } from './key';
import { requestJson, type KnockHandler, type KnockRequest } from './knock';
import type { Policy } from './policy';
import type { Storage } from './storage';
import type { Abortable } from './calls';
import { given, span, stageNumber, type SessionType, type Stage } from './values';
import type { Severity } from './audit';

/** How much may be sent, how fast. */
export interface RateLimit {
  /** Messages in a minute, in the long run. */
  perMinute: number;
  /** Messages at once. */
  burst: number;
}

/** How an agent is opened. Everything but `storage` has a default. */
export interface ClientOptions {
  /** Where its state is kept: a storage, or a URL such as `sqlite:agent.db`. */
  storage: Storage | string;
  /** Seals what is stored; default: the storage's key, see {@link StorageOptions}. */
  key?: Key | Uint8Array | undefined;
  /** Default: the environment variable `AGENTMESH_REGISTRY_URL`, else `https://agentmesh.online/v1`. */
  registryUrl?: string | undefined;
  /** Default: the environment variable `AGENTMESH_RELAY_URL`, else `wss://relay.agentmesh.online/v1/connect`. */
  relayUrl?: string | undefined;
  /**
   * How the relay is reached: by a WebSocket, or by requests, one of which waits there, where no socket can be kept. Everything
   * else is the same. Needs a relay of ours. Default: `websocket`.
   */
  relayTransport?: 'websocket' | 'polling' | undefined;
  /** Works with neither registry nor relay. */
  offline?: boolean | undefined;
  /** The identity for a new store; without, one is made. */
  identity?: Identity | undefined;
  /** A backup for a new store. */
  backup?: Backup | undefined;
  /** What the identity is called in its store; default: the environment variable `AGENT_IDENTITY_KEY`, else `agent-identity`. */
  identityKey?: string | undefined;
  /** Whether the identity must be there. Default: `openOrCreate`. */
  mode?: 'openOrCreate' | 'load' | 'createNew' | undefined;
  /** Shown in the registry. */
  displayName?: string | undefined;
  /** What the agent can do. */
  capabilities?: readonly string[] | undefined;
  /** Who may open sessions. Default: {@link Policy.verified}. */
  policy?: Policy | undefined;
  /** A file that says it, followed as it changes. */
  policyFile?: string | undefined;
  policyPollMs?: number | undefined;
  /** Decides about sessions that the policy lets through. */
  onKnock?: KnockHandler | undefined;
  /** How long that may take. */
  knockTimeoutMs?: number | undefined;
  /** How long `connect` waits. */
  connectTimeoutMs?: number | undefined;
  /** Messages handed on and not acknowledged, at most. */
  deliveryWindow?: number | undefined;
  /** How often the registry is told that the agent is online. */
  heartbeatMs?: number | undefined;
  /** The largest payload taken from a peer, in bytes. */
  maxPayload?: number | undefined;
  /** How fast messages may be sent; all together, and to one peer. */
  rateLimit?: RateLimit | undefined;
  peerRateLimit?: RateLimit | undefined;
  /** Messages that the relay takes in a minute, for streams; 0 if it does not limit them. */
  relayMessagesPerMinute?: number | undefined;
  /** How long chunks of a stream may wait for a reader that consumes nothing. */
  streamStallTimeoutMs?: number | undefined;
  /** Keeps an audit log. */
  auditLog?: { directory: string; encrypted?: boolean; minSeverity?: Severity } | undefined;
  /** Whether registry and relay may be reached unencrypted on other machines. */
  allowInsecure?: boolean | undefined;
  /** Whether peers that speak only `agentmesh/0.2` may be spoken to. */
  allowLegacy?: boolean | undefined;
}

/** How a message is sent. */
export interface SendOptions extends Abortable {
  /** The stage to wait for. Default: `stored`. */
  wait?: Stage;
  /** How long to wait for it; then `STAGE_NOT_REACHED`, and the message stays queued. Default: 30 seconds. */
  timeoutMs?: number;
  /** The message's id, from {@link AgentMeshClient.newId}; makes sending it again after a crash harmless. */
  id?: string;
  /** What the session is wanted for, should this message open one. */
  knock?: KnockRequest;
  /** How the session is to be used, should this message open one. */
  sessionType?: SessionType;
  /** The schema that the payload follows. */
  schema?: string;
  /** A W3C `traceparent`, sealed into the message. */
  trace?: string;
  /** How long the session is to live that this message may open. */
  sessionTtlMs?: number;
  /** When to give up. */
  expiresInMs?: number;
}

/** How a request is sent; `timeoutMs` is how long to wait for the response. */
export type RequestOptions = Omit<SendOptions, 'wait' | 'expiresInMs'>;

/** How a stream is asked for. */
export interface StreamOptions extends Omit<SendOptions, 'wait' | 'timeoutMs' | 'expiresInMs'> {
  /** Reading fails when nothing came for this long; the stream can be resumed. Default: a minute. */
  idleTimeoutMs?: number;
  /** Frames that may be on their way or here, unconsumed. */
  windowFrames?: number;
  /** Bytes of them. */
  windowBytes?: number;
  /** Whether chunks count as consumed only when `IncomingStream.ack` says so. */
  manualAck?: boolean;
}

function rate(limit: RateLimit | undefined): object | undefined {
  return limit && { per_minute: limit.perMinute, burst: limit.burst };
}

/** The settings as the engine reads them. */
export function openingJson(options: ClientOptions): string {
  const { rateLimit, peerRateLimit, auditLog } = options;
  const online = !options.offline;
  return JSON.stringify({
    registry_url: options.registryUrl ?? (online ? variable('AGENTMESH_REGISTRY_URL') : undefined),
    relay_url: options.relayUrl ?? (online ? variable('AGENTMESH_RELAY_URL') : undefined),
    relay_transport: options.relayTransport,
    offline: options.offline,
    identity_key: options.identityKey,
    display_name: options.displayName,
    capabilities: options.capabilities,
    policy: options.policy,
    policy_file: options.policyFile,
    policy_poll_ms: span(options.policyPollMs),
    rate_limits: (rateLimit ?? peerRateLimit) && { overall: rate(rateLimit), per_peer: rate(peerRateLimit) },
    knock_timeout_ms: span(options.knockTimeoutMs),
    connect_timeout_ms: span(options.connectTimeoutMs),
    delivery_window: options.deliveryWindow,
    heartbeat_ms: span(options.heartbeatMs),
    max_payload: options.maxPayload,
    relay_messages_per_minute: options.relayMessagesPerMinute,
    stream_stall_timeout_ms: span(options.streamStallTimeoutMs),
    audit: auditLog && {
      directory: auditLog.directory,
      encrypted: auditLog.encrypted ?? false,
      min_severity: auditLog.minSeverity,
    },
    allow_insecure: options.allowInsecure,
    allow_legacy: options.allowLegacy,
  });
}

function message(options: SendOptions): Record<string, unknown> {
  return {
    id: options.id,
    knock: options.knock && requestJson(options.knock),
    session_type: options.sessionType,
    schema: options.schema,
    trace: options.trace,
    session_ttl_ms: span(options.sessionTtlMs),
  };
}

export function sendJson(options: SendOptions): string | null {
  return given({
    ...message(options),
    wait: options.wait === undefined ? undefined : stageNumber(options.wait),
    timeout_ms: span(options.timeoutMs),
    expires_in_ms: span(options.expiresInMs),
  });
}

export function requestOptionsJson(options: RequestOptions): string | null {
  return given(message(options));
}

export function streamJson(options: StreamOptions): string | null {
  return given({
    ...message(options),
    idle_timeout_ms: span(options.idleTimeoutMs),
    window_frames: options.windowFrames,
    window_bytes: options.windowBytes,
    manual_ack: options.manualAck,
  });
}
