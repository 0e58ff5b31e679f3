// The daemon names warnings, decisions and sources by codes, and says each in English as well. LuCI has words of
// its own, in the owner's language, for every code that stands in the daemon's source.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root } from './paths.js';
import { luci } from './runtime.js';

const words = luci({}).load('truca/words.js');

/** Every match of a pattern in the daemon's and the core's sources, without their tests. */
function named(pattern) {
  const found = new Set();
  for (const folder of ['daemon/src', 'daemon/core/src']) {
    const files = readdirSync(path.join(root, folder), { recursive: true });
    for (const file of files.filter((name) => name.endsWith('.rs') && !name.includes('tests'))) {
      for (const [, code] of readFileSync(path.join(root, folder, file), 'utf8').matchAll(pattern)) found.add(code);
    }
  }
  return [...found].sort();
}

test('every warning has a title and says what to do', () => {
  const codes = [...named(/\bwarning\(\s*"(\w+)"/g), ...named(/\btroubles\s*\.insert\(\s*"(\w+)"/g), ...named(/\.trouble\(\s*"(\w+)"/g)];
  assert.ok(codes.length > 5, codes.join(' '));
  for (const code of codes) {
    const [title, text] = words.warning(code) ?? [];
    assert.ok(title && text, `no words for the warning ${code}`);
  }
});

test('every decision about ICE has its sentence', () => {
  const codes = named(/\bdecide\(\s*"(\w+)"/g);
  assert.ok(codes.length > 1, codes.join(' '));
  for (const code of codes) assert.ok(words.decision(code), `no words for the decision ${code}`);
});

test('every source of addresses has its name', () => {
  const codes = named(/\bSelf::\w+ => "(\w+)",/g).filter((code) => named(/"discovery" "(\w+)" =/g).includes(code));
  assert.ok(codes.includes('mdns') && codes.includes('bmx6'), codes.join(' '));
  for (const code of [...codes, 'self', 'peer', 'member', 'saved']) {
    assert.notEqual(words.source(code), `${code}?`, code);
  }
});

test('what the system said is kept beside a translated warning', () => {
  const status = (row) => ({ status: { warnings: [row] }, settings: null });
  const [known] = words.warnings(status({ code: 'no_mdns', level: 'warning', text: 'Switch mDNS off. (Operation not permitted)' }));
  assert.match(known.text, /fixed neighbour\. \(Operation not permitted\)$/);
  // the system's own brackets are within ours
  const [nested] = words.warnings(status({ code: 'certificate', level: 'warning', text: 'It cannot be used. (cannot read /a.key: Permission denied (os error 13))' }));
  assert.match(nested.text, / \(cannot read \/a\.key: Permission denied \(os error 13\)\)$/);
  const [unknown] = words.warnings(status({ code: 'of_tomorrow', level: 'info', text: 'Something new.' }));
  assert.deepEqual([unknown.level, unknown.text], ['notice', 'Something new.']);
});

test('link quality follows delay and loss', () => {
  for (const [rtt, loss, kind] of [[null, null, null], [0, null, 'good'], [300, 0, 'good'], [301, 0, 'fair'], [20, 11, 'fair'], [800, 0, 'fair'], [801, 0, 'poor'], [20, 51, 'poor'], [null, 100, 'poor']]) {
    assert.equal(words.quality(rtt, loss), kind, `${rtt} ms, ${loss} %`);
  }
});
