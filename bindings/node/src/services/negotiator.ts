// Who offers, and what happens when both do: perfect negotiation with one peer, without any WebRTC stack.

import { now } from '../calls';
import { camel, json, members } from '../values';
import { services, type NativeNegotiator } from './native';

/** What to do with the peer connection, in this order, one after the other. */
export type Action =
  /** Make the data channel: ordered, reliable, not negotiated. */
  | { type: 'createChannel'; label: string }
  /** Make an offer, set it as the local description, and say {@link Negotiator.created}. */
  | { type: 'createOffer'; iceRestart: boolean }
  /** Make an answer, set it, and say {@link Negotiator.created}. */
  | { type: 'createAnswer' }
  /** Take the local offer back. A library that cannot closes the peer connection and builds a new one. */
  | { type: 'rollback' }
  /** Close the peer connection and build a new one. */
  | { type: 'rebuild' }
  /** Set the peer's description. */
  | { type: 'setRemote'; kind: 'offer' | 'answer' | 'pranswer' | 'rollback'; sdp: string }
  /** Add a candidate of the peer's. An error is no reason to stop. */
  | {
      type: 'addCandidate';
      candidate: string;
      sdpMid: string | null;
      sdpMLineIndex: number | null;
      usernameFragment: string | null;
    }
  /** Send this to the peer: `SignalingClient.send`. */
  | { type: 'send'; signal: unknown }
  /** It is over: close the peer connection. Nothing follows. */
  | { type: 'close' }
  /** Something that this version knows nothing of. */
  | { type: 'other' };

/**
 * Negotiates with one peer: tell it what happens, and perform the {@link actions} on a peer connection.
 *
 * The newcomer offers to everybody in its first roster. If both offer at once, the smaller id takes its own offer back. Candidates
 * wait for their description. When a connection fails, ICE is restarted, and then the connection built anew.
 *
 * ```ts
 * const newcomer = new Negotiator('b', 'a', { offers: true });
 * newcomer.actions(); // [{ type: 'createChannel', label: 'agent' }, { type: 'createOffer', iceRestart: false }]
 * newcomer.created('offer', sdp);
 * newcomer.actions(); // [{ type: 'send', signal: … }]
 * ```
 */
export class Negotiator {
  readonly #inner: NativeNegotiator;

  /**
   * `local` and `remote` are ids in the room; `offers` if the peer was in this client's first roster. `mode` is the connection mode
   * of its offers, such as `lan`: host candidates and no ICE servers.
   */
  constructor(local: string, remote: string, options: { offers: boolean; mode?: string }) {
    this.#inner = now(() => new services.Negotiator(local, remote, options.offers, options.mode ?? null));
  }

  #handle(input: Record<string, unknown>): void {
    const text = JSON.stringify(input);
    now(() => this.#inner.handle(text));
  }

  /** A signal of the peer's. `false` if it is none of WebRTC's, but the application's own. */
  received(signal: unknown): boolean {
    const text = json(signal);
    return now(() => this.#inner.received(text));
  }

  /** The description that `createOffer` or `createAnswer` asked for. It is set as the local one already. */
  created(kind: string, sdp: string): void {
    this.#handle({ type: 'created', kind, sdp });
  }

  /** A candidate of this side, for the peer: an `RTCIceCandidate`, or its members. The one without text, the last, is not sent. */
  gathered(candidate: {
    candidate: string;
    sdpMid?: string | null;
    sdpMLineIndex?: number | null;
    usernameFragment?: string | null;
  }): void {
    const { sdpMid, sdpMLineIndex, usernameFragment } = candidate;
    this.#handle({
      type: 'gathered',
      candidate: candidate.candidate,
      sdp_mid: sdpMid ?? null,
      sdp_m_line_index: sdpMLineIndex ?? null,
      username_fragment: usernameFragment ?? null,
    });
  }

  /** The application changed something that has to be negotiated. */
  negotiationNeeded(): void {
    this.#handle({ type: 'negotiation_needed' });
  }

  /** The ICE transport changed: `checking`, `connected`, `completed`, `disconnected`, `failed` and so on. */
  ice(state: string): void {
    this.#handle({ type: 'ice', state });
  }

  /** The peer left the room. A connection that stands stays. */
  left(): void {
    this.#handle({ type: 'left' });
  }

  /** It is in the room, for the first time or again. */
  back(): void {
    this.#handle({ type: 'back' });
  }

  /** Does whatever is due now. */
  tick(): void {
    now(() => this.#inner.tick());
  }

  /** Milliseconds until {@link tick} is due; `null` if nothing is. */
  nextWake(): number | null {
    return now(() => this.#inner.nextWake());
  }

  /** What there is to do. Performing some of it makes more: ask again until there is none. */
  actions(): Action[] {
    const taken = now(() => this.#inner.takeActions());
    return taken.map(({ kind, details }) => ({ type: camel(kind), ...members<object>(JSON.parse(details)) }) as Action);
  }

  /** Whether this side gives way. */
  get isPolite(): boolean {
    return now(() => this.#inner.isPolite());
  }

  /** Whether it is over. */
  get isClosed(): boolean {
    return now(() => this.#inner.isClosed());
  }
}
