// Plays `bindings/scenarios/services/*.json`, as the other languages do.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { AgentMeshError, Failure, Identity } from '@agentmesh/sdk';
import { AgentWebSocketClient, AgentWebSocketService } from '@agentmesh/sdk/agent-ws';
import { SignalingClient } from '@agentmesh/sdk/signaling';
import { HookPolicy, UserDataClient } from '@agentmesh/sdk/user-data';
import { after, given, server } from './support.mjs';

const home = join(given('AGENTMESH_TEST_SOURCE'), 'bindings', 'scenarios', 'services');
const scenarios = readdirSync(home);

/** The next event of a type that is looked for. */
async function until(events, type, wanted = () => true) {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error(`no ${type} came`);
    if (value.type === type && wanted(value)) return value;
  }
}

/** The agent of `serve`: it says the conversation, and `fail` it does not take. */
async function* answer({ text, messages }) {
  if (text === 'fail') throw new Failure('BUSY', 'come back later');
  for (const { role, content } of messages) yield `${role}:${content}/`;
}

class Play {
  rooms = new Map();
  signers = new Map();
  services = new Map();
  askers = new Map();
  channels = new Map();

  constructor(t, { url, agentWebSocketUrl }) {
    const data = new UserDataClient(url, { apiKey: 'any-key-will-do' });
    Object.assign(this, { t, url, data, urls: new Map([['server', agentWebSocketUrl]]) });
  }

  id = (name) => this.rooms.get(name)?.id ?? name;
  ids = (names) => names.map(this.id);

  steps = {
    join: async ({ at, room, signs }) => {
      const signWith = signs && (await Identity.generate());
      const client = await SignalingClient.join(this.url, room, { signWith });
      after(this.t, () => client.leave({ urgent: true }));
      this.rooms.set(at, { client, id: client.id, events: client.events() });
      if (signWith) this.signers.set(at, signWith.amid);
    },
    room: ({ at, name, peers }) => {
      const { client } = this.rooms.get(at);
      assert.deepEqual([client.room, client.peers], [name, this.ids(peers)]);
    },
    roster: async ({ at, joined, left }) => {
      const changed = (event) => event.joined.length + event.left.length > 0;
      const found = await until(this.rooms.get(at).events, 'roster', changed);
      assert.deepEqual([found.joined, found.left], [this.ids(joined), this.ids(left)]);
    },
    signal: ({ at, to, value }) => this.rooms.get(at).client.send(this.id(to), value),
    signalled: async ({ at, from, signed_by, ...rest }) => {
      const found = await until(this.rooms.get(at).events, 'signal');
      assert.deepEqual([found.from, found.problem], [this.id(from), null]);
      assert.equal(found.signedBy, this.signers.get(signed_by) ?? null);
      if ('value' in rest) assert.deepEqual(found.value, rest.value);
    },
    leave: ({ at }) => this.rooms.get(at).client.leave(),

    serve: async ({ at, system_prompt, tokens }) => {
      const service = await AgentWebSocketService.start(answer, { systemPrompt: system_prompt, tokens });
      after(this.t, () => service.close());
      this.services.set(at, service);
      this.urls.set(at, service.url);
    },
    dial: async ({ at, to, token }) => {
      const client = await AgentWebSocketClient.connect(this.urls.get(to), { bearer: token });
      after(this.t, () => client.close());
      this.askers.set(at, { client, events: client.events() });
    },
    ask: async ({ at, text, pieces, answer, contains, says }) => {
      const { client } = this.askers.get(at);
      let content;
      if (pieces) {
        const parts = [];
        for await (const part of await client.queryStream(text)) parts.push(part);
        ({ content } = parts.pop());
        assert.deepEqual(parts.map((part) => part.content), pieces);
      } else {
        try {
          ({ content } = await client.query(text));
        } catch (error) {
          assert.ok(JSON.stringify(error.details ?? {}).includes(says ?? ''), error);
          throw error;
        }
      }
      if (contains) assert.ok(content.includes(contains), content);
      else assert.equal(content, answer);
    },
    notify: async ({ at, to, text }) => {
      const { client, events } = this.askers.get(to);
      this.services.get(at).notify(client.session.sessionId, text);
      await until(events, 'notification', ({ message }) => message.content === text);
    },
    hang_up: ({ at }) => this.askers.get(at).client.close(),
    stop: ({ at }) => this.services.get(at).close(),

    put_skill: ({ user, name, content }) => this.data.putSkill(user, name, content),
    skills: async ({ user, names }) => assert.deepEqual(await this.data.listSkills(user), names),
    skill: async ({ user, name, content }) => {
      const found = await this.data.skill(user, name);
      assert.deepEqual([found.name, found.content], [name, content]);
    },
    delete_skill: ({ user, name }) => this.data.deleteSkill(user, name),
    save_conversation: ({ user, body }) => this.data.saveConversation(user, body),
    conversation: async ({ user, id, messages, more }) => {
      const found = await this.data.conversation(user, id);
      assert.deepEqual([found.messages, found.body.more], [messages, more]);
    },
    conversations: async ({ user, ids }) =>
      assert.deepEqual((await this.data.listConversations(user)).map(({ id }) => id), ids),
    delete_conversation: ({ user, id }) => this.data.deleteConversation(user, id),
    put_settings: ({ user, values }) => this.data.putSettings(user, values),
    settings: async ({ user, values }) => assert.deepEqual((await this.data.settings(user)).values, values),
    delete_settings: ({ user }) => this.data.deleteSettings(user),

    open_channel: async ({ at, user, tools }) => {
      const channel = await this.data.channel(at, { user, hooks: HookPolicy.allowTools(tools) });
      after(this.t, () => channel.close());
      this.channels.set(at, { channel, events: channel.events() });
    },
    say: async ({ at, prompt, answer }) => assert.equal((await this.channels.get(at).channel.ask(prompt)).text, answer),
    tool: async ({ at, tool, action }) => {
      const { channel, events } = this.channels.get(at);
      await channel.ask(`/tool ${tool} {}`);
      const asked = ({ request }) => request.event === 'PreToolUse';
      const { request, answer } = await until(events, 'hookAnswered', asked);
      assert.deepEqual([request.toolName, answer.action], [tool, action]);
    },
    history: async ({ at, texts }) =>
      assert.deepEqual((await this.channels.get(at).channel.history()).map(({ text }) => text), texts),
    save_channel: ({ at, user, id }) => this.channels.get(at).channel.save(user, id),
    clear: ({ at }) => this.channels.get(at).channel.clear(),
    close_channel: ({ at }) => this.channels.get(at).channel.close(),
  };
}

test('there are scenarios', () => assert.ok(scenarios.length >= 3));

for (const name of scenarios) {
  test(`scenario ${name}`, async (t) => {
    const play = new Play(t, await server(t, { userData: true }));
    for (const step of JSON.parse(readFileSync(join(home, name), 'utf8')).steps) {
      let code;
      try {
        await play.steps[step.do](step);
      } catch (error) {
        if (!AgentMeshError.is(error)) throw error;
        code = error.code;
      }
      assert.equal(code, step.error, JSON.stringify(step));
    }
  });
}
