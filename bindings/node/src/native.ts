// Finds and loads the native module: beside this file in a checkout that was built, else in the package of the platform.

import type { Engine } from './engine';

declare const require: (id: string) => unknown;
declare const process: {
  platform: string;
  arch: string;
  report?: { getReport(): { header?: { glibcVersionRuntime?: string } } };
};

function libc(): string {
  if (process.platform !== 'linux') return process.platform === 'win32' ? '-msvc' : '';
  return process.report?.getReport().header?.glibcVersionRuntime ? '-gnu' : '-musl';
}

/** Such as `linux-x64-gnu`. */
export const platform = `${process.platform}-${process.arch}${libc()}`;

function load(): Engine {
  const places = [`./agentmesh.${platform}.node`, `@agentmesh/sdk-${platform}`];
  const problems: unknown[] = [];
  for (const place of places) {
    try {
      return require(place) as Engine;
    } catch (error) {
      problems.push(error);
    }
  }
  throw new Error(
    `@agentmesh/sdk: there is no native module for ${platform}. It comes as the optional dependency ` +
      `@agentmesh/sdk-${platform}: was it left out (--omit=optional), or node_modules copied from another machine?`,
    { cause: new AggregateError(problems) },
  );
}

export const native: Engine = load();
