/// <reference lib="esnext.disposable" preserve="true" />
// The package in Node.

import { setEngine } from './engine';
import { native } from './native';

setEngine(native);

export * from './api';
