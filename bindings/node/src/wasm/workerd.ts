/// <reference lib="esnext.disposable" preserve="true" />
// The package in Cloudflare's runtime, which compiles modules when it is given them and at no other time.

import { env } from 'cloudflare:workers';
import { setEngine } from '../engine';
import { setVariables } from '../key';
import * as glue from './agentmesh';
import module from './agentmesh.wasm';
import { engineOf } from './engine';

glue.initSync({ module });
setVariables((name) => {
  const value = (env as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : undefined;
});
setEngine(engineOf(glue as unknown as Parameters<typeof engineOf>[0]));

export * from '../api';
