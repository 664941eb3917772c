/// <reference lib="esnext.disposable" preserve="true" />
// WebRTC signaling: agents meet in a room of a signaling server, and pass each other what they need to connect.

import { abortable, later, now, type Abortable } from '../calls';
import type { EngineCanceller } from '../engine';
import type { AgentMeshError } from '../errors';
import type { Identity } from '../identity';
import { camel, json, members } from '../values';
import { errorOf, Items, settings } from './items';
import { services, type NativeSignalingClient } from './native';

export { Negotiator } from './negotiator';
export type { Action } from './negotiator';

/** Who a client is in a room. With them another process goes on as the same client: keep them like a password. */
export interface SessionCredentials {
  /** The client's id, which everybody in the room knows. */
  id: string;
  /** What proves it. */
  token: string;
  /** The server takes credentials in headers, so they need not be in a URL. */
  headerAuth: boolean;
}

/** A STUN or TURN server, or several with the same credential: what `RTCPeerConnection` takes. */
export interface IceServer {
  /** `stun:`, `stuns:`, `turn:` or `turns:`. */
  urls: string[];
  /** For TURN. */
  username?: string;
  /** For TURN; works for a limited time. */
  credential?: string;
}

/** What happens in a room, in its order. */
export type SignalingEvent =
  /** The room is joined for the first time. */
  | { type: 'joined'; id: string; iceServers: IceServer[] }
  /** The stream is back, and this client is who it was. What peers sent meanwhile follows. */
  | { type: 'resumed'; id: string; iceServers: IceServer[] }
  /** The server does not take this client's credentials any more. It joins anew; `identityChanged` follows. */
  | { type: 'identityLost'; id: string }
  /** The server gave this client another id. Peers see it as somebody new: begin anew with them. */
  | { type: 'identityChanged'; old: string; new: string; iceServers: IceServer[] }
  /** Who is in the room besides this client, after every change. `first` is the first of this id: offer to all in it. */
  | { type: 'roster'; peers: string[]; joined: string[]; left: string[]; first: boolean }
  /**
   * What a peer sent. The server verifies nothing in it. `signedBy` is the address of the agent whose identity key signed it: compare
   * it with the one that you expect; `problem` is what is wrong with a signature: treat that as an attack, or ignore it.
   */
  | { type: 'signal'; from: string; value: unknown; signedBy: string | null; problem: AgentMeshError | null }
  /** An event that could not be read. The stream goes on. */
  | { type: 'unreadable'; problem: string }
  /** The stream was lost, or could not be opened; the next attempt follows. */
  | { type: 'disconnected'; error: AgentMeshError; retryInMs: number }
  /** Another process resumed this session. `closed` follows. */
  | { type: 'superseded' }
  /** The end: nothing follows. */
  | { type: 'closed'; error: AgentMeshError }
  /** The reader was too slow for so many events. */
  | { type: 'lagged'; missed: number }
  /** Something that this version knows nothing of. */
  | { type: 'other' };

function eventOf(kind: string, details: Record<string, unknown>): SignalingEvent {
  const { sender, ...rest } = members<Record<string, unknown>>(details);
  for (const name of ['error', 'problem']) {
    if (typeof rest[name] === 'object' && rest[name] !== null) rest[name] = errorOf(rest[name]);
  }
  return { type: camel(kind), ...(kind === 'signal' && { from: sender }), ...rest } as SignalingEvent;
}

/** How a room is joined. */
export interface JoinOptions extends Abortable {
  /** For rooms that want one. */
  joinKey?: string;
  /** Goes on as a client of before. */
  resume?: SessionCredentials;
  /** Signs every description with an agent's identity key. */
  signWith?: Identity;
  /** With `false`, returns at once and tries on; otherwise rejects with what the first attempt failed with. */
  wait?: boolean;
  connectTimeoutMs?: number;
  idleTimeoutMs?: number;
  sendTimeoutMs?: number;
  /** How many attempts may fail in a row before the client gives up. Default: it never does. */
  attempts?: number;
  /** Signals that wait to be sent, at most. */
  maxQueued?: number;
  /** Whether the server may be reached unencrypted on another machine. */
  allowInsecure?: boolean;
}

/**
 * A place in a room of a signaling server. **Nothing is encrypted end to end**: whoever runs the server reads every signal.
 *
 * ```ts
 * await using client = await SignalingClient.join('http://127.0.0.1:18787', 'agents');
 * for await (const event of client.events()) {
 *   if (event.type === 'roster') for (const peer of event.joined) await client.send(peer, { type: 'agent-ping' });
 *   if (event.type === 'signal') console.log(event.from, 'says', event.value);
 * }
 * ```
 *
 * It resumes by itself when the stream is lost, and its events say so. This package brings no WebRTC stack; {@link Negotiator} tells
 * one of your choice what to do.
 */
export class SignalingClient {
  readonly #client: NativeSignalingClient;

  private constructor(made: NativeSignalingClient) {
    this.#client = made;
  }

  /** Joins a room. `url` is the server's origin, or the part of its path before `/api`. */
  static async join(url: string, room: string, options: JoinOptions = {}): Promise<SignalingClient> {
    const { joinKey, resume, signWith, wait, attempts, maxQueued, allowInsecure, signal } = options;
    const how = settings(
      { url, room, attempts, max_queued: maxQueued, allow_insecure: allowInsecure },
      { open_timeout: options.connectTimeoutMs, idle_timeout: options.idleTimeoutMs, send_timeout: options.sendTimeoutMs },
    );
    const joining = (canceller?: EngineCanceller) =>
      services.joinSignaling(how, joinKey ?? null, resume ?? null, signWith?.inner ?? null, wait ?? true, canceller);
    return new SignalingClient(await abortable(signal, joining));
  }

  /**
   * Sends a signal, anything that JSON can say but `null`, and waits until the server took it. At least once: a peer may get a
   * signal twice if an answer was lost. Signals wait for their turn, 45 at once and 9 a second, descriptions before candidates;
   * those to one peer stay in order. An error of kind `not_found` if the peer is not in the room.
   */
  async send(to: string, signal: unknown, options: Abortable = {}): Promise<void> {
    const text = json(signal);
    await abortable(options.signal, (canceller) => this.#client.send(to, text, canceller), this);
  }

  /** What happens. The first to ask gets everything since the start, others what comes from now on. */
  events(options: Abortable = {}): Items<SignalingEvent> {
    return new Items(now(() => this.#client.events()), eventOf, this, options.signal);
  }

  [Symbol.asyncIterator](): Items<SignalingEvent> {
    return this.events();
  }

  /** This client's id, once it joined. It can change: `identityChanged`. */
  get id(): string | null {
    return now(() => this.#client.id());
  }

  /** The room, as servers know it. */
  get room(): string {
    return now(() => this.#client.room());
  }

  /** Who else is in the room, by the last roster. */
  get peers(): string[] {
    return now(() => this.#client.peers());
  }

  /** ICE servers, by the last word of the server. */
  get iceServers(): IceServer[] {
    return JSON.parse(now(() => this.#client.iceServers())) as IceServer[];
  }

  /** Whether there is a stream now. */
  get isOnline(): boolean {
    return now(() => this.#client.isOnline());
  }

  /** What another process needs to go on as this client. */
  get credentials(): SessionCredentials | null {
    return now(() => this.#client.credentials());
  }

  /** Gives the place up, and waits for the server's word: at most five seconds, `urgent` two. Signals that wait fail. Again is fine. */
  async leave(options: { urgent?: boolean } = {}): Promise<void> {
    await later(() => this.#client.leave(options.urgent ?? false), this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }
}
