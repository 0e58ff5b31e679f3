// `npm run types`: tsc over the views. Each is put into a module, on the line where it was, with an import for
// what it requires; so a class that is used and not required is an error as well.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileOf, readModule } from './module.js';
import { here, resources, scripts } from './paths.js';

const out = path.join(here, 'build/types');
rmSync(out, { recursive: true, force: true });
for (const file of scripts()) {
  const { source, needs } = readModule(file);
  const up = '../'.repeat(file.split('/').length - 1);
  const head = needs.map(({ name, as }) => {
    const ours = fileOf(name);
    return ours ? `import ${as} from './${up}${ours}';` : `const ${as} = LuCI.${name};`;
  });
  mkdirSync(path.dirname(path.join(out, file)), { recursive: true });
  writeFileSync(path.join(out, file), `${head.join(' ')} export default (() => { ${source}\n})();\n`);
}
writeFileSync(path.join(out, 'truca/qr.d.ts'), `import { correction, generate } from 'lean-qr/nano';
declare const qr: { correction: typeof correction; generate: typeof generate };
export default qr;
`);
for (const file of ['luci.d.ts', 'answers.d.ts']) cpSync(path.join(here, file), path.join(out, file));

try {
  execFileSync(process.execPath, [path.join(here, 'node_modules/typescript/bin/tsc'), '--project', here], { stdio: 'pipe' });
  console.log(`types: ${scripts().length} scripts ... ok`);
} catch (error) {
  const text = `${error.stdout ?? ''}${error.stderr ?? ''}`;
  console.error(text.replaceAll('build/types/', path.relative(process.cwd(), resources) + '/') || error);
  process.exitCode = 1;
}
