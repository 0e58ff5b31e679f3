// Translations: what the scripts and the menu say, the template made of it, and the reading of .po files.
// `npm run template` writes po/templates/truca.pot.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { app, here, resources, scripts } from './paths.js';

const STRING = /'((?:[^'\\\n]|\\.)*)'/.source;
const CALL = new RegExp(`\\b(?:_\\(\\s*${STRING}\\s*\\)|N_\\([^,]*,\\s*${STRING},\\s*${STRING}\\s*\\))`, 'g');
const plain = (text) => text.replace(/\\(.)/g, '$1');

/** Every message: `{ id, plural, where: [file] }`, in the order of the files. */
export function messages() {
  const found = new Map();
  const add = (id, plural, file) => {
    const message = found.get(id) ?? { id, plural, where: [] };
    if (!message.where.includes(file)) message.where.push(file);
    found.set(id, message);
  };
  for (const file of scripts()) {
    const source = readFileSync(path.join(resources, file), 'utf8');
    const calls = [...source.matchAll(CALL)];
    for (const [, one, id, plural] of calls) add(plain(one ?? id), plural && plain(plural), `htdocs/luci-static/resources/${file}`);
    const all = source.match(/\b(?:_|N_)\(/g)?.length ?? 0;
    if (all !== calls.length) throw new Error(`${file}: ${all - calls.length} of its _() are not of one plain string in single quotes`);
  }
  const menus = 'root/usr/share/luci/menu.d';
  for (const file of readdirSync(path.join(app, menus))) {
    for (const { title } of Object.values(JSON.parse(readFileSync(path.join(app, menus, file), 'utf8')))) add(title, undefined, `${menus}/${file}`);
  }
  const acls = 'root/usr/share/rpcd/acl.d';
  for (const file of readdirSync(path.join(app, acls))) {
    for (const { description } of Object.values(JSON.parse(readFileSync(path.join(app, acls, file), 'utf8')))) add(description, undefined, `${acls}/${file}`);
  }
  return [...found.values()];
}

const quote = (text) => JSON.stringify(text);

/** The template, as xgettext would lay it out. */
export function template() {
  const head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n';
  const entry = ({ id, plural, where }) => [
    ...where.map((file) => `#: ${file}`),
    `msgid ${quote(id)}`,
    ...(plural === undefined ? ['msgstr ""'] : [`msgid_plural ${quote(plural)}`, 'msgstr[0] ""', 'msgstr[1] ""']),
  ].join('\n') + '\n';
  return [head, ...messages().map(entry)].join('\n');
}

/** A .po file: its header as a text, and its entries `{ id, plural, texts }`. */
export function readPo(file) {
  const entries = [];
  let entry = null;
  let field = null;
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [, name, text] = /^(?:(msgid|msgid_plural|msgstr(?:\[\d\])?) )?"(.*)"$/.exec(line) ?? [];
    if (text === undefined) {
      if (line && !line.startsWith('#')) throw new Error(`${file}: cannot read: ${line}`);
      if (line.startsWith('#, fuzzy')) throw new Error(`${file}: a fuzzy entry`);
      continue;
    }
    if (name === 'msgid') entries.push((entry = {}));
    field = name ?? field;
    entry[field] = (entry[field] ?? '') + JSON.parse(`"${text}"`);
  }
  const [head, ...rest] = entries;
  if (head?.msgid !== '') throw new Error(`${file}: has no header`);
  return {
    header: head.msgstr,
    entries: rest.map(({ msgid, msgid_plural, ...texts }) => ({ id: msgid, plural: msgid_plural, texts: Object.values(texts) })),
  };
}

export const poFile = (language) => path.join(app, `po/${language}/truca.po`);
export const potFile = path.join(app, 'po/templates/truca.pot');

if (process.argv[1] === path.join(here, 'po.js')) writeFileSync(potFile, template());
