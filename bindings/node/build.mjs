// Compiles the TypeScript half into a directory (default: dist) and writes what ES modules import: CommonJS is the one copy, so
// that `import` and `require` in one process get the same classes. With a third argument, the directory that `scripts/wasm.sh module`
// fills, also the package for workers and browsers, which is ES modules only.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, 'dist'));
// Tools may be elsewhere: a build need not write into the checkout.
const tools = resolve(process.argv[3] ?? here);

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
execFileSync(join(tools, 'node_modules/.bin/tsc'), ['-p', join(here, 'tsconfig.json'), '--outDir', out], { stdio: 'inherit' });

/** The values that a file of TypeScript exports by name, also through other files. */
function exported(file) {
  const text = readFileSync(join(here, 'src', `${file}.ts`), 'utf8');
  const names = [...text.matchAll(/^export \{([^}]*)\} from/gms)].flatMap((found) => found[1].split(','));
  names.push(...[...text.matchAll(/^export (?:class|const|async function|function) (\w+)/gm)].map((found) => found[1]));
  for (const all of text.matchAll(/^export \* from '\.\/(\w+)'/gm)) names.push(...exported(all[1]));
  return names.map((name) => name.trim()).filter(Boolean);
}

const services = ['signaling', 'agent-ws', 'aiwm', 'user-data'].map((name) => `services/${name}`);
for (const entry of ['index', 'testing', ...services]) {
  const names = exported(entry).sort();
  writeFileSync(join(out, `${entry}.mjs`), `import cjs from './${basename(entry)}.js';\nexport const { ${names.join(', ')} } = cjs;\n`);
  writeFileSync(join(out, `${entry}.d.mts`), `export * from './${basename(entry)}.js';\n`);
}

/** What browsers import says which file it means. */
function nameFiles(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) nameFiles(path);
    else {
      const text = readFileSync(path, 'utf8');
      writeFileSync(path, text.replace(/(from|import) '(\.{1,2}\/\w+)';/g, "$1 '$2.js';"));
    }
  }
}

const wasm = process.argv[4];
if (wasm !== undefined) {
  const web = join(out, 'web');
  execFileSync(join(tools, 'node_modules/.bin/tsc'), ['-p', join(here, 'tsconfig.wasm.json'), '--outDir', web], { stdio: 'inherit' });
  nameFiles(web);
  writeFileSync(join(web, 'package.json'), '{"type": "module"}\n');
  const place = join(web, 'wasm');
  copyFileSync(join(wasm, 'agentmesh.js'), join(place, 'agentmesh.js'));
  copyFileSync(join(wasm, 'agentmesh_bg.wasm'), join(place, 'agentmesh.wasm'));
  const text = readFileSync(join(wasm, 'agentmesh_bg.wasm')).toString('base64');
  writeFileSync(join(place, 'module.js'), `export const module = '${text}';\n`);
}
