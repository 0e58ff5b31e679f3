// po2lmo.mjs IN.po OUT.lmo: a gettext catalogue as LuCI reads it, like LuCI's own po2lmo.
//
// The file: the translations, each padded to four bytes; then an entry for each, sorted by the key's hash (hash,
// number of plural forms, offset, length; big-endian); last, where the entries begin. A key is the msgid, with
// `context \1` before it and `\2 number` behind it where there is a context or a plural. The entry with key 0 is
// the plural formula. The hash is Paul Hsieh's SuperFastHash, seeded with the length. Escapes stay as they stand
// in the .po, apart from \" and \\: that is what LuCI looks up, and why texts for LuCI have no others.
import { readFileSync, writeFileSync } from 'node:fs';

function hash(bytes) {
  if (bytes.length === 0) return 0;
  let h = bytes.length >>> 0;
  const u16 = (at) => bytes[at] | (bytes[at + 1] << 8);
  const i8 = (at) => (bytes[at] << 24) >> 24;
  const mix = (shift) => { h = (h + (h >>> shift)) >>> 0; };
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    h = (h + u16(at)) >>> 0;
    h = ((h << 16) ^ ((u16(at + 2) << 11) ^ h)) >>> 0;
    mix(11);
  }
  switch (bytes.length - at) {
    case 3:
      h = (h + u16(at)) >>> 0;
      h = (h ^ (h << 16)) >>> 0;
      h = (h ^ (i8(at + 2) << 18)) >>> 0;
      mix(11);
      break;
    case 2:
      h = (h + u16(at)) >>> 0;
      h = (h ^ (h << 11)) >>> 0;
      mix(17);
      break;
    case 1:
      h = (h + i8(at)) >>> 0;
      h = (h ^ (h << 10)) >>> 0;
      mix(1);
  }
  for (const [left, right] of [[3, 5], [4, 17], [25, 6]]) {
    h = (h ^ (h << left)) >>> 0;
    mix(right);
  }
  return h;
}

/** The catalogue's messages: {msgctxt, msgid, msgid_plural, msgstr: [...]}; obsolete ones (#~) are left out. */
function messages(text) {
  const all = [];
  let now = {}, field = null, form = 0;
  const finish = () => {
    if (now.msgid !== undefined) all.push(now);
    now = {};
  };
  for (const line of text.split('\n')) {
    const match = /^(?:(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d)\])?\s+)?"(.*)"\s*$/.exec(line);
    if (!match) continue;
    const [, keyword, number, raw] = match;
    const words = raw.replace(/\\(["\\])/g, '$1');
    if (keyword) {
      if ((keyword === 'msgctxt' || keyword === 'msgid') && now.msgstr) finish();
      field = keyword;
      form = Number(number ?? 0);
      if (keyword === 'msgstr') (now.msgstr ??= [])[form] = '';
      else now[keyword] = '';
    }
    if (field === 'msgstr') now.msgstr[form] += words;
    else if (field) now[field] += words;
  }
  finish();
  return all;
}

const [, , input, output] = process.argv;
if (!input || !output) {
  console.error('usage: po2lmo.mjs IN.po OUT.lmo');
  process.exit(2);
}
const texts = [];
const entries = [];
let offset = 0;
const add = (key, forms, text) => {
  const bytes = Buffer.from(text);
  const padded = Buffer.alloc(Math.ceil(bytes.length / 4) * 4);
  bytes.copy(padded);
  texts.push(padded);
  entries.push([key, forms, offset, bytes.length]);
  offset += padded.length;
};
for (const { msgctxt, msgid, msgid_plural: plural, msgstr } of messages(readFileSync(input, 'utf8'))) {
  if (msgid === '') {
    const formula = msgstr[0].split('\\n').find((header) => /^plural-forms: /i.test(header));
    if (formula) add(0, 0, formula.slice('Plural-Forms: '.length));
    continue;
  }
  msgstr.forEach((text, form) => {
    // not translated: LuCI shows the key
    if (text === '') return;
    const key = `${msgctxt ? `${msgctxt}\x01` : ''}${msgid}${plural ? `\x02${form}` : ''}`;
    const [id, value] = [hash(Buffer.from(key)), hash(Buffer.from(text))];
    if (id !== value) add(id, msgstr.length, text);
  });
}
entries.sort(([a], [b]) => a - b);
const index = Buffer.alloc(entries.length * 16 + 4);
entries.forEach((entry, at) => entry.forEach((value, part) => index.writeUInt32BE(value >>> 0, at * 16 + part * 4)));
index.writeUInt32BE(offset, entries.length * 16);
// nothing is translated: no file, as po2lmo does
if (offset > 0) writeFileSync(output, Buffer.concat([...texts, index]));
