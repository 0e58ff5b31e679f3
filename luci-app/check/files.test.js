// What is written down in files: the menu leads to views that are there, no script makes HTML of text or runs
// what it is given, and the vendored library is the locked one.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { app, resources, scripts } from './paths.js';
import { licenceFile, moduleFile, vendored } from './vendor.js';

const read = (file) => readFileSync(path.join(app, file), 'utf8');
const menu = JSON.parse(read('root/usr/share/luci/menu.d/luci-app-truca.json'));
const acl = JSON.parse(read('root/usr/share/rpcd/acl.d/luci-app-truca.json'));

test('every entry of the menu leads to a view, and every view has an entry', () => {
  const views = Object.values(menu).filter(({ action }) => action.type === 'view').map(({ action }) => action.path);
  for (const view of views) assert.ok(existsSync(path.join(resources, `view/${view}.js`)), view);
  const files = scripts().filter((file) => file.startsWith('view/')).map((file) => file.slice(5, -3));
  assert.deepEqual(files, views.toSorted?.() ?? [...views].sort());
});

// LuCI's server says the window's title and its browser the tab, each from all catalogues together, and not in one
// order: a word that another application has translated otherwise would be two
test('the titles of the menu are nobody else\'s words', () => {
  for (const { title } of Object.values(menu)) assert.ok(title === 'Truca' || title.includes(' '), title);
});

test('the menu asks for a right that exists', () => {
  for (const { depends } of Object.values(menu)) for (const right of depends?.acl ?? []) assert.ok(acl[right], right);
});

test('no script makes HTML or code of text', () => {
  const forbidden = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|createContextualFragment|dom\.(?:content|append|parse)/;
  for (const file of scripts()) {
    const line = readFileSync(path.join(resources, file), 'utf8').split('\n').findIndex((text) => forbidden.test(text));
    assert.equal(line, -1, `${file}:${line + 1}`);
  }
});

test('what asks again does it by poll.add, through one place', () => {
  const polling = scripts().filter((file) => /\bpoll\.|setInterval/.test(readFileSync(path.join(resources, file), 'utf8')));
  assert.deepEqual(polling, ['truca/parts.js']);
});

test('the QR library is what the locked package makes', () => {
  const { module, licence } = vendored();
  assert.equal(readFileSync(moduleFile, 'utf8'), module, 'run: npm --prefix luci-app/check run vendor');
  assert.equal(readFileSync(licenceFile, 'utf8'), licence, 'run: npm --prefix luci-app/check run vendor');
});
