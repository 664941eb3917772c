#!/usr/bin/env node
// The `agentmesh` command, which the package installs.

import { native } from './native';

declare const process: {
  argv: string[];
  exit(code: number): never;
  on(signal: string, listener: () => void): void;
  off(signal: string, listener: () => void): void;
};

const { runCommand } = native as unknown as { runCommand?: (args: string[]) => number };
if (runCommand === undefined) throw new Error('there is no command line in this build');
// Node's own handlers raise the signal once more, for a default action that is not there any more once the command listens for it:
// for ever. A listener that came and went leaves the system's default.
const nothing = (): void => {};
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, nothing);
  process.off(signal, nothing);
}
process.exit(runCommand(['agentmesh', ...process.argv.slice(2)]));
