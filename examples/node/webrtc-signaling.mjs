// Two agents meet in a room of a signaling server and negotiate a WebRTC connection.
//
//     node webrtc-signaling.mjs [URL]
//
// Without a server, one runs in this process. What a WebRTC library would do, `Connection` does on paper; in a browser, or with a
// library for Node, it would hold an `RTCPeerConnection` and call `createOffer`, `setRemoteDescription` and so on.

import { setTimeout as pause } from 'node:timers/promises';
import { Negotiator, SignalingClient } from '@agentmesh/sdk/signaling';
import { Server } from '@agentmesh/sdk/testing';

/** Stands for the peer connection of a WebRTC library: makes descriptions, and sets them. */
class Connection {
  kinds = [];

  constructor(name, negotiator) {
    Object.assign(this, { name, negotiator });
  }

  /** Does what the negotiator asks for; a description that it made goes back. */
  perform(action) {
    if (action.type === 'createOffer') this.#describe('offer');
    if (action.type === 'createAnswer') this.#describe('answer');
    if (action.type === 'setRemote') this.kinds.push(`remote ${action.kind}`);
    // Both offered at once, and this side gives way.
    if (action.type === 'rollback') this.kinds = [];
    // createChannel, addCandidate, rebuild, close
  }

  #describe(kind) {
    this.kinds.push(`local ${kind}`);
    this.negotiator.created(kind, `v=0\r\na=ice-ufrag:${this.name}\r\n`);
  }

  get isNegotiated() {
    return this.kinds.length === 2;
  }
}

/** Joins a room, and negotiates with whoever is in it, until one connection has both descriptions. */
async function meet(name, url, room) {
  const [peers, client] = [new Map(), await SignalingClient.join(url, room)];
  const events = client.events();
  let next;
  while (![...peers.values()].some((peer) => peer.isNegotiated)) {
    const wakes = [...peers.values()].map(({ negotiator }) => negotiator.nextWake()).filter((wake) => wake !== null);
    const woken = new AbortController();
    // A read that was overtaken by the clock is waited for again.
    next ??= events.next();
    const waits = [next, ...(wakes.length > 0 ? [pause(Math.min(...wakes), undefined, { signal: woken.signal })] : [])];
    const event = (await Promise.race(waits))?.value;
    Promise.allSettled(waits);
    woken.abort();
    if (event !== undefined) next = undefined;
    switch (event?.type) {
      case 'roster':
        for (const peer of event.joined) {
          if (!peers.has(peer)) peers.set(peer, new Connection(name, new Negotiator(client.id, peer, { offers: event.first })));
          peers.get(peer).negotiator.back();
        }
        for (const peer of event.left) peers.get(peer)?.negotiator.left();
        break;
      case 'signal':
        if (peers.get(event.from)?.negotiator.received(event.value) === false) console.log(`${name} heard`, event.value);
        break;
      case 'identityChanged':
        peers.clear(); // Peers know this client by its old id: everything begins anew.
    }
    for (const [peer, connection] of peers) {
      connection.negotiator.tick();
      for (let actions; (actions = connection.negotiator.actions()).length > 0; ) {
        for (const action of actions) {
          if (action.type === 'send') await client.send(peer, action.signal);
          else connection.perform(action);
        }
      }
    }
  }
  await client.leave();
  return [...peers.values()].find((peer) => peer.isNegotiated).kinds.join(', ');
}

const server = process.argv[2] === undefined ? await Server.start() : undefined;
const url = process.argv[2] ?? server.url;
const lines = await Promise.all([meet('first', url, 'agents'), meet('second', url, 'agents')]);
console.log(lines.sort().join('\n'));
await server?.stop();
