// The daemon's tables are the truth: docs/ubus.json for methods, docs/options.json for options. What LuCI
// declares, asks rights for and offers to set must be in them, and the values that the settings let through
// must be values that `trucad --check` lets through.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { root } from './paths.js';
import { acl } from './rights.js';
import { luci } from './runtime.js';
import { program } from './trucad.js';

const document = (name) => JSON.parse(readFileSync(path.join(root, 'docs', name), 'utf8'));
const { object, methods } = document('ubus.json');
const { options } = document('options.json');
const nobody = { call: async () => ({}), exec: async () => ({ code: 0 }) };

const page = luci(nobody);
page.load('truca/daemon.js');
const own = page.declared.filter((call) => call.object === object);

test('every declared call is a method, with its arguments', () => {
  for (const { method, params, reject } of own) {
    const row = methods.find(({ name }) => name === method);
    assert.ok(row, `the daemon has no method ${method}`);
    const names = row.arguments.map(({ name }) => name);
    for (const param of params) assert.ok(names.includes(param), `${method} has no argument ${param}`);
    for (const { name, required } of row.arguments) assert.ok(!required || params.includes(name), `${method} needs ${name}`);
    assert.equal(reject, true, `${method} hides its errors`);
  }
});

test('rights are asked for what is called, apart for reading and for writing', () => {
  for (const access of ['read', 'write']) {
    const wanted = own.map(({ method }) => method).filter((method) => methods.find(({ name }) => name === method)?.access === access);
    assert.deepEqual(acl[access].ubus[object], wanted.sort(), access);
  }
  for (const { object: other, method } of page.declared.filter((call) => call.object !== object)) {
    assert.ok(acl.read.ubus[other]?.includes(method), `${other}.${method}`);
  }
});

await page.show('settings');
const fields = page.forms[0].sections.flatMap(({ kind, options: rows }) => rows.map((field) => Object.assign(field, { section: kind })));
const fieldOf = ({ section, option }) => fields.find((field) => field.section === section && field.option === option);

test('the settings have every option once, and no other', () => {
  const names = (rows) => rows.map(({ section, option }) => `${section}.${option}`).sort();
  assert.equal(page.forms[0].config, 'truca');
  assert.deepEqual(names(fields), names(options));
});

test('every option is shown as what it is, with its default and with help', () => {
  for (const row of options) {
    const field = fieldOf(row);
    const name = `${row.section}.${row.option}`;
    const type = row.list ? 'DynamicList' : { boolean: 'Flag', word: 'ListValue' }[row.type] ?? 'Value';
    assert.equal(field.type, type, name);
    assert.equal(field.type === 'Flag' || field.type === 'ListValue' ? field.default : field.placeholder, row.default, `${name}: default`);
    if (row.type === 'word') assert.deepEqual(Object.keys(field.values), row.words, name);
    assert.equal(field.password ?? false, row.secret, `${name}: secret`);
    assert.ok(field.title && field.help, `${name}: help`);
    assert.equal(field.help.includes('Changing it restarts Truca.'), row.restart, `${name}: restart`);
  }
});

test('what is as it is by default is not saved as a value', () => {
  const [form] = page.forms;
  for (const field of fields.filter(({ type }) => type === 'ListValue')) {
    const other = Object.keys(field.values).find((word) => word !== field.default);
    field.write('id', other);
    assert.deepEqual(form.saved, { [`id.${field.option}`]: other });
    field.write('id', field.default);
    assert.deepEqual(form.saved, {}, field.option);
  }
  // LuCI does the same for switches by itself, which have their default and no write of our own
  for (const field of fields.filter(({ type }) => type === 'Flag')) assert.ok(field.default && !Object.hasOwn(field, 'write'));
});

test('the settings are tabs, not one long page', () => {
  assert.equal(page.forms[0].tabbed, true);
});

const secrets = options.filter(({ secret }) => secret);

test('no right to look is a right to read a secret, those of later options too', () => {
  assert.ok(secrets.length > 0);
  // rpcd's rights to a configuration are to all of it
  assert.equal(acl.read.uci, undefined);
  assert.deepEqual(acl.write.uci, { truca: ['read', 'write'] });
  const execs = Object.keys(acl.read.file);
  assert.deepEqual(execs, ['/usr/sbin/trucad --check'], 'what else is run must tell no secret');
});

const directory = mkdtempSync(path.join(tmpdir(), 'truca-luci-values-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** Whether the daemon takes these values of a section. */
function takes(section, values) {
  const file = path.join(directory, 'truca');
  const lines = Object.entries(values).map(([option, value]) => {
    const { list } = options.find((row) => row.section === section && row.option === option);
    return `\t${list ? 'list' : 'option'} ${option} '${value.replaceAll("'", `'\\''`)}'\n`;
  });
  writeFileSync(file, `config ${section}\n${lines.join('')}`);
  // 3: it starts, without the certificate, which is not here
  return [0, 3].includes(spawnSync(program, ['--config', file, '--check']).status);
}

// What an option cannot be without
const COMPANIONS = {
  'node.certificate': { key: '/etc/truca/a.key' },
  'node.key': { certificate: '/etc/truca/a.crt' },
  'node.community_host': { certificate: '/etc/truca/a.crt', key: '/etc/truca/a.key' },
  'peer.port': { address: '10.0.0.1' },
  'peer.id': { address: '10.0.0.1' },
};

// What people type, and what somebody would who wants to break something
const VALUES = [
  '0', '1', '7', '80', '00080', '8443', '65535', '65536', '4294967296', '-1', '+1', '1.5', '0x10', '1e3', ' 1', '1 ', '٣',
  'casa', 'Casa', 'casa vella', 'casa.mesh', '-casa', '.casa', '_casa', 'cas@', 'ç', 'a'.repeat(32), 'a'.repeat(33), 'a'.repeat(254),
  '0.0.0.0', '10.1.2.3', '10.1.2', '010.1.2.3', '10.1.2.256', '10.1.2.3.4', '10.1.2.3/8', '127.0.0.1', '224.0.0.1', '239.255.255.255', '255.255.255.255', '240.0.0.1',
  '::', '::1', 'fe80::1', 'fe80::1%eth0', 'fd00:0:0::1', 'FD00::1', 'ff02::1', 'ff::1', '::ffff:10.1.2.3', '::ffff:224.0.0.1', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8:9', '[::1]', ':::', 'fd00::1::2',
  '127.0.0.1:2009', '[::1]:30003', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:', '127.0.0.1:00053', '[127.0.0.1]:80', '::1:80', 'localhost:53', '[fe80::1%eth0]:53',
  '10.0.0.0/0', '10.0.0.0/08', '10.0.0.0/32', '10.0.0.0/33', '10.0.0.0/', '10.0.0/8', 'fd00::/64', 'fd00::/128', 'fd00::/129', 'fd00::/64/64',
  'a2345672345672345672345672', 'aaqqeayeaudaocajbifqydiob4', 'aaaqeayeaudaocajbifqydiob4', 'AAAQEAYEAUDAOCAJBIFQYDIOB4', 'aaaqeayeaudaocajbifqydiobz', 'aaaqeayeaudaocajbifqydiob',
  '24576-24831', '1024-65535', '5000-5000', '1023-2000', '3000-2000', '1024-65536', '1024-', '-1024', '1024-2048-4096',
  '/etc/truca', '/', 'truca', '/etc/with space', "/etc/o'hara", '/etc/"x"', '/etc/ç',
];

for (const row of options.filter(({ type }) => type === 'string' || type === 'number')) {
  test(`${row.section}.${row.option}: what the settings let through, the daemon takes`, () => {
    const { validate } = fieldOf(row);
    const company = COMPANIONS[`${row.section}.${row.option}`] ?? {};
    for (const field of fields) field.typed = field.section === row.section ? company[field.option] ?? '' : '';
    const taken = (value) => takes(row.section, { [row.option]: value, ...company });
    const passes = (value) => {
      const said = validate('id', value);
      assert.ok(said === true || (typeof said === 'string' && said), `${JSON.stringify(value)}: ${said}`);
      return said === true;
    };
    const edges = row.type === 'number' ? [row.min, row.max, row.min - 1, row.max + 1, 0].map(String) : [];
    const through = [...VALUES, ...edges].filter(passes);
    for (const value of through) assert.ok(taken(value), `${JSON.stringify(value)} is refused by the daemon`);
    assert.ok(through.length > 0 && through.length < VALUES.length, 'the check tells nothing apart');
    for (const value of row.default.split(' ').filter(Boolean)) assert.ok(passes(value), `the default, ${value}`);
    // The other way round for numbers, which are easy: nothing that the daemon takes is kept from the owner
    for (const value of edges.filter(taken)) assert.ok(passes(value), `${value} is kept from the owner`);
    for (const field of fields) field.typed = '';
    assert.equal(validate('id', ''), true, 'an empty field is the default');
  });
}

test('what does not fit together is said before it is saved', () => {
  for (const values of [
    { port: '8080' }, { port: '3478' }, { http_port: '8443' }, { stun_port: '08443' },
    { port: '9000', http_port: '9000' }, { port: '9000', http_port: '8443', stun_port: '0' }, { http_port: '0', stun_port: '0' },
    { certificate: '/a.crt' }, { key: '/a.key' }, { community_host: 'truca.mesh' }, { community_host: 'truca.mesh', certificate: '/a.crt', key: '/a.key' }, { certificate: '/a.crt', key: '/a.key' },
  ]) {
    for (const field of fields) field.typed = (field.section === 'node' && values[field.option]) || '';
    const said = fields.filter((field) => field.section === 'node' && field.validate).map((field) => field.validate('id', field.typed));
    assert.equal(said.every((answer) => answer === true), takes('node', values), JSON.stringify({ values, said }));
  }
});
