/// <reference lib="esnext.disposable" preserve="true" />
// A conversation with the agent of a session, and what it asks before it uses a tool.

import { abortable, later, now, type Abortable } from '../calls';
import type { EngineCanceller } from '../engine';
import { argument, type AgentMeshError } from '../errors';
import { camel, members } from '../values';
import { errorOf, hidden, Items, settings } from './items';
import { services, type NativeHookQuestion, type NativeItems, type NativeSetup, type NativeUserDataChannel, type NativeUserDataClient } from './native';

/** What the agent asks. */
export interface HookRequest {
  /** Which hook: `PreToolUse`, `Notification`, `UserPromptSubmit`, `Stop`, or something else. */
  event: string;
  /** What it is about. */
  data: unknown;
  /** The tool that it is about. */
  toolName: string | null;
}

/** What to do about a hook: `continue` goes on as if nobody had been asked. `reason` is for the agent, cut after a thousand characters. */
export interface HookAnswer {
  action: 'continue' | 'approve' | 'deny';
  reason?: string | null;
}

type Decided = HookAnswer | boolean | undefined | void;

/** Answers hooks within 30 seconds: `true` approves, `false` denies, `undefined` leaves it to the policy. */
export type HookHandler = (request: HookRequest) => Decided | Promise<Decided>;

/**
 * How hooks are answered: every one, at once or within 30 seconds, so that the agent never waits for nobody. By default everything goes
 * on but the use of tools, which is denied: a program that was not told which tools an agent may use has not allowed any.
 */
export class HookPolicy {
  /** Tools that need not be asked for. */
  readonly tools: 'all' | readonly string[];
  /** Is asked first. What it leaves open, or does not answer in time, is decided by `tools`. */
  readonly handler: HookHandler | undefined;

  constructor(tools: 'all' | readonly string[] = [], handler?: HookHandler) {
    this.tools = tools === 'all' ? tools : [...tools];
    this.handler = handler;
  }

  /** Lets these tools be used, and no others; asks `ask` first. */
  static allowTools(names: readonly string[], ask?: HookHandler): HookPolicy {
    return new HookPolicy(names, ask);
  }

  /** Lets every tool be used; asks `ask` first. */
  static allowAllTools(ask?: HookHandler): HookPolicy {
    return new HookPolicy('all', ask);
  }

  /** Asks a handler; what it leaves open is denied if it is the use of a tool. */
  static ask(handler: HookHandler): HookPolicy {
    return new HookPolicy([], handler);
  }
}

function asker(handler: HookHandler): (question: NativeHookQuestion) => void {
  return (question) => {
    void (async () => {
      let answer: string | null = null;
      try {
        const decided = await handler(members<HookRequest>(JSON.parse(question.request)));
        if (decided === true) answer = JSON.stringify({ action: 'approve' });
        else if (decided === false) answer = JSON.stringify({ action: 'deny', reason: 'the application denied it' });
        else if (decided) answer = JSON.stringify({ action: decided.action, reason: decided.reason ?? null });
        question.answer(answer);
      } catch (error) {
        console.error('agentmesh: the handler of hooks failed; left to the policy', error);
        question.answer(null);
      }
    })();
  };
}

/** A part of a message, as the agent sent it: `type` is `text`, `thinking`, `tool_use`, `tool_result`, `image` … */
export type Block = Record<string, unknown>;

/** A message in a conversation with an agent. */
export interface ChannelMessage {
  /** Who says it: `assistant`, `user`, `system`, or somebody else. */
  role: string;
  blocks: Block[];
  /** The text in it, without thoughts and tools. */
  text: string;
  /** Its id, if it has one. The same id never comes twice over one channel. */
  uuid: string | null;
  /** When; in histories. */
  timestamp: Date | null;
  /** Whatever else came with it. */
  other: Record<string, unknown>;
}

/** The agent is done. */
export interface TurnEnd {
  type: 'end';
  /** What it said, without thoughts and tools. Of more than 8 MiB, the beginning. */
  text: string;
  /** The server's account of the turn: costs, duration. `null` if it came while the connection was lost. */
  result: Record<string, unknown> | null;
  /** The agent's id for the conversation, as far as it is known. */
  conversation: string | null;
  /** Parts that the reader was too slow for. */
  missed: number;
  /** Whether the server says that the turn went wrong. */
  isError: boolean;
}

/** A part of what the agent says. The message that follows takes the place of all deltas before it. */
export type TurnPart =
  /** More of a message that is on its way: text for people, or else a piece of the JSON that a tool is used with. */
  | { type: 'delta'; content: string; isText: boolean }
  | { type: 'message'; message: ChannelMessage }
  | TurnEnd
  | { type: 'other' };

/** What happens on a channel besides turns. */
export type ChannelEvent =
  | { type: 'connected' }
  /** After a lost connection: the server still has the session, and a turn that was under way goes on. */
  | { type: 'resumed' }
  /** After a lost connection: the server does not have the session any more. */
  | { type: 'newSession' }
  /** The agent's own id for the conversation. It is carried from turn to turn. */
  | { type: 'conversation'; id: string }
  /** What was said before, oldest first, without what was told already. */
  | { type: 'history'; messages: ChannelMessage[] }
  /** Something that an agent says while no turn of this channel is under way. */
  | { type: 'unasked'; part: TurnPart }
  /** How the server does. */
  | { type: 'status'; level: 'info' | 'warning' | 'error'; message: string }
  /** A hook was answered; `tooLate` if nobody did in time, so that the policy did. */
  | { type: 'hookAnswered'; request: HookRequest; answer: HookAnswer; tooLate: boolean }
  /** A hook tells, and does not ask. */
  | { type: 'hookNotification'; request: HookRequest }
  /** The history was emptied, by whomever. */
  | { type: 'cleared' }
  /** An error that belongs to no turn, in the server's words, cut. */
  | { type: 'error'; message: string }
  /** An event that could not be read. The channel goes on. */
  | { type: 'unreadable'; reason: string }
  /** The connection was lost, or could not be made; the next attempt follows. */
  | { type: 'disconnected'; error: AgentMeshError; retryInMs: number }
  /** The end: nothing follows. */
  | { type: 'closed'; error: AgentMeshError }
  /** The reader was too slow for so many events. */
  | { type: 'lagged'; missed: number }
  /** An event without a type of its own: `stream_event`, `stderr`, `compact_boundary` … */
  | { type: 'other'; name: string; data: unknown };

type Raw = Record<string, unknown>;

function messageOf(value: unknown): ChannelMessage {
  const { timestamp_ms, ...rest } = value as Raw;
  return { ...(rest as unknown as ChannelMessage), timestamp: timestamp_ms === null ? null : new Date(timestamp_ms as number) };
}

function partOf(kind: string, details: Raw): TurnPart {
  if (kind === 'message') return { type: 'message', message: messageOf(details['message']) };
  return { type: camel(kind), ...members<object>(details) } as TurnPart;
}

function eventOf(kind: string, details: Raw): ChannelEvent {
  const made = members<Raw>(details);
  if (kind === 'history') made['messages'] = (details['messages'] as unknown[]).map(messageOf);
  if (kind === 'unasked') return { type: 'unasked', part: partOf(details['kind'] as string, details['part'] as Raw) };
  if ('request' in made) made['request'] = members<HookRequest>(made['request']);
  if ('error' in made) made['error'] = errorOf(made['error']);
  return { type: camel(kind), ...made } as ChannelEvent;
}

/** What the agent answers, as an asynchronous iterator. Leaving it stops nothing: the agent goes on; interrupt it instead. */
export class Turn extends Items<TurnPart> {
  /** @internal */
  constructor(items: NativeItems, owner: object, signal?: AbortSignal) {
    super(items, partOf, owner, signal);
  }

  /** Waits for the end, and leaves out what comes before. */
  async end(): Promise<TurnEnd> {
    for await (const part of this) if (part.type === 'end') return part;
    throw new Error('the turn was read to its end, or left, before');
  }
}

/** A sandbox is ready for a session. */
export interface Setup {
  sessionId: string;
  /** The user whose skills it has. */
  userId: string;
  /** How it gets them: `r2_load_dev`, `r2_mount`, `r2_load_fallback`, or something newer. */
  method: string;
  /** Paths of the skills in the sandbox. Empty if there are none, or if they are mounted. */
  skillsLoaded: string[];
  /** What the server says to people. */
  message: string;
  /** What the channel of this session is opened with, at servers that want it. Not shown when the setup is printed. */
  sessionToken: string | null;
  /** Whatever else the answer holds. */
  other: Record<string, unknown>;
}

export function setupOf(setup: NativeSetup): Setup {
  const { sessionId, userId, setupMethod, skillsLoaded, message, ...other } = JSON.parse(setup.answer) as Raw;
  const made = { sessionId, userId, method: setupMethod, skillsLoaded, message, sessionToken: setup.sessionToken ?? null, other };
  return hidden(made as Setup, 'sessionToken');
}

/** How the agent works. Servers take some of it, and drop the rest with a warning; what is absent they decide. */
export interface AgentOptions {
  /** Turns of the agent with its model. */
  maxTurns?: number;
  model?: string;
  /** What the model is told first. */
  systemPrompt?: string;
  /** When the agent asks before it does something. */
  permissionMode?: string;
  /** Tools that may be used, and no others. */
  allowedTools?: readonly string[];
  /** Tools that may not be used. */
  disallowedTools?: readonly string[];
  /** How much the model may think. */
  maxThinkingTokens?: number;
  /** Whether answers come piece by piece. */
  includePartialMessages?: boolean;
  /** A conversation that is known from elsewhere. By default, the one that this channel heard of last. */
  resume?: string;
  /** Begins a new conversation. */
  newConversation?: boolean;
  /** Whatever else, under the names of the protocol. */
  other?: Record<string, unknown>;
}

function agentJson(options: AgentOptions, overlap = false): string {
  return JSON.stringify({
    max_turns: options.maxTurns,
    model: options.model,
    system_prompt: options.systemPrompt,
    permission_mode: options.permissionMode,
    allowed_tools: options.allowedTools,
    disallowed_tools: options.disallowedTools,
    max_thinking_tokens: options.maxThinkingTokens,
    include_partial_messages: options.includePartialMessages,
    resume: options.resume,
    new_conversation: options.newConversation,
    other: options.other,
    overlap,
  });
}

/** How a channel is opened. */
export interface ChannelOptions extends Abortable {
  user?: string;
  /** Stored for the user before: by path, such as `debugging.md`. */
  skills?: Record<string, string>;
  /** With `false`, the sandbox is ready already. */
  setup?: boolean;
  /** A session's token from elsewhere. By default, the one that the setup issued. */
  token?: string;
  /** Opens it with the client's key. Deployed servers hand what comes over the channel to the sandbox, where the agent can read it. */
  useApiKey?: boolean;
  namespace?: string;
  /** Which tools the agent may use. Default: none. */
  hooks?: HookPolicy;
  callTimeoutMs?: number;
  turnTimeoutMs?: number;
}

/**
 * An open conversation with the agent of one session, from `UserDataClient.channel`. It connects again by itself when the connection is
 * lost, and its events say so; what is said is never sent again by itself. The sandbox stays: `UserDataClient.destroySandbox`.
 */
export class UserDataChannel {
  readonly #channel: NativeUserDataChannel;

  private constructor(made: NativeUserDataChannel) {
    this.#channel = made;
  }

  /** @internal */
  static async open(client: NativeUserDataClient, session: string, options: ChannelOptions): Promise<UserDataChannel> {
    const { token, useApiKey, hooks = new HookPolicy(), signal } = options;
    if (useApiKey && token !== undefined) throw argument('a channel is opened with one key: token, or useApiKey');
    const how = settings(
      {
        session,
        user: options.user,
        skills: Object.entries(options.skills ?? {}),
        without_setup: options.setup === false,
        namespace: options.namespace,
        tools: hooks.tools === 'all' ? 'all' : { some: hooks.tools },
      },
      { call_timeout: options.callTimeoutMs, turn_timeout: options.turnTimeoutMs },
    );
    const given = {
      settings: how,
      key: token !== undefined ? 'token' : useApiKey ? 'api' : 'session',
      ...(token !== undefined && { token }),
      ...(hooks.handler && { onHook: asker(hooks.handler) }),
    };
    const opening = (canceller?: EngineCanceller) => services.openUserDataChannel(client, given, canceller);
    return new UserDataChannel(await abortable(signal, opening));
  }

  /**
   * Says something to the agent, and gives what it answers as it comes: `for await (const part of await channel.send(…))`. One turn at
   * a time, unless `overlap`. What goes wrong is thrown by the turn. Aborting leaves the turn, and does not interrupt the agent.
   */
  async send(prompt: string, options: AgentOptions & Abortable & { overlap?: boolean } = {}): Promise<Turn> {
    const how = agentJson(options, options.overlap);
    const sending = (canceller?: EngineCanceller) => this.#channel.send(prompt, how, canceller);
    return new Turn(await abortable(options.signal, sending, this), this, options.signal);
  }

  /** Says something and waits for the end of the turn. */
  async ask(prompt: string, options: AgentOptions & Abortable = {}): Promise<TurnEnd> {
    const turn = await this.send(prompt, options);
    return abortable(options.signal, () => turn.end());
  }

  /** Starts the agent before anything is said. */
  async start(options: AgentOptions & Abortable = {}): Promise<void> {
    const how = agentJson(options);
    await abortable(options.signal, (canceller) => this.#channel.start(how, canceller), this);
  }

  /** Interrupts what the agent does. The turn that is under way throws `USER_DATA_INTERRUPTED`. */
  async interrupt(reason?: string, options: Abortable = {}): Promise<void> {
    await abortable(options.signal, (canceller) => this.#channel.interrupt(reason ?? null, canceller), this);
  }

  /** What was said in this session, oldest first, nothing twice. */
  async history(options: Abortable = {}): Promise<ChannelMessage[]> {
    const found = await abortable(options.signal, (canceller) => this.#channel.history(canceller), this);
    return (JSON.parse(found) as unknown[]).map(messageOf);
  }

  /** Interrupts the agent and empties the session's history. */
  async clear(options: Abortable = {}): Promise<void> {
    await abortable(options.signal, (canceller) => this.#channel.clear(canceller), this);
  }

  /** What the server knows of the session, as it says it. Older servers do not answer. */
  async diagnostics(options: Abortable = {}): Promise<Record<string, unknown>> {
    const found = await abortable(options.signal, (canceller) => this.#channel.diagnostics(canceller), this);
    return JSON.parse(found) as Raw;
  }

  /** Stores the session's history as a conversation of a user. Where it is in the store. */
  async save(user: string, conversation: string, options: Abortable = {}): Promise<string> {
    const saving = (canceller?: EngineCanceller) => this.#channel.save(user, conversation, canceller);
    return (JSON.parse(await abortable(options.signal, saving, this)) as { key: string }).key;
  }

  /** What happens besides turns. The first to ask gets everything since the start, others what comes from now on. */
  events(options: Abortable = {}): Items<ChannelEvent> {
    return new Items(now(() => this.#channel.events()), eventOf, this, options.signal);
  }

  /** What the setup answered, if there was one. */
  get setup(): Setup | null {
    const setup = now(() => this.#channel.setup());
    return setup && setupOf(setup);
  }

  /** The agent's id for the conversation, once it is known. */
  get conversation(): string | null {
    return now(() => this.#channel.conversation());
  }

  /** Whether there is a connection now. */
  get isConnected(): boolean {
    return now(() => this.#channel.isConnected());
  }

  /** Gives up what is under way and takes leave, in at most three seconds. Again is fine. */
  async close(): Promise<void> {
    await later(() => this.#channel.close(), this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
