// The page at http://ROUTER/truca/, which the package puts on the router's own web server: it leads to the port that
// the daemon has, under the name by which the router was reached, in the person's language.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { JSDOM } from 'jsdom';
import { root } from './paths.js';

const files = path.join(root, 'openwrt-feed/truca/files');
const read = (name) => readFileSync(path.join(files, 'www', name), 'utf8');

/** The page at this address for somebody with these languages, after its two scripts. */
function door(url, languages, port) {
  const { window } = new JSDOM(read('index.html'), { url, runScripts: 'outside-only' });
  Object.defineProperty(window.navigator, 'languages', { value: languages });
  if (port !== undefined) window.eval(`trucaPort = ${port};`);
  window.eval(read('truca.js'));
  const open = window.document.getElementById('open');
  return { open, href: open.href, language: window.document.documentElement.lang, text: window.document.body.textContent };
}

test('the link leads to the daemon under the name that brought people here', () => {
  assert.equal(door('http://10.13.1.1/truca/', ['en'], 9443).href, 'https://10.13.1.1:9443/');
  assert.equal(door('http://[fd99::1]/truca/', ['en'], 8443).href, 'https://[fd99::1]:8443/');
  // the daemon has never run, so that nobody has said which port
  const { href, open } = door('http://casa.mesh/truca/', ['en']);
  assert.deepEqual([href, open.hidden], ['https://casa.mesh:8443/', false]);
});

test('what another program has put where the port is told leads nowhere else', () => {
  assert.equal(door('http://10.13.1.1/truca/', ['en'], '"8443@evil.example/"').href, 'https://10.13.1.1:8443/');
});

test('it speaks the first language of the browser that it knows', () => {
  for (const [languages, lang, words] of [
    [['ca-ES', 'es'], 'ca', 'Obre Truca'],
    [['fr', 'es-AR', 'en'], 'es', 'Abrir Truca'],
    [['en-GB', 'ca'], 'en', 'Open Truca'],
    [['fr'], 'en', 'Open Truca'],
  ]) {
    const shown = door('http://10.13.1.1/truca/', languages, 8443);
    assert.deepEqual([shown.language, shown.open.textContent], [lang, words], languages.join());
  }
});

test('nothing runs but its own scripts, and the daemon\'s port is where the init script writes it', () => {
  const html = read('index.html');
  assert.deepEqual([...html.matchAll(/<script src="([^"]*)">/g)].map(([, src]) => src), ['port.js', 'truca.js']);
  assert.equal((html.match(/<script/g) ?? []).length, 2, 'an inline script');
  assert.ok(!/\son\w+=|style=/.test(html) && !/(?:src|href)="(?:https?:)?\/\//.test(html), 'a handler, a style, or another origin');
  const link = readFileSync(path.join(root, 'openwrt-feed/truca/manifest'), 'utf8').match(/^link \/www\/truca\/port\.js (.*)$/m)[1];
  assert.match(readFileSync(path.join(files, 'truca.init'), 'utf8'), new RegExp(`^PORT_JS=${link}$`, 'm'));
});
