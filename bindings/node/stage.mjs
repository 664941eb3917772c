// Puts together what is packed: the package itself, and the one that holds the native module of a platform.
// stage.mjs DIRECTORY MODULE [PLATFORM]
//
// Without PLATFORM, such as linux-x64-musl, it is this machine's, and the package depends on that one only: for tests. With it, the
// package depends on those of all platforms: for npm.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [stage, module, given] = process.argv.slice(2);
const { version, license, repository, engines, ...rest } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));

/** As `src/native.ts` names them. */
const PLATFORMS = [
  'linux-x64-gnu', 'linux-arm64-gnu', 'linux-x64-musl', 'linux-arm64-musl',
  'darwin-x64', 'darwin-arm64', 'win32-x64-msvc', 'win32-arm64-msvc',
];
const suffix = {
  linux: process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime ? '-gnu' : '-musl',
  win32: '-msvc',
}[process.platform] ?? '';
const platform = given ?? `${process.platform}-${process.arch}${suffix}`;
if (given !== undefined && !PLATFORMS.includes(given)) throw new Error(`${given} is none of ${PLATFORMS.join(', ')}`);
const [os, cpu, abi] = platform.split('-');
const libc = { gnu: 'glibc', musl: 'musl' }[abi];
const packageOf = (name) => `@agentmesh/sdk-${name}`;
const native = packageOf(platform);
const file = `agentmesh.${platform}.node`;

function write(directory, description) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(description, null, 2)}\n`);
  copyFileSync(join(here, '..', '..', 'LICENSE'), join(directory, 'LICENSE'));
}

const { devDependencies: _, scripts: __, ...published } = rest;
// Built without the WebAssembly module, the package is for Node only.
if (!existsSync(join(stage, 'sdk', 'dist', 'web'))) {
  for (const [how, { types, node }] of Object.entries(published.exports['.'])) published.exports['.'][how] = { types, node };
}
write(join(stage, 'sdk'), {
  ...published,
  version,
  license,
  repository,
  engines,
  ...(module !== undefined && {
    optionalDependencies: Object.fromEntries((given === undefined ? [platform] : PLATFORMS).map((name) => [packageOf(name), version])),
  }),
});
copyFileSync(join(here, 'README.md'), join(stage, 'sdk', 'README.md'));

// Without a module there is only the package itself.
if (module === undefined) process.exit();

write(join(stage, 'platform'), {
  name: native,
  version,
  description: `The native module of @agentmesh/sdk for ${platform}`,
  license,
  repository,
  engines,
  os: [os],
  cpu: [cpu],
  ...(libc && { libc: [libc] }),
  main: file,
  files: [file],
});
copyFileSync(module, join(stage, 'platform', file));
if (os === 'linux' && process.platform === 'linux' && cpu === process.arch) execFileSync('strip', ['--strip-debug', join(stage, 'platform', file)]);
writeFileSync(join(stage, 'platform', 'README.md'), `The native module of [@agentmesh/sdk](https://www.npmjs.com/package/@agentmesh/sdk) for ${platform}.\n`);
