// The same person at any router: a second device is let in by the first, is rung where it is, goes on when the
// home router is off, and is taken out again.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { both, chat, connect, hangUp } from './lib/call.js';
import { certificate } from './lib/certificate.js';
import { Lab } from './lib/lab.js';
import { browserIn, desk, Person } from './lib/person.js';
import { stage } from './lib/stage.js';
import { until } from './lib/until.js';

describe('one person with two devices at two routers', () => {
  let lab, browsers = [], anna, phone, biel;
  const address = (person) => person.see('me').getAttribute('data-address');
  const scene = stage({
    people: () => [anna, phone, biel],
    up: async (at) => {
      lab = at.lab = await Lab.up('routed');
      browsers = at.browsers = await Promise.all(['c1', 'c2', 'c3'].map((client) => browserIn(client)));
      await lab.joined();
    },
  });

  scene('a device at another router is let in: both show one number, and one says yes', async () => {
    anna = await (await Person.at(browsers[0], lab.node(1), 'Anna', desk)).signIn();
    biel = await (await Person.at(browsers[1], lab.node(2), 'Biel')).signIn();
    await biel.sees(anna);
    phone = await Person.at(browsers[2], lab.node(3), 'Anna');
    await phone.see('link-open').click();
    await phone.see('link-name').fill('anna');
    await phone.see('link-find').click();
    await phone.see('link-choice').waitFor();
    await phone.picture('link-find');
    await phone.see('link-choice').click();
    await phone.see('link-wait').waitFor();
    await anna.see('asked').waitFor();
    await anna.picture('link-asked');
    await anna.see('asked-me').click();
    await both(phone, anna, (one) => one.see(one === phone ? 'link-number' : 'asked-number').waitFor());
    await both(phone, anna, (one) => one.picture(one === phone ? 'link-number' : 'link-same'));
    assert.equal(await phone.see('link-number').textContent(), await anna.see('asked-number').textContent());
    await anna.see('asked-yes').click();
    await phone.see('people-search').waitFor();
    assert.equal(await address(phone), await address(anna));
  }, { cornerstone: true });

  scene('both ring, and the one that answers has the call', async () => {
    await biel.rings(anna);
    await both(anna, phone, (one) => one.isRungBy(biel));
    await phone.answers();
    await both(biel, phone, (one) => one.stageIs('connected', [], 30_000));
    await both(biel, phone, (one) => one.hearsMore());
    await anna.isQuiet();
    await biel.hangsUp();
    await both(biel, phone, (one) => one.closesStage());
  });

  scene('with the home router off it signs in where it is by its key alone, and is rung there', async () => {
    await lab.node(1).kill();
    await until('n3 knows that n1 is down', () => lab.node(3).status(), (now) => now.members_alive === 2, 30_000);
    await phone.page.reload();
    await phone.see('people-search').waitFor();
    await biel.rings(anna);
    await phone.isRungBy(biel);
    await phone.answers();
    await both(biel, phone, (one) => one.stageIs('connected', [], 30_000));
    await biel.hangsUp();
    await both(biel, phone, (one) => one.closesStage());
    await lab.node(1).start();
    await lab.joined();
  });

  scene('a device that is taken out is signed out at its router at once, and stays out', async () => {
    await until('Anna is back', () => lab.node(1).status(), (now) => now.sessions >= 1, 45_000);
    await anna.see('me').click();
    await anna.see('device-remove').waitFor();
    await anna.picture('devices');
    await anna.see('device-remove').click();
    await anna.see('device-sure').click();
    await phone.see('name-error').waitFor();
    await phone.picture('taken-out');
    await phone.page.reload();
    await phone.see('name-error').waitFor();
  });
});

describe('one person with a password', () => {
  const PASSWORD = 'cavall tramvia riu Núria';
  let lab, browsers = [], anna, phone, other;
  const address = (person) => person.see('me').getAttribute('data-address');
  const code = (person, wanted) => until(`${person.name} is told ${wanted}`, () => person.see('password-said').getAttribute('data-code'), (now) => now === wanted, 20_000);
  const comes = async (person, password) => {
    await person.see('password-input').fill(password);
    await person.see('password-go').click();
  };
  const scene = stage({
    people: () => [anna, phone, other],
    up: async (at) => {
      lab = at.lab = await Lab.up('routed');
      browsers = at.browsers = await Promise.all(['c1', 'c3'].map((client) => browserIn(client)));
      await lab.joined();
    },
  });

  scene('it is set in the settings, where one that is easy to guess is not taken', async () => {
    anna = await (await Person.at(browsers[0], lab.node(1), 'Anna', desk)).signIn();
    await anna.see('me').click();
    await anna.see('password-set').click();
    await anna.see('password-input').fill('annaanna11');
    await anna.see('password-save').click();
    await until('it is called simple', () => anna.see('password-strength').getAttribute('data-strength'), (now) => now === 'simple');
    await anna.see('password-input').fill(PASSWORD);
    await until('it is called good', () => anna.see('password-strength').getAttribute('data-strength'), (now) => now === 'good');
    await anna.picture('password-new');
    await anna.see('password-save').click();
    await anna.page.locator('[data-testid="password"][data-set="true"]').waitFor();
    await anna.see('password-set').waitFor();
    await anna.picture('password-set');
    await anna.page.keyboard.press('Escape');
  }, { cornerstone: true });

  scene('a device at another router comes in by it, after a wrong one, and the first is told', async () => {
    phone = await Person.at(browsers[1], lab.node(3), 'Anna');
    await phone.see('link-open').click();
    await phone.see('link-name').fill('anna');
    await until('n3 knows of the password', async () => {
      await phone.see('link-find').click();
      await phone.see('link-choice').click();
      const way = await Promise.race(['link-by-password', 'link-wait'].map((hook) => phone.see(hook).waitFor().then(() => hook, () => '')));
      if (way === 'link-wait') await phone.see('link-back').click().then(() => phone.see('link-open').click()).then(() => phone.see('link-name').fill('anna'));
      return way;
    }, (way) => way === 'link-by-password', 20_000);
    await phone.picture('link-how');
    await phone.see('link-by-password').click();
    await comes(phone, 'cavall tramvia');
    await code(phone, 'wrong_password');
    await phone.picture('password-wrong');
    // as another keyboard composes the accent
    await comes(phone, PASSWORD.normalize('NFD'));
    await phone.see('people-search').waitFor();
    assert.equal(await address(phone), await address(anna));
    await anna.see('added').waitFor();
    await anna.picture('device-added');
    await anna.see('added-mine').click();
    await anna.see('added').waitFor({ state: 'hidden' });
  }, { cornerstone: true });

  scene('with the home router off it signs in by its key alone, and a password waits for home', async () => {
    await lab.node(1).stop(); // it saves; a power cut within a minute would lose the password
    await until('n3 knows that n1 is down', () => lab.node(3).status(), (now) => now.members_alive === 2, 30_000);
    await phone.page.reload();
    await phone.see('people-search').waitFor();
    other = await Person.at(browsers[1], lab.node(3), 'Anna');
    await other.see('link-open').click();
    await other.see('link-name').fill('anna');
    await other.see('link-find').click();
    await other.see('link-choice').click();
    await other.see('link-by-password').click();
    await comes(other, PASSWORD);
    await code(other, 'home_away');
    await lab.node(1).start();
    await lab.joined();
  });

  scene('who types a name that is taken comes in by its password, which the restarted router still knows', async () => {
    await other.leaves();
    other = await Person.at(browsers[0], lab.node(1), 'Anna');
    await other.see('name-input').fill('Anna');
    await other.see('name-submit').click();
    await other.see('name-me').click();
    await other.see('link-choice').click();
    await other.see('link-by-password').click();
    await comes(other, PASSWORD);
    await other.see('people-search').waitFor();
    assert.equal(await address(other), await address(phone));
  });

  scene('it is removed from any device, and lets in nobody any more', async () => {
    await phone.see('me').click();
    await phone.see('password-remove').click();
    await phone.see('password-sure').click();
    await phone.page.locator('[data-testid="password"][data-set="false"]').waitFor();
    await other.leaves();
    other = await Person.at(browsers[0], lab.node(1), 'Anna');
    await other.see('link-open').click();
    await other.see('link-name').fill('anna@n1');
    await other.see('link-find').click();
    await other.see('link-choice').click();
    await other.see('link-wait').waitFor();
  });
});

describe('a community whose routers all answer to one name with one certificate', () => {
  let lab, shared, browsers = [], anna, carla;
  const scene = stage({
    people: () => [anna, carla],
    up: async (at) => {
      shared = await certificate('truca.mesh');
      // What the community's name server says, and that browsers know its certificate: that one and no other.
      const flags = ['--host-resolver-rules=MAP truca.mesh 192.168.1.1', `--ignore-certificate-errors-spki-list=${shared.spki}`];
      const config = `config node\n\toption certificate '${shared.certificate}'\n\toption key '${shared.key}'\n\toption community_host 'truca.mesh'\n`;
      lab = at.lab = await Lab.up('nat', 3, { config });
      browsers = at.browsers = await Promise.all(['c1', 'c3'].map((client) => browserIn(client, ...flags)));
      await lab.joined();
    },
    down: () => shared?.remove(),
  });

  const at = (i) => ({ ...lab.node(i), page: 'https://truca.mesh:8443/' });
  const address = () => anna.see('me').getAttribute('data-address');

  scene('the gateway address leads to the name, and no browser warns', async () => {
    anna = await Person.at(browsers[0], { page: 'https://192.168.1.1:8443/' }, 'Anna', desk, false);
    await anna.see('name-input').waitFor();
    assert.equal(new URL(anna.page.url()).hostname, 'truca.mesh');
    await anna.signIn();
    carla = await (await Person.at(browsers[1], at(3), 'Carla', desk, false)).signIn();
    await both(anna, carla, (one) => one.sees(one === anna ? carla : anna));
  }, { cornerstone: true });

  scene('who walks is the same person at the next router at once, and a call goes on', async () => {
    const before = await address();
    await connect(anna, carla);
    const attached = await anna.walks('c1', 'n2', lab);
    assert.ok(attached <= 3_000, `attached again after ${attached} ms`);
    await until('n2 has her page', () => lab.node(2).status(), (now) => now.sessions === 1 && now.calls === 1, 20_000);
    assert.equal(await address(), before);
    await both(anna, carla, (one) => one.stageIs('connected', [], 30_000));
    await both(anna, carla, (one) => one.hearsMore());
    await chat(anna, carla, 'from the next router');
    await hangUp(anna, carla);
  });

  scene('with the home router off she is still herself at the next one', async () => {
    await lab.node(1).kill();
    await anna.page.reload();
    await anna.see('people-search').waitFor();
    await connect(carla, anna);
    await hangUp(carla, anna);
  });
});
