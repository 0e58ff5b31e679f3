// Puts lean-qr, as npm brings it, into a module as LuCI loads them. `npm run vendor` writes it; a test says
// when what is committed is not what this makes of the locked version.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { app, here } from './paths.js';

const lean = path.join(here, 'node_modules/lean-qr');
const read = (file) => readFileSync(path.join(lean, file), 'utf8');

/** The module and the licence that goes with it. */
export function vendored() {
  const { version } = JSON.parse(read('package.json'));
  const licence = read('LICENSE');
  const copyright = /^Copyright .*$/m.exec(licence)[0];
  const [whole, exported] = /export\{([^}]*)\};?\s*$/.exec(read('nano.mjs'));
  const names = exported.split(',').map((pair) => pair.split(' as ').reverse().join(': ')).join(', ');
  const code = read('nano.mjs').slice(0, -whole.length);
  return {
    module: `'use strict';
'require baseclass';

/*
 * QR codes: "nano" of lean-qr ${version}, unchanged but for how it is loaded; made by luci-app/check/vendor.js.
 * ${copyright}. MIT licence: /usr/share/licenses/luci-app-truca/lean-qr.txt
 */

${code}
return baseclass.extend({ ${names} });
`,
    licence: `lean-qr ${version}, in /www/luci-static/resources/truca/qr.js\n\n${licence}`,
  };
}

export const moduleFile = path.join(app, 'htdocs/luci-static/resources/truca/qr.js');
export const licenceFile = path.join(app, 'root/usr/share/licenses/luci-app-truca/lean-qr.txt');

if (process.argv[1] === path.join(here, 'vendor.js')) {
  const { module, licence } = vendored();
  writeFileSync(moduleFile, module);
  writeFileSync(licenceFile, licence);
}
