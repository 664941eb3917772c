/// <reference lib="esnext.disposable" preserve="true" />
// The package in browsers, and wherever else there is WebAssembly: the module is inside, so that no bundler has to be told of it.

import { setEngine } from '../engine';
import * as glue from './agentmesh';
import { engineOf } from './engine';
import { module } from './module';

glue.initSync({ module: Uint8Array.from(atob(module), (character) => character.charCodeAt(0)) });
setEngine(engineOf(glue as unknown as Parameters<typeof engineOf>[0]));

export * from '../api';
