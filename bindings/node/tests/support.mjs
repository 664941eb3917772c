// What tests share.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { AgentMeshClient, MemoryStorage, Policy } from '@agentmesh/sdk';
import { Server } from '@agentmesh/sdk/testing';

/** A program or directory of the repository, as `scripts/node.sh` says it. */
export function given(variable) {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: run scripts/node.sh`);
  return value;
}

const undone = new WeakMap();

/** Undoes things after a test, the last one first: clients are closed before their server is stopped. */
export function after(t, undo) {
  if (!undone.has(t)) {
    undone.set(t, []);
    t.after(async () => {
      for (const one of undone.get(t).reverse()) await one();
    });
  }
  undone.get(t).push(undo);
}

/** A directory that is gone after the test. */
export function directory(t) {
  const made = mkdtempSync(join(tmpdir(), 'agentmesh-node-'));
  after(t, () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A server in this process. */
export async function server(t, options) {
  const running = await Server.start(options);
  after(t, () => running.stop());
  return running;
}

/** What an administrator of the controller does. */
export async function administer(running, method, path, body) {
  const answer = await fetch(running.url + path, {
    method,
    headers: { Authorization: `Bearer ${running.aiwmAdminToken}`, 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
  const text = await answer.text();
  return text ? JSON.parse(text) : undefined;
}

/** The next event of a type. */
export async function until(events, type) {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error(`no ${type} came`);
    if (value.type === type) return value;
  }
}

/** A server as people run it. */
export async function serverProcess(t, home) {
  const command = ['serve', '--listen', '127.0.0.1:0', '--data-dir', join(home, 'server')];
  const child = spawn(given('AGENTMESH_TEST_SERVER'), command, { stdio: ['ignore', 'pipe', 'pipe'] });
  after(t, async () => {
    if (child.exitCode === null) {
      child.kill();
      await once(child, 'exit');
    }
  });
  const address = await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        const found = /127\.0\.0\.1:\d+/.exec(line);
        if (found) resolve(found[0]);
      });
    }
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { registryUrl: `http://${address}/v1`, relayUrl: `ws://${address}/v1/connect` };
}

/** An agent in memory that is online, unless options say otherwise, and closed after the test. */
export async function agent(t, urls, options = {}, { close = true } = {}) {
  const client = await AgentMeshClient.create({ storage: new MemoryStorage(), policy: Policy.permissive(), ...urls, ...options });
  if (close) after(t, () => client.close());
  await client.connect();
  return client;
}

/** The next message; acknowledged, unless told otherwise. */
export async function next(messages, { ack = true } = {}) {
  const { value, done } = await messages.next();
  if (done) throw new Error('there are no more messages');
  if (ack) await value.ack();
  return value;
}
