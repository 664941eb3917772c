// Puts together what is packed: the package itself, and the one that holds the native module of this platform.
// stage.mjs DIRECTORY MODULE

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [stage, module] = process.argv.slice(2);
const { version, license, repository, engines, ...rest } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));

const libc =
  process.platform !== 'linux' ? undefined : process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
const suffix = { glibc: '-gnu', musl: '-musl' }[libc] ?? (process.platform === 'win32' ? '-msvc' : '');
const platform = `${process.platform}-${process.arch}${suffix}`;
const native = `@agentmesh/sdk-${platform}`;
const file = `agentmesh.${platform}.node`;

function write(directory, description) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(description, null, 2)}\n`);
  copyFileSync(join(here, '..', '..', 'LICENSE'), join(directory, 'LICENSE'));
}

const { devDependencies: _, scripts: __, ...published } = rest;
write(join(stage, 'sdk'), {
  ...published,
  version,
  license,
  repository,
  engines,
  optionalDependencies: { [native]: version },
});
copyFileSync(join(here, 'README.md'), join(stage, 'sdk', 'README.md'));

write(join(stage, 'platform'), {
  name: native,
  version,
  description: `The native module of @agentmesh/sdk for ${platform}`,
  license,
  repository,
  engines,
  os: [process.platform],
  cpu: [process.arch],
  ...(libc && { libc: [libc] }),
  main: file,
  files: [file],
});
copyFileSync(module, join(stage, 'platform', file));
if (process.platform === 'linux') execFileSync('strip', ['--strip-debug', join(stage, 'platform', file)]);
writeFileSync(join(stage, 'platform', 'README.md'), `The native module of [@agentmesh/sdk](https://www.npmjs.com/package/@agentmesh/sdk) for ${platform}.\n`);
