// The views, in a small LuCI, over two running nodes: what the daemon says is what they show, what they press
// is what changes, and when nobody answers they say so and what to do. Every field that a view reads must be in
// the daemon's answer, and every call within the rights of the login.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { guarded } from './rights.js';
import { luci } from './runtime.js';
import { Daemon, nobody, program } from './trucad.js';

let casa, torre, nuria;
const pages = [];

before(async () => {
  casa = await Daemon.start('casa');
  torre = await Daemon.start('torre', casa);
  await casa.says(/torre .* is up/);
  nuria = await casa.signIn('nuria', 'Núria <b>');
});
afterEach(() => {
  for (const page of pages.splice(0)) page.window.close();
});
after(async () => {
  nuria?.leave();
  await torre?.stop();
  await casa?.stop();
});

/** LuCI on casa's router; `config` is the file that `trucad --check` looks at. */
function router({ may = true, config = '/dev/null', instances = { instance1: { running: true } }, call } = {}) {
  const self = {
    started: 0,
    call: async (object, method, args) => {
      if (object === 'service') return { [args.name]: { instances } };
      return call ? call(object, method, args) : casa.call(object, method, args);
    },
    exec: async (command, args) => {
      if (command === '/usr/sbin/trucad') {
        const { status, stdout, stderr } = spawnSync(program, [...args, '--config', config], { encoding: 'utf8' });
        return { code: status, stdout, stderr };
      }
      self.started += 1;
      return { code: 0 };
    },
  };
  const page = luci(guarded(self, may), { may });
  pages.push(page);
  return Object.assign(page, { self });
}

const text = (node) => node.textContent.replace(/\s+/g, ' ');
/** The row of a table that has this in it. */
function row(page, words) {
  const found = [...page.document.querySelectorAll('tr[data-key]')].find((node) => text(node).includes(words));
  assert.ok(found, `no row with "${words}" in: ${text(page.document.body)}`);
  return found;
}
const settled = () => new Promise((resolve) => setImmediate(resolve));
/** Until `look` finds something: after a press, when the daemon has answered. */
async function until(what, look) {
  const end = Date.now() + 10_000;
  for (;;) {
    const found = look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what} takes too long`);
    await settled();
  }
}

test('the overview shows the node, its people and its way in', async () => {
  const page = router();
  const shown = text(await page.show('overview'));
  const status = await casa.call('truca', 'status', {});
  for (const words of [status.node.name, status.node.id, status.fingerprint, ...status.pages, status.version]) assert.ok(shown.includes(words), words);
  // its only page is this machine's own, which a phone would look for on itself
  assert.match(status.pages[0], /localhost/);
  assert.equal(page.document.querySelector('.truca-qr'), null);
  assert.match(shown, /no phone can open its page/);
  assert.match(text(row(page, nuria.address)), /Núria <b>/);
  assert.equal(page.document.querySelector('b b'), null, 'a name became HTML');
  assert.ok(page.document.querySelectorAll('.truca-words li').length > 0, 'no decision about ICE is shown');
});

test('what phones scan leads to an address that they reach', async () => {
  const page = router({
    call: async (object, method, args) => {
      const answer = await casa.call(object, method, args);
      return method === 'status' ? { ...answer, pages: ['https://127.0.0.1:8443/', 'https://[::1]:8443/', 'https://10.13.1.1:8443/'] } : answer;
    },
  });
  await page.show('overview');
  assert.equal(page.document.querySelector('.truca-qr title').textContent, 'https://10.13.1.1:8443/');
});

test('the overview draws traffic and processor time from one answer to the next', async () => {
  let seconds = 0;
  const page = router({
    call: async (object, method, args) => {
      const answer = await casa.call(object, method, args);
      if (method === 'status') Object.assign(answer, { uptime_s: 10 * seconds++, cpu_ms: seconds * 500, traffic: { in_bytes: seconds * 20480, out_bytes: 0 } });
      return answer;
    },
  });
  await page.show('overview');
  await page.poll();
  await page.poll();
  const [busy, incoming] = [...page.document.querySelectorAll('.truca-spark polyline')].map((line) => line.getAttribute('points').split(' ').length);
  assert.deepEqual([busy, incoming], [2, 2]);
  assert.match(text(page.document.body), /5\.0 %.*2\.0 KiB\/s/);
});

test('the mesh shows both nodes, on the map and in the table', async () => {
  const page = router();
  await page.show('mesh');
  const { members } = await casa.call('truca', 'members', {});
  assert.deepEqual(members.map(({ name }) => name).sort(), ['casa', 'torre']);
  for (const { id, version } of members) assert.ok(text(row(page, id)).includes(version));
  const map = page.document.querySelector('.truca-map');
  assert.equal(map.querySelectorAll('circle').length, 2);
  assert.equal(map.querySelectorAll('line').length, 1);
  assert.deepEqual([...map.querySelectorAll('.truca-name')].map(text).sort(), ['casa', 'torre']);
});

test('a search in the mesh leaves what fits', async () => {
  const page = router();
  await page.show('mesh');
  const search = page.document.querySelector('input[type=search]');
  const rows = () => [...page.document.querySelectorAll('tr[data-key] strong')].map(text);
  for (const [wanted, left] of [['TOR', ['torre']], ['nowhere', []], ['', ['casa', 'torre']]]) {
    search.value = wanted;
    search.dispatchEvent(new page.window.Event('input'));
    assert.deepEqual(rows(), left);
  }
});

test('what did not change is not drawn again', async () => {
  const page = router();
  await page.show('mesh');
  const before_ = row(page, 'torre');
  await page.poll();
  assert.equal(row(page, 'torre'), before_);
});

test('an account is renamed and made an administrator, and the daemon knows', async () => {
  const page = router();
  await page.show('people');
  page.press('Rename', row(page, nuria.address));
  const [{ node }] = page.modals;
  node.querySelector('input').value = 'Núria de casa';
  page.press('Rename', node);
  await until('the new name', () => page.notices.includes('Renamed.') && page.document.body.textContent.includes('Núria de casa'));
  page.press('Make admin', row(page, nuria.address));
  await until('the right', () => text(row(page, nuria.address)).includes('(admin)'));
  const { accounts: [account] } = await casa.call('truca', 'accounts', { filter: 'nuria' });
  assert.deepEqual([account.display, account.admin], ['Núria de casa', true]);
  assert.equal(page.modals.length, 0);
});

test('devices are reset after a question, and the next one that takes the name has it', async () => {
  const marta = await casa.signIn('marta', 'Marta');
  const page = router();
  await page.show('people');
  page.press('Reset devices', row(page, marta.address));
  const [{ node }] = page.modals;
  page.press('Reset devices', node);
  await until('the answer', () => page.modals.length === 0);
  const devices = async () => (await casa.call('truca', 'accounts', { filter: 'marta' })).accounts.map((account) => account.devices);
  assert.deepEqual(await devices(), [0]);
  const other = await casa.signIn('marta', 'Marta');
  assert.deepEqual([other.address, await devices()], [marta.address, [1]]);
  for (const one of [marta, other]) one.leave();
});

test('a search among accounts is the router\'s', async () => {
  const page = router();
  await page.show('people');
  row(page, nuria.address);
  const search = page.document.querySelector('input[type=search]');
  search.value = 'nobody of this name';
  search.dispatchEvent(new page.window.Event('input'));
  await until('the empty table', () => ![...page.document.querySelectorAll('tr[data-key]')].some((node) => text(node).includes(nuria.address)));
});

test('somebody is kept out and let in again', async () => {
  const page = router();
  const id = nobody();
  await page.show('people');
  page.press('Keep somebody out');
  const [whom, why] = page.modals[0].node.querySelectorAll('input');
  whom.value = ` ${id} `;
  why.value = 'a trial';
  page.press('Keep out', page.modals[0].node);
  const out = await until('the ban', () => page.document.querySelector(`tr[data-key="${id}"]`));
  assert.match(text(out), /a trial/);
  assert.deepEqual((await casa.call('truca', 'bans', {})).bans.map((ban) => [ban.id, ban.reason]), [[id, 'a trial']]);
  page.press('Let in again', out);
  await until('the end of the ban', () => !page.document.querySelector(`tr[data-key="${id}"]`));
  assert.deepEqual((await casa.call('truca', 'bans', {})).bans, []);
});

test('what somebody reports is there to be read, and one press from keeping the other out', async () => {
  const soroll = await casa.signIn('soroll', 'Soroll');
  assert.ok((await nuria.ask('report', { address: soroll.address, reason: 'rings <i>at night</i>' })).ok);
  const page = router();
  await page.show('people');
  const told = row(page, 'rings <i>at night</i>');
  assert.ok(text(told).includes(soroll.address) && text(told).includes(nuria.address));
  page.press('Keep out', told);
  assert.equal(page.modals[0].node.querySelector('input').value, soroll.address);
  page.press('Keep out', page.modals[0].node);
  await until('the ban', () => page.notices.includes('Kept out from now on.'));
  assert.deepEqual((await casa.call('truca', 'bans', {})).bans.map(({ id }) => id), [soroll.address]);
  await casa.call('truca', 'unban', { id: soroll.address });
  soroll.leave();
});

test('what the daemon refuses is said, and the question stays open', async () => {
  const page = router();
  await page.show('people');
  page.press('Keep somebody out');
  const [whom] = page.modals[0].node.querySelectorAll('input');
  whom.value = 'not an id';
  const [{ node }] = page.modals;
  page.press('Keep out', node);
  await until('the answer', () => /does not take this/.test(node.textContent));
  assert.equal(page.modals.length, 1);
  assert.deepEqual((await casa.call('truca', 'bans', {})).bans, []);
});

test('deleting asks first', async () => {
  const pep = await casa.signIn('pep', 'Pep');
  const page = router();
  await page.show('people');
  page.press('Delete', row(page, pep.address));
  page.press('Cancel', page.modals[0].node);
  await until('the question to go', () => page.modals.length === 0);
  assert.equal((await casa.call('truca', 'accounts', { filter: 'pep' })).accounts.length, 1);
  page.press('Delete', row(page, pep.address));
  page.press('Delete account', page.modals[0].node);
  await until('the account to go', () => !page.document.querySelector(`tr[data-key="${pep.address}"]`));
  assert.equal((await casa.call('truca', 'accounts', { filter: 'pep' })).accounts.length, 0);
  pep.leave();
});

test('a login that may only look sees everything and can press nothing', async () => {
  for (const name of ['overview', 'mesh', 'people', 'settings']) {
    const page = router({ may: false });
    const shown = await page.show(name);
    assert.equal(shown.querySelector('.alert-message.error'), null, name);
    assert.deepEqual([...shown.querySelectorAll('button')].map(text), [], name);
  }
});

test('a login that may only look is shown the settings, and of a secret only that it is set', async () => {
  const secret = 'correct horse battery staple';
  for (const [set, words] of [[true, 'It is set'], [false, 'It is not set']]) {
    const secretive = await Daemon.start('segura', undefined, set ? `config node\n\toption name 'segura'\nconfig federation\n\toption admission 'secret'\n\toption secret '${secret}'\nconfig peer\n\toption address 'torre.mesh'\n` : '');
    try {
      const page = router({ may: false, call: (...question) => secretive.call(...question) });
      await page.show('settings');
      const [form] = page.forms;
      assert.equal(form.readonly, true);
      const field = form.sections.flatMap(({ options }) => options).find(({ option }) => option === 'secret');
      assert.equal(field.placeholder, words);
      assert.ok(!JSON.stringify(form.values).includes(secret));
      if (set) {
        assert.equal(form.values.federation.admission, 'secret');
        assert.deepEqual(form.values.peer, [{ address: 'torre.mesh' }]);
      }
    } finally {
      await secretive.stop();
    }
  }
  // who may write has the file, and with it the secret
  const page = router();
  await page.show('settings');
  assert.equal(page.forms[0].config, 'truca');
});

const gone = async () => { throw new Error('RPC call to truca/status failed with ubus code 4: Resource not found'); };

test('while the daemon does not run every view says so, offers to start it, and comes back by itself', async () => {
  for (const name of ['overview', 'mesh', 'people']) {
    let runs = false;
    const page = router({ instances: {}, call: (...question) => (runs ? casa.call(...question) : gone()) });
    const shown = await page.show(name);
    assert.match(text(shown), /Truca is not running/, name);
    page.press('Start Truca');
    await until('the start', () => page.self.started === 2);
    runs = true;
    await page.poll();
    assert.doesNotMatch(text(shown), /Truca is not running/, name);
    assert.ok(shown.querySelector('.cbi-section').parentNode.style.display !== 'none', name);
  }
});

test('settings that keep the daemon from starting are shown in its own words', async () => {
  const page = router({ config: '/dev/zero', instances: {}, call: gone });
  const said = spawnSync(program, ['--check', '--config', '/dev/zero'], { encoding: 'utf8' }).stderr.trim();
  assert.ok(said, 'the daemon takes /dev/zero for a configuration');
  const shown = text(await page.show('overview'));
  assert.ok(shown.includes(said.replace(/\s+/g, ' ')), shown);
  assert.match(shown, /Open the settings/);
});

test('settings that a running daemon does not follow are a warning', async () => {
  const page = router({ config: '/dev/zero' });
  assert.match(text(await page.show('overview')), /The settings on disk have a mistake/);
});

for (const [error, words] of [
  ['failed with error -32002: Access denied', /may not look/],
  ['failed with error -32000: Object not found', /Truca is starting/],
  ['failed with ubus code 3: Method not found', /different versions/],
  ['failed with ubus code 7: Request timeout', /does not answer/],
  ['failed with HTTP error 502: Bad Gateway', /HTTP error 502/],
]) {
  test(`"${error}" is put in words`, async () => {
    const page = router({ call: async () => { throw new Error(`RPC call to truca/status ${error}`); } });
    assert.match(text(await page.show('overview')), words);
  });
}

test('an answer that was overtaken is not shown', async () => {
  const late = [];
  const page = router({
    call: async (object, method, args) => {
      if (args.filter === 'n') await new Promise((resolve) => late.push(resolve));
      return casa.call(object, method, args);
    },
  });
  await page.show('people');
  row(page, nuria.address);
  const search = page.document.querySelector('input[type=search]');
  for (const wanted of ['n', 'nobody']) {
    search.value = wanted;
    search.dispatchEvent(new page.window.Event('input'));
  }
  await until('the second answer', () => !page.document.querySelector(`tr[data-key="${nuria.address}"]`));
  late.forEach((resolve) => resolve());
  await page.poll();
  await settled();
  assert.equal(page.document.querySelector(`tr[data-key="${nuria.address}"]`), null);
});
