/// <reference lib="esnext.disposable" preserve="true" />
// AIWM: an agent under a controller, which gives it its instruction, tools and settings and wants to hear that it is alive.

import { abortable, later, now, type Abortable } from '../calls';
import type { EngineCanceller } from '../engine';
import type { AgentMeshError } from '../errors';
import { json, members, span } from '../values';
import { errorOf, hidden, Items, settings } from './items';
import { services, type NativeAiwmClient, type NativeAiwmConnection, type NativeAiwmSupervisor } from './native';

/** What an agent says of itself: ready, at work, nothing to do. */
export type AgentStatus = 'online' | 'busy' | 'idle';

/**
 * Where an agent stands with its controller: `disabled` is that everything is local; `degraded` that the controller cannot be used, and
 * the configuration is the last one, or local; `gone` that it does not know the agent any more.
 */
export type AiwmState = 'disabled' | 'connecting' | 'online' | 'degraded' | 'gone' | 'stopped' | (string & {});

/** Where a controller is, and who the agent is there. */
export interface Controller {
  /** Base URL, with its path; `https`, or `http` on this machine. */
  baseUrl: string;
  /** The agent's id, 24 hexadecimal digits. */
  agentId: string;
  /** The agent's secret. */
  secret: string;
  /** Lets `http` reach other machines. Everybody on the way then reads the secret. */
  allowInsecure?: boolean;
}

/** A platform on which the agent talks. Its token is not shown when it is printed. */
export interface Platform {
  /** The bot's token. */
  token: string | null;
  /** Channels (Discord) or groups (Telegram). */
  places: string[];
  /** The bot's id (Discord) or name (Telegram). */
  bot: string | null;
}

/**
 * What an agent runs with: what the controller says, then the environment, then defaults. Instruction, tokens, MCP servers, settings and
 * variables are not shown when it is printed or written as JSON, since secrets are in them.
 */
export interface AgentConfig {
  instruction: string | null;
  /** Where the instruction is from; `null` if there is none. */
  instructionSource: 'controller' | 'file' | null;
  /** Tools that the agent may use, as the controller describes them; `null` if it did not say. */
  tools: Record<string, unknown>[] | null;
  model: string;
  maxTurns: number;
  /** `default` unless somebody chose another. */
  permissionMode: string;
  /** Whether to go on with the last conversation. */
  resume: boolean;
  /** OAuth token of the model's provider. */
  oauthToken: string | null;
  discord: Platform;
  telegram: Platform;
  /** Roles of the agent. */
  authRoles: string[];
  /** The agent's name. */
  name: string | null;
  /** MCP servers. They hold the agent's token. */
  mcpServers: Record<string, unknown>;
  /** All settings as the controller sent them. */
  settings: Record<string, unknown>;
  /** Environment variables that say all this to a child process. Some values are secrets. */
  variables: Record<string, string>;
}

function configOf(value: unknown): AgentConfig {
  const config = members<AgentConfig>(value);
  for (const platform of [config.discord, config.telegram]) hidden(platform, 'token');
  return hidden(config, 'instruction', 'oauthToken', 'mcpServers', 'settings', 'variables');
}

/** What happens to an agent under a controller. */
export type AiwmEvent =
  | { type: 'state'; state: AiwmState }
  /** A connect brought another configuration. Nothing is changed in the running agent: most need a restart. */
  | { type: 'configUpdated'; config: AgentConfig }
  /** The controller does not know the agent any more. Heartbeats have stopped; tell the administrator. */
  | { type: 'agentDeleted' }
  | { type: 'connectFailed'; error: AgentMeshError }
  /** The reader was too slow for so many events. */
  | { type: 'lagged'; missed: number }
  | { type: 'other' };

function eventOf(kind: string, details: Record<string, unknown>): AiwmEvent {
  switch (kind) {
    case 'state':
      return { type: 'state', state: details['state'] as AiwmState };
    case 'config_updated':
      return { type: 'configUpdated', config: configOf(details['config']) };
    case 'agent_deleted':
      return { type: 'agentDeleted' };
    case 'connect_failed':
      return { type: 'connectFailed', error: errorOf(details['error']) };
    case 'lagged':
      return { type: 'lagged', missed: details['missed'] as number };
    default:
      return { type: 'other' };
  }
}

function controllerJson({ baseUrl, agentId, allowInsecure }: Controller): string {
  return JSON.stringify({ base_url: baseUrl, agent_id: agentId, allow_insecure: allowInsecure ?? false });
}

/** How an agent is kept connected. */
export interface SupervisorOptions extends Abortable {
  /** Default: that of the environment (`AIWM_ENABLED`, `AIWM_BASE_URL`, `AIWM_AGENT_ID`, `AIWM_AGENT_SECRET`) and of `envFile`, or none. */
  controller?: Controller;
  envFile?: string;
  instructionFile?: string;
  /** Rejects if the controller refuses the agent. */
  failFast?: boolean;
  metrics?: Record<string, unknown>;
  /** Default: every minute. */
  heartbeatMs?: number;
  /** Pauses before the tries after a failed one. Default: 1, 2 and 4 seconds. */
  retriesMs?: readonly number[];
  /** The pause between tries later. Default: 5 minutes. */
  probeMs?: number;
}

/**
 * Keeps an agent connected to its controller: configuration, heartbeats, tokens, fallback. **Nothing is encrypted end to end**: the
 * controller reads and writes everything.
 *
 * ```ts
 * await using supervisor = await AiwmSupervisor.start({ envFile: '.env' });
 * console.log(supervisor.state, supervisor.config.model);
 * supervisor.status = 'busy';
 * ```
 *
 * It starts with a configuration in any case: the controller's, or after four tries a local one.
 */
export class AiwmSupervisor {
  readonly #supervisor: NativeAiwmSupervisor;
  #metrics: Record<string, unknown> | null = null;

  private constructor(made: NativeAiwmSupervisor) {
    this.#supervisor = made;
  }

  /** Connects, and resolves with a configuration. */
  static async start(options: SupervisorOptions = {}): Promise<AiwmSupervisor> {
    const { controller, metrics, signal } = options;
    const how = settings(
      {
        env_file: options.envFile,
        instruction_file: options.instructionFile,
        fail_fast: options.failFast,
        retries_ms: options.retriesMs?.map((pause) => span(pause)),
      },
      { heartbeat: options.heartbeatMs, probe: options.probeMs },
    );
    const where = controller === undefined ? null : controllerJson(controller);
    const starting = (canceller?: EngineCanceller) =>
      services.startAiwmSupervisor(where, controller?.secret ?? null, how, canceller);
    const made = new AiwmSupervisor(await abortable(signal, starting));
    if (metrics !== undefined) made.metrics = metrics;
    return made;
  }

  /** The configuration now. */
  get config(): AgentConfig {
    return configOf(JSON.parse(now(() => this.#supervisor.config())));
  }

  /** The state now. */
  get state(): AiwmState {
    return now(() => this.#supervisor.state());
  }

  /** What happens from now on. */
  events(options: Abortable = {}): Items<AiwmEvent> {
    return new Items(now(() => this.#supervisor.events()), eventOf, this, options.signal);
  }

  /** What the agent is doing; the next heartbeat says it. */
  get status(): AgentStatus {
    return now(() => this.#supervisor.status()) as AgentStatus;
  }

  set status(status: AgentStatus) {
    now(() => this.#supervisor.setStatus(status));
  }

  /** Numbers for heartbeats: `cpu`, `memory`, `uptime`, or whatever the agent counts. */
  get metrics(): Record<string, unknown> | null {
    return this.#metrics;
  }

  set metrics(metrics: Record<string, unknown> | null) {
    const text = metrics === null ? null : json(metrics);
    now(() => this.#supervisor.setMetrics(text));
    this.#metrics = metrics;
  }

  /** How often things happened, such as `aiwm_heartbeat_success_total`. */
  get counters(): Record<string, number> {
    return JSON.parse(now(() => this.#supervisor.counters())) as Record<string, number>;
  }

  /** How the agent stands with its controller: `ok`, or `degraded` while it cannot be used; details as `GET /health` says them. */
  get health(): { status: string; aiwm: Record<string, unknown> } {
    return JSON.parse(now(() => this.#supervisor.health())) as { status: string; aiwm: Record<string, unknown> };
  }

  /** The answer to `GET path` for whatever HTTP server an agent has: `/health` and `/metrics`, 404 for others. */
  respond(path: string): { status: number; contentType: string; body: string } {
    return now(() => this.#supervisor.respond(path));
  }

  /** Stops heartbeats, tells the controller if that takes less than two seconds, wipes token and secret. Again is fine. */
  async shutdown(): Promise<void> {
    await later(() => this.#supervisor.shutdown(), this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/** What a controller gave. Its token stays in the native module; MCP servers, settings and the rest are not shown when it is printed. */
export class Connection {
  /** @internal */
  readonly inner!: NativeAiwmConnection;
  /** For how long the token is good. */
  readonly lifetimeMs: number;
  /** `null` if the controller has none. */
  readonly instruction!: string | null;
  /** What the agent may use; `null` if the controller does not say. */
  readonly tools: Record<string, unknown>[] | null;
  /** MCP servers by name. They hold the token. */
  readonly mcpServers!: Record<string, unknown>;
  /** What the controller says of the agent. */
  readonly agent!: Record<string, unknown>;
  /** Settings, as they came. */
  readonly settings!: Record<string, unknown>;
  /** Where a managed agent's model is. */
  readonly deployment!: Record<string, unknown>;
  /** Whatever else the controller says. Newer ones may put secrets there. */
  readonly other!: Record<string, unknown>;

  /** @internal */
  constructor(inner: NativeAiwmConnection) {
    const value = members<Record<string, unknown>>(JSON.parse(inner.answer));
    this.lifetimeMs = (value['lifetimeS'] as number) * 1000;
    this.tools = value['tools'] as Connection['tools'];
    const { instruction, mcpServers, agent, settings, deployment, other } = value;
    Object.assign(this, { inner, instruction, mcpServers, agent, settings, deployment, other });
    hidden<Connection>(this, 'inner', 'instruction', 'mcpServers', 'agent', 'settings', 'deployment', 'other');
  }
}

/** Talks to a controller call by call. The supervisor does it by itself. */
export class AiwmClient {
  readonly #client: NativeAiwmClient;

  constructor(controller: Controller) {
    this.#client = now(() => new services.AiwmClient(controllerJson(controller), controller.secret));
  }

  /** Shows the secret, and gets a token and the configuration. The controller counts every success. */
  async connect(options: Abortable = {}): Promise<Connection> {
    return new Connection(await abortable(options.signal, (canceller) => this.#client.connect(canceller), this));
  }

  /** Says that the agent is alive. `AIWM_AUTH_REJECTED` asks for a new connection. */
  async heartbeat(
    connection: Connection,
    status: AgentStatus = 'online',
    metrics?: Record<string, unknown>,
    options: Abortable = {},
  ): Promise<void> {
    const more = metrics === undefined ? null : json(metrics);
    await abortable(options.signal, (canceller) => this.#client.heartbeat(connection.inner, status, more, canceller), this);
  }

  /** Says that the agent goes. Older controllers answer with an error of kind `not_found`. */
  async disconnect(connection: Connection, reason = 'shutdown', options: Abortable = {}): Promise<void> {
    await abortable(options.signal, (canceller) => this.#client.disconnect(connection.inner, reason, canceller), this);
  }
}
