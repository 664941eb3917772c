// Compiles the TypeScript half into a directory (default: dist) and writes what ES modules import: CommonJS is the one copy, so
// that `import` and `require` in one process get the same classes.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
