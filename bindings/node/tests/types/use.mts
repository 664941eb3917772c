// What applications write, as far as types go. Compiled, not run.

import {
  AgentMeshClient,
  AgentMeshError,
  CustomStorage,
  ErrorCode,
  Failure,
  Identity,
  Key,
  Policy,
  PrekeyManager,
  SessionManager,
  SqliteStorage,
  type Change,
  type Decision,
  type Knock,
  type RecordId,
  type Stage,
  type StoredRecord,
} from '@agentmesh/sdk';
import { AgentWebSocketClient, AgentWebSocketService, type Question } from '@agentmesh/sdk/agent-ws';
import { AiwmSupervisor, type AgentConfig } from '@agentmesh/sdk/aiwm';
import { Negotiator, SignalingClient, type Action } from '@agentmesh/sdk/signaling';
import { checkStorage, Server } from '@agentmesh/sdk/testing';
import { HookPolicy, UserDataClient } from '@agentmesh/sdk/user-data';

class MyStore extends CustomStorage {
  override async load(ids: readonly RecordId[]): Promise<(StoredRecord | null)[]> {
    return ids.map(() => null);
  }
  override async list(_kind: string, _after: Uint8Array | null, _limit: number): Promise<StoredRecord[]> {
    return [];
  }
  override async commit(_changes: readonly Change[]): Promise<void> {}
  override async close(): Promise<void> {}
}

export async function main(): Promise<void> {
  await using server = await Server.start({ drop: 0.1, seed: 7 });
  await using client = await AgentMeshClient.create({
    storage: new SqliteStorage('agent.db'),
    key: Key.file('agent.key'),
    policy: Policy.verified().with({ minReputation: 0.7 }),
    onKnock: (knock: Knock): Decision => (knock.reputation > 0.5 ? { decision: 'accept' } : { decision: 'reject', reason: 'who?' }),
    ...server.urls,
  });
  const off: () => void = client.onRequest(async function* (message) {
    yield String(message.payload);
  });
  off();
  client.onMessage(async (message) => message.ack());
  client.on('online', ({ type, details }) => console.log(type, details['reason']));
  const stage: Stage = (await client.send('peer', { hello: 'world' }, { wait: 'handled', signal: AbortSignal.timeout(1000) })).stage;
  void stage;
  for await (const { data } of await client.stream('peer', Buffer.from('bytes'))) console.log(data);
  for await (const message of client.messages()) {
    const kind: string = message.kind;
    void kind;
  }
  try {
    await client.request('peer', 1);
  } catch (error) {
    if (AgentMeshError.is(error) && error.code === ErrorCode.REQUEST_ERROR_RESPONSE) console.log(error.remote?.code, error.cause);
    throw new Failure('CODE', 'words', { retryable: true });
  }
  const identity = await Identity.generate();
  const store = new MyStore({ key: Key.random() });
  const prekeys = new PrekeyManager(identity, store);
  const sessions = new SessionManager(identity, store, prekeys);
  const { sessionId } = await sessions.initiateSession('peer', await prekeys.bundle(), new Uint8Array(32));
  const key: Uint8Array | null = sessions.getRatchetPublicKey(sessionId);
  void key;
  await checkStorage(() => new MyStore(), 'keeps_many_records', { exclusive: false });

  // @ts-expect-error: there is no such stage
  await client.send('peer', 1, { wait: 'read' });
  // @ts-expect-error: misspelt
  await AgentMeshClient.create({ storage: store, registryURL: 'x' });
  // @ts-expect-error: identities are made by generate, load, restore and fromJSON
  new Key('bytes');
  // @ts-expect-error: no code of this package
  const code: ErrorCode = 'NO_SUCH_CODE';
  void code;
}

/** As browsers have it. */
interface PeerConnection {
  createOffer(options: { iceRestart?: boolean }): Promise<unknown>;
  addIceCandidate(candidate: { candidate?: string; sdpMid?: string | null; sdpMLineIndex?: number | null }): Promise<void>;
}

export async function services(url: string): Promise<void> {
  await using room = await SignalingClient.join(url, 'agents', { signal: AbortSignal.timeout(1000) });
  for await (const event of room.events()) {
    if (event.type === 'roster') for (const peer of event.joined) await room.send(peer, { type: 'agent-ping' });
    if (event.type === 'signal') console.log(event.from, event.value, event.problem?.code);
  }
  const act = async (action: Action, connection: PeerConnection): Promise<void> => {
    if (action.type === 'createOffer') await connection.createOffer({ iceRestart: action.iceRestart });
    if (action.type === 'addCandidate') await connection.addIceCandidate(action);
  };
  void [act, new Negotiator('a', 'b', { offers: true }).actions()];

  await using service = await AgentWebSocketService.start(async function* (question: Question) {
    yield question.text;
  });
  await using client = await AgentWebSocketClient.connect(service.url, { bearer: 'token' });
  for await (const part of await client.queryStream('hello')) if (part.type === 'delta') console.log(part.content);

  await using supervisor = await AiwmSupervisor.start({ envFile: '.env', retriesMs: [] });
  const config: AgentConfig = supervisor.config;
  supervisor.status = config.tools === null ? 'idle' : 'busy';

  const data = new UserDataClient(url, { apiKey: 'key' });
  await using channel = await data.channel('session', { user: 'alice', hooks: HookPolicy.allowTools(['Read'], ({ toolName }) => toolName === 'Read') });
  for await (const part of await channel.send('hello', { maxTurns: 3 })) if (part.type === 'end') console.log(part.text, part.isError);
}
