// AIWM: client and supervisor against the reference server's controller.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import test from 'node:test';
import { AiwmClient, AiwmSupervisor } from '@agentmesh/sdk/aiwm';
import { administer, after, directory, server, until } from './support.mjs';

/** A server, and an agent that its controller knows. */
async function known(t) {
  const running = await server(t, { aiwm: true });
  const settings = { claudeModel: 'm', discord: { token: 'bot-token', channelIds: ['1', '2'] } };
  const { _id: agentId } = await administer(running, 'POST', '/agents', { name: 'support', description: 'd', status: 'active', settings });
  const { secret } = await administer(running, 'POST', `/agents/${agentId}/credentials/regenerate`, {});
  return [running, { baseUrl: running.url, agentId, secret }];
}

test('the client connects, beats and goes', async (t) => {
  const [running, controller] = await known(t);
  const client = new AiwmClient(controller);
  const connection = await client.connect();
  assert.equal(connection.settings.claudeModel, 'm');
  assert.ok(connection.lifetimeMs > 1000);
  await client.heartbeat(connection, 'busy', { cpu: 0.5 });
  assert.equal((await administer(running, 'GET', `/agents/${controller.agentId}`)).lastReport.status, 'busy');
  await client.disconnect(connection);
  const shown = inspect([client, connection], { depth: 9 }) + JSON.stringify(connection);
  assert.ok(!shown.includes(controller.secret) && !shown.includes('bot-token'), shown);
});

test('refusals are told', async (t) => {
  const [running, controller] = await known(t);
  const wrong = { ...controller, secret: 'not-the-secret' };
  await assert.rejects(new AiwmClient(wrong).connect(), { code: 'AIWM_AUTH_REJECTED', kind: 'authentication' });
  const unknown = { baseUrl: running.url, agentId: '0'.repeat(24), secret: 'x' };
  await assert.rejects(new AiwmClient(unknown).connect(), { code: 'AIWM_AGENT_NOT_FOUND', kind: 'not_found' });
  assert.throws(() => new AiwmClient({ ...unknown, baseUrl: 'http://example.com' }), { code: 'AIWM_CONFIG' });
  const starting = AiwmSupervisor.start({ controller: wrong, failFast: true, retriesMs: [] });
  await assert.rejects(starting, { code: 'AIWM_AUTH_REJECTED' });
  await assert.rejects(new AiwmClient(controller).connect({ signal: AbortSignal.abort() }), { name: 'AbortError' });
});

test('the supervisor configures, beats and hears of the end', async (t) => {
  const [running, controller] = await known(t);
  const supervisor = await AiwmSupervisor.start({ controller, heartbeatMs: 50, metrics: { queue: 3 } });
  after(t, () => supervisor.shutdown());
  assert.equal(supervisor.state, 'online');
  const { config } = supervisor;
  assert.deepEqual([config.model, config.discord.places, config.discord.token], ['m', ['1', '2'], 'bot-token']);
  assert.equal(config.variables.CLAUDE_MODEL, 'm');
  assert.ok(!(inspect(config, { depth: 9 }) + JSON.stringify(config)).includes('bot-token'));
  supervisor.status = 'busy';
  assert.equal(supervisor.status, 'busy');
  assert.throws(() => (supervisor.status = 'asleep'), { code: 'BINDING_ARGUMENT' });
  const beats = () => supervisor.counters.aiwm_heartbeat_success_total;
  const before = beats();
  while (beats() < before + 2) await new Promise((resolve) => setTimeout(resolve, 10));
  const { lastReport } = await administer(running, 'GET', `/agents/${controller.agentId}`);
  assert.deepEqual([lastReport.status, lastReport.metrics], ['busy', { queue: 3 }]);
  supervisor.metrics = null;
  assert.equal(supervisor.metrics, null);
  assert.equal(supervisor.health.status, 'ok');
  assert.equal(supervisor.respond('/health').status, 200);
  assert.match(supervisor.respond('/metrics').body, /aiwm_heartbeat_success_total/);
  assert.equal(supervisor.respond('/elsewhere').status, 404);

  const events = supervisor.events();
  await administer(running, 'DELETE', `/agents/${controller.agentId}`);
  await until(events, 'agentDeleted');
  const states = [];
  while (![...states, supervisor.state].includes('gone')) states.push((await until(events, 'state')).state);
  await supervisor.shutdown();
  assert.equal(supervisor.state, 'stopped');
});

test('without a controller everything is local', async (t) => {
  const envFile = join(directory(t), '.env');
  writeFileSync(envFile, 'CLAUDE_MODEL=local\nDISCORD_TOKEN=hush\n');
  const supervisor = await AiwmSupervisor.start({ envFile });
  after(t, () => supervisor.shutdown());
  assert.equal(supervisor.state, 'disabled');
  assert.deepEqual([supervisor.config.model, supervisor.config.discord.token], ['local', 'hush']);
});
