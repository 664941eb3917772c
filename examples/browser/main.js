// An agent in a tab: ?name=alice says which one, ?server=http://127.0.0.1:18787 where `agentmesh dev` listens.

import { AgentMeshClient, AgentMeshError, IndexedDbStorage, Policy } from '@agentmesh/sdk';

const query = new URLSearchParams(location.search);
const name = query.get('name') ?? 'alice';
const server = new URL(query.get('server') ?? 'http://127.0.0.1:18787');
const element = (id) => document.getElementById(id);

function state(text) {
  element('state').textContent = text;
}

/** What somebody said. It is text, whatever it looks like. */
function show(text, mine) {
  const line = document.createElement('li');
  line.textContent = text;
  line.className = mine ? 'mine' : '';
  element('talk').append(line);
}

/** Asks the person at the screen; one at a time. */
let asking = Promise.resolve();
function mayTalk(peer) {
  const answer = asking.then(
    () =>
      new Promise((resolve) => {
        element('who').textContent = peer;
        element('knock').hidden = false;
        for (const [button, accepted] of [['accept', true], ['reject', false]]) {
          element(button).onclick = () => {
            element('knock').hidden = true;
            resolve(accepted);
          };
        }
      }),
  );
  asking = answer;
  return answer;
}

async function open() {
  // Else the browser may throw the identity away when space runs out.
  const kept = await navigator.storage.persist();
  // A tab that has this agent already goes first.
  state('waiting for another tab with this agent');
  const client = await AgentMeshClient.create({
    storage: new IndexedDbStorage(name, {
      onLost: () => {
        state('another tab has this agent now; reload to wait for it');
        void client.close();
      },
    }),
    registryUrl: new URL('/v1', server).href,
    relayUrl: new URL('/v1/connect', server).href.replace('http', 'ws'),
    displayName: name,
    policy: Policy.permissive(),
    onKnock: ({ from }) => mayTalk(from),
  });
  element('amid').textContent = client.amid;
  client.on('online', () => state(kept ? 'online' : 'online; the browser may forget this agent'));
  client.on('offline', () => state('offline'));
  client.onMessage(({ from, payload }) => {
    element('peer').value = from;
    show(String(payload), false);
  });
  element('send').onsubmit = async (event) => {
    event.preventDefault();
    const text = element('text').value;
    element('text').value = '';
    show(text, true);
    try {
      await client.send(element('peer').value.trim(), text);
    } catch (error) {
      show(AgentMeshError.is(error) ? error.code : String(error), true);
    }
  };
  await client.connect();
}

document.title = name;
element('name').textContent = name;
open().catch((error) => state(AgentMeshError.is(error) ? `${error.code}: ${error.message}` : String(error)));
