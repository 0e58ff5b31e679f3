// Translations in step: every string of the scripts is in the template, and Catalan and Spanish say all of it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { messages, poFile, potFile, readPo, template } from './po.js';

const values = (text) => [...text.matchAll(/%(?:\.\d)?[a-z%]/g)].map(([value]) => value).sort().join(' ');

test('the template is made of the strings as they are now', () => {
  assert.equal(readFileSync(potFile, 'utf8'), template(), 'run: npm --prefix luci-app/check run template');
});

for (const language of ['ca', 'es', 'en']) {
  test(`${language}: every string is translated, and none that is gone`, () => {
    const { header, entries } = readPo(poFile(language));
    assert.match(header, new RegExp(`^Language: ${language}$`, 'm'));
    assert.match(header, /^Plural-Forms: nplurals=2; plural=\(n != 1\);$/m);
    const wanted = messages();
    const said = new Map(entries.map((entry) => [entry.id, entry]));
    assert.equal(said.size, entries.length, 'a string is there twice');
    assert.deepEqual(wanted.filter(({ id }) => !said.has(id)).map(({ id }) => id), [], 'missing');
    assert.deepEqual(entries.filter(({ id }) => !wanted.some((message) => message.id === id)).map(({ id }) => id), [], 'gone');
    for (const { id, plural } of wanted) {
      const { texts } = said.get(id);
      assert.equal(said.get(id).plural, plural, id);
      assert.equal(texts.length, plural === undefined ? 1 : 2, id);
      for (const text of texts) {
        assert.notEqual(text, '', `not translated: ${id}`);
        assert.equal(values(text), values(id), `other values than in: ${id}`);
        assert.doesNotMatch(text, /</, `HTML in: ${id}`);
      }
      if (language === 'en') assert.deepEqual(texts, plural === undefined ? [id] : [id, plural]);
    }
  });
}
