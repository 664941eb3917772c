/// <reference lib="esnext.disposable" preserve="true" />
// For the tests of applications: the reference server in this process, and the conformance suite for stores. In Node.

import { later, now } from './calls';
import { engine, setEngine, type EngineServer } from './engine';
import { argument } from './errors';
import { native } from './native';
import { runner, StoreFailure, type CustomStorage, type Durability } from './storage';

setEngine(native);

/** What the server of the native module has besides. */
interface NativeServer extends EngineServer {
  readonly agentWebSocketUrl: string;
  readonly aiwmAdminToken: string | null;
}

/** How a server is run. */
export interface ServerOptions {
  /** Where its database lives. Default: in memory. */
  dataDir?: string;
  /** The port. Default: a free one. */
  port?: number;
  /** With users' data and the agents that work with them, for whoever brings any key. */
  userData?: boolean;
  /** With an AIWM controller. */
  aiwm?: boolean;
  /** How often a message is lost on its way, delivered twice, overtaken by those behind it: 0 to 1. */
  drop?: number;
  duplicate?: number;
  reorder?: number;
  /** How much longer every delivery takes. */
  delayMs?: number;
  /** The same seed gives the same faults in the same order. */
  seed?: number;
}

/**
 * The reference server: relay and registry in this process, on a free port of the loopback interface.
 *
 * ```ts
 * await using server = await Server.start();
 * const client = await AgentMeshClient.create({ storage: new MemoryStorage(), ...server.urls });
 * ```
 */
export class Server {
  readonly #engine: NativeServer;

  private constructor(made: NativeServer) {
    this.#engine = made;
  }

  /** Starts one; when this resolves, clients can connect. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const { dataDir, delayMs, userData, ...rest } = options;
    const start = engine().startServer;
    if (start === undefined) throw argument('there is no server in this build');
    const settings = JSON.stringify({ ...rest, data_dir: dataDir, delay_ms: delayMs, user_data: userData });
    return new Server((await later(() => start(settings))) as NativeServer);
  }

  /** What clients take as the registry's URL. */
  get registryUrl(): string {
    return this.#engine.registryUrl;
  }

  /** What clients take as the relay's URL. */
  get relayUrl(): string {
    return this.#engine.relayUrl;
  }

  /** The server's own URL: for signaling, user data and AIWM, and such as for `/health`. */
  get url(): string {
    return this.#engine.url;
  }

  /** What clients take as the URL of the agent that answers WebSockets: an echo. */
  get agentWebSocketUrl(): string {
    return this.#engine.agentWebSocketUrl;
  }

  /** What administers the AIWM controller, as `Authorization: Bearer`. */
  get aiwmAdminToken(): string {
    const token = this.#engine.aiwmAdminToken;
    if (token === null) throw argument('the server has no controller: Server.start({ aiwm: true })');
    return token;
  }

  /** Both URLs, as options for clients. */
  get urls(): { registryUrl: string; relayUrl: string } {
    return { registryUrl: this.registryUrl, relayUrl: this.relayUrl };
  }

  /** Stops it and waits for its end, at most five seconds. Again is fine. */
  async stop(): Promise<void> {
    await later(() => this.#engine.stop());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** The names of the tests that {@link checkStorage} runs. */
export const STORAGE_TESTS: readonly string[] = Object.freeze(native.conformanceTests?.() ?? []);

/**
 * Runs one test of the conformance suite over a store of your own; it rejects with what the store does wrong.
 *
 * `open` opens the store: the first time an empty one, later the same one again. Each test needs a place of its own.
 * `exclusive: false` says that the store cannot notice that it is open twice.
 */
export async function checkStorage(
  open: () => CustomStorage | Promise<CustomStorage>,
  test: string,
  options: { durability?: Durability; exclusive?: boolean } = {},
): Promise<void> {
  const run = engine().runConformanceTest;
  if (run === undefined) throw argument('there is no conformance suite in this build');
  // Held here: the engine holds stores weakly.
  const stores: CustomStorage[] = [];
  const problem = await later(() =>
    run(test, options.durability ?? 'synced', options.exclusive ?? true, (request) => {
      void (async () => {
        try {
          const store = await open();
          stores.push(store);
          now(() => request.opened(runner(store)));
        } catch (error) {
          const kind = error instanceof StoreFailure && error.failure !== 'conflict' ? error.failure : 'failed';
          request.fail(kind, String(error));
        }
      })();
    }),
  );
  stores.length = 0;
  if (problem !== null) throw new Error(`${test}: ${problem}`);
}
