/// <reference lib="esnext.disposable" preserve="true" />
// Skills, conversations and settings of users, and the agents that work with them in sandboxes: a client of the service over HTTP.

import { abortable, now, type Abortable } from '../calls';
import type { EngineCanceller } from '../engine';
import { argument } from '../errors';
import { json, span } from '../values';
import { setupOf, UserDataChannel, type ChannelOptions, type Setup } from './channel';
import { settings } from './items';
import { services, type NativeUserDataClient } from './native';

export { HookPolicy, Turn, UserDataChannel } from './channel';
export type {
  AgentOptions,
  Block,
  ChannelEvent,
  ChannelMessage,
  ChannelOptions,
  HookAnswer,
  HookHandler,
  HookRequest,
  Setup,
  TurnEnd,
  TurnPart,
} from './channel';

/** The name that a user's settings have unless they have another. */
export const PREFERENCES = 'preferences';

/** What is known of everything that is stored. */
export interface Stored {
  /** Who stored it, and when. */
  metadata: Record<string, unknown>;
  /** When it was stored, ISO 8601. */
  uploaded: string;
  /** Whatever else the answer holds. */
  other: Record<string, unknown>;
}

/** A skill. */
export interface Skill extends Stored {
  name: string;
  /** Its text. */
  content: string;
  /** Bytes. */
  size: number;
}

/** A line of a list of conversations. */
export interface ConversationEntry {
  id: string;
  /** When it was saved, ISO 8601. */
  savedAt: string;
  /** Bytes. */
  size: number;
  /** Whatever else the answer holds. */
  other: Record<string, unknown>;
}

/** A stored conversation. */
export interface Conversation extends Stored {
  id: string;
  /** The body as it was saved, with everything in it. */
  body: Record<string, unknown>;
  /** Its messages: by custom objects with `role` and `content`. */
  messages: unknown[];
}

/** A user's settings under one name. */
export interface Settings extends Stored {
  name: string;
  /** The object that was put. */
  values: Record<string, unknown>;
}

/** How a service is reached. */
export interface UserDataOptions {
  apiKey?: string;
  requestTimeoutMs?: number;
  setupTimeoutMs?: number;
  uploadTimeoutMs?: number;
  /** Pauses before a request is sent again. Default: half a second, one and two; an empty list sends everything once. */
  retryPausesMs?: readonly number[];
  /** Whether the server may be reached unencrypted on another machine. */
  allowInsecure?: boolean;
}

type Raw = Record<string, unknown>;
type Call = (canceller?: EngineCanceller) => Promise<string | null>;

/**
 * A client of a user data service. **Nothing is encrypted end to end**: whoever runs the server reads everything.
 *
 * ```ts
 * const client = new UserDataClient('https://api.example.com', { apiKey: process.env.API_KEY });
 * await using channel = await client.channel('session-1', {
 *   user: 'alice',
 *   skills: { 'debugging.md': '# Debugging' },
 *   hooks: HookPolicy.allowTools(['Read']),
 * });
 * for await (const part of await channel.send('Help me debug this issue')) {
 *   if (part.type === 'delta') process.stdout.write(part.content);
 * }
 * await channel.save('alice', 'conv-1');
 * ```
 *
 * It connects when it is first used, and needs no closing. Every request has a time limit and an id that the server's log has, too;
 * those that can be repeated without harm are. Names are checked before anything is sent (`USER_DATA_INVALID_NAME`).
 */
export class UserDataClient {
  readonly #client: NativeUserDataClient;

  /** `baseUrl` keeps its path. */
  constructor(baseUrl: string, options: UserDataOptions = {}) {
    const how = settings(
      {
        base_url: baseUrl,
        allow_insecure: options.allowInsecure,
        retry_pauses_ms: options.retryPausesMs?.map((pause) => span(pause)),
      },
      {
        request_timeout: options.requestTimeoutMs,
        setup_timeout: options.setupTimeoutMs,
        upload_timeout: options.uploadTimeoutMs,
      },
    );
    this.#client = now(() => new services.UserDataClient(how, options.apiKey ?? null));
  }

  async #ask({ signal }: Abortable, call: Call): Promise<Raw> {
    return JSON.parse(await abortable(signal, call, this)) as Raw;
  }

  /** Stores a skill, over one of the same name. Where it is in the store. */
  async putSkill(user: string, name: string, content: string, options: Abortable = {}): Promise<string> {
    return (await this.#ask(options, (canceller) => this.#client.putSkill(user, name, content, canceller)))['key'] as string;
  }

  /** The names of all skills of a user; none for a user that nobody knows. */
  async listSkills(user: string, options: Abortable = {}): Promise<string[]> {
    return (await this.#ask(options, (canceller) => this.#client.listSkills(user, canceller)))['skills'] as string[];
  }

  /** A skill; an error of kind `not_found` if there is none. */
  async skill(user: string, name: string, options: Abortable = {}): Promise<Skill> {
    const found = await this.#ask(options, (canceller) => this.#client.skill(user, name, canceller));
    const { skillName, content, metadata, uploaded, size, ...other } = found;
    return { name: skillName, content, metadata, uploaded, size, other } as Skill;
  }

  /** Deletes a skill. One that is not there is deleted, too. */
  async deleteSkill(user: string, name: string, options: Abortable = {}): Promise<void> {
    await this.#ask(options, (canceller) => this.#client.deleteSkill(user, name, canceller));
  }

  /**
   * Stores a conversation, over one of the same id: a whole object with a `conversationId`, which is kept as it is. Where it is in the
   * store.
   */
  async saveConversation(
    user: string,
    conversation: { conversationId: string; messages: readonly unknown[]; [name: string]: unknown },
    options: Abortable = {},
  ): Promise<string> {
    const body = json(conversation);
    return (await this.#ask(options, (canceller) => this.#client.saveConversation(user, body, canceller)))['key'] as string;
  }

  /** A conversation as it was saved; an error of kind `not_found` if there is none. */
  async conversation(user: string, id: string, options: Abortable = {}): Promise<Conversation> {
    const found = await this.#ask(options, (canceller) => this.#client.conversation(user, id, canceller));
    const { conversationId, conversation, metadata, uploaded, ...other } = found;
    const messages = (conversation as Raw)['messages'] ?? [];
    return { id: conversationId, body: conversation, messages, metadata, uploaded, other } as Conversation;
  }

  /** All conversations of a user, without their contents. Deployed servers have no such list. */
  async listConversations(user: string, options: Abortable = {}): Promise<ConversationEntry[]> {
    const found = await this.#ask(options, (canceller) => this.#client.listConversations(user, canceller));
    return (found['conversations'] as Raw[]).map(({ conversationId, savedAt, size, ...other }) => {
      return { id: conversationId, savedAt, size, other } as ConversationEntry;
    });
  }

  /** Deletes a conversation. One that is not there is deleted, too. Deployed servers delete none. */
  async deleteConversation(user: string, id: string, options: Abortable = {}): Promise<void> {
    await this.#ask(options, (canceller) => this.#client.deleteConversation(user, id, canceller));
  }

  /** Stores settings, over those of the same name. Deployed servers have none. */
  async putSettings(user: string, values: Record<string, unknown>, options: Abortable & { name?: string } = {}): Promise<void> {
    if (typeof values !== 'object' || values === null || Array.isArray(values)) throw argument('settings are an object');
    const [text, name] = [json(values), options.name ?? PREFERENCES];
    await this.#ask(options, (canceller) => this.#client.putSettings(user, name, text, canceller));
  }

  /** Settings; an error of kind `not_found` if there are none. */
  async settings(user: string, options: Abortable & { name?: string } = {}): Promise<Settings> {
    const asking: Call = (canceller) => this.#client.settings(user, options.name ?? PREFERENCES, canceller);
    const { name, settings: values, metadata, uploaded, ...other } = await this.#ask(options, asking);
    return { name, values, metadata, uploaded, other } as Settings;
  }

  /** Deletes settings. Those that are not there are deleted, too. */
  async deleteSettings(user: string, options: Abortable & { name?: string } = {}): Promise<void> {
    await this.#ask(options, (canceller) => this.#client.deleteSettings(user, options.name ?? PREFERENCES, canceller));
  }

  /**
   * Makes a sandbox ready for a session and loads the user's skills into it; a channel does it by itself. Without a user, the server
   * takes the session's id for one.
   */
  async setup(session: string, options: Abortable & { user?: string } = {}): Promise<Setup> {
    const call = (canceller?: EngineCanceller) => this.#client.setup(session, options.user ?? null, canceller);
    return setupOf(await abortable(options.signal, call, this));
  }

  /** Throws a session's sandbox away, with everything in it that is not stored. */
  async destroySandbox(session: string, options: Abortable = {}): Promise<void> {
    await abortable(options.signal, (canceller) => this.#client.destroySandbox(session, canceller), this);
  }

  /** What the server says of itself: `status` is `healthy` or `ok`. Needs no key, and sends none. */
  async health(options: Abortable = {}): Promise<{ status: string; other: Record<string, unknown> }> {
    const { status, ...other } = await this.#ask(options, (canceller) => this.#client.health(canceller));
    return { status: status as string, other };
  }

  /** Opens a conversation with the agent of a session: stores the skills, makes the sandbox ready, connects. */
  async channel(session: string, options: ChannelOptions = {}): Promise<UserDataChannel> {
    return UserDataChannel.open(this.#client, session, options);
  }
}
