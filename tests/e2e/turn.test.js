// What no hole punching solves: every router masquerades with a new random port for each flow, so that what a STUN
// server sees is of no use to anybody else; or a zone lets no UDP through at all. Then calls are relayed.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { addVideo, chat, connect, hangUp, pairs } from './lib/call.js';
import { certificate } from './lib/certificate.js';
import { Lab } from './lib/lab.js';
import { browserIn, Person, phone } from './lib/person.js';
import { stage } from './lib/stage.js';
import { until } from './lib/until.js';

describe('three routers whose masquerade gives every flow a random port', () => {
  let lab, browsers = [], anna, carla;
  const scene = stage({
    people: () => [anna, carla],
    up: async (at) => {
      lab = at.lab = await Lab.up('nat', 3, { masquerade: 'fully-random' });
      browsers = at.browsers = await Promise.all(['c1', 'c3'].map((client) => browserIn(client)));
    },
  });

  scene('people at both ends sign in', async () => {
    await lab.joined();
    anna = await (await Person.at(browsers[0], lab.node(1), 'Anna')).signIn();
    carla = await (await Person.at(browsers[1], lab.node(3), 'Carla')).signIn();
    await anna.sees(carla);
    await carla.sees(anna);
  }, { cornerstone: true });

  scene('an audio call is relayed: chat both ways, video added, hung up', async () => {
    await connect(anna, carla);
    await relayed();
    await chat(anna, carla);
    await addVideo(anna, carla);
    const before = await carried();
    await carla.hearsMore(['framesDecoded']);
    assert.ok(await carried() > before, 'the pictures go through the relays');
    await hangUp(carla, anna);
  });

  scene('where both zones let no UDP through, TCP to the own router carries it', async () => {
    await Promise.all([lab.node(1).blockUdp(), lab.node(3).blockUdp()]);
    try {
      await connect(carla, anna);
      for (const pair of await relayed()) assert.equal(pair.local, 'relay', JSON.stringify(pair));
      for (const pair of await pairs(anna, carla)) assert.equal(pair.relay, 'tcp', JSON.stringify(pair));
      await chat(carla, anna, 'by tcp');
      await hangUp(anna, carla);
    } finally {
      await Promise.all([lab.node(1).unblockUdp(), lab.node(3).unblockUdp()]);
    }
  });

  scene('relays close with their calls', async () => {
    for (const node of [lab.node(1), lab.node(3)]) {
      const { turn } = await until(`${node.name} relays nothing more`, () => node.ctl('stun'), ({ turn }) => turn.relays === 0, 10_000);
      assert.ok(turn.counters.allocated > 0 && turn.relayed_bytes > 0, JSON.stringify(turn));
    }
  });

  async function relayed() {
    const seen = await pairs(anna, carla);
    for (const { local, remote } of seen) {
      assert.ok(local === 'relay' || remote === 'relay' || remote === 'prflx', `the pairs are ${JSON.stringify(seen)}`);
    }
    assert.ok(seen.some(({ local }) => local === 'relay'), `the pairs are ${JSON.stringify(seen)}`);
    return seen;
  }

  /** Bytes that went through all relays so far. */
  async function carried() {
    const told = await Promise.all([lab.node(1), lab.node(3)].map((node) => node.ctl('stun')));
    return told.reduce((sum, { turn }) => sum + turn.relayed_bytes, 0);
  }
});

describe('two routers without translation', () => {
  let lab, browsers = [], anna, carla;
  const scene = stage({
    people: () => [anna, carla],
    up: async (at) => {
      lab = at.lab = await Lab.up('routed', 2);
      browsers = at.browsers = await Promise.all(['c1', 'c2'].map((client) => browserIn(client)));
    },
  });

  scene('who wants to hide the own address is seen only as a relay of their router', async () => {
    await lab.joined();
    anna = await (await Person.at(browsers[0], lab.node(1), 'Anna')).signIn();
    carla = await (await Person.at(browsers[1], lab.node(2), 'Carla')).signIn();
    await connect(anna, carla);
    for (const { local } of await pairs(anna, carla)) assert.notEqual(local, 'relay', 'a direct path is there');
    await hangUp(anna, carla);
    await anna.hidesAddress(true);
    await connect(anna, carla);
    const [mine, hers] = await pairs(anna, carla);
    assert.equal(mine.local, 'relay');
    assert.match(hers.remote, /^(relay|prflx)$/);
    await hangUp(anna, carla);
    await anna.hidesAddress(false);
  });
});

describe('two zones that let nothing through but the page, of a community with a certificate', () => {
  let lab, shared, browsers = [], anna, carla;
  const scene = stage({
    people: () => [anna, carla],
    up: async (at) => {
      shared = await certificate('truca.mesh');
      // what the community's name server says, and that browsers know its certificate: that one and no other
      const flags = ['--host-resolver-rules=MAP truca.mesh 192.168.1.1', `--ignore-certificate-errors-spki-list=${shared.spki}`];
      const config = `config node\n\toption certificate '${shared.certificate}'\n\toption key '${shared.key}'\n\toption community_host 'truca.mesh'\n`;
      lab = at.lab = await Lab.up('nat', 2, { config });
      browsers = at.browsers = await Promise.all(['c1', 'c2'].map((client) => browserIn(client, ...flags)));
    },
    down: () => shared?.remove(),
  });

  scene('a call is relayed over TLS through the port of the page', async () => {
    await lab.joined();
    await Promise.all([lab.node(1).blockAllButPage(), lab.node(2).blockAllButPage()]);
    const at = (i) => ({ ...lab.node(i), page: 'https://truca.mesh:8443/' });
    anna = await (await Person.at(browsers[0], at(1), 'Anna', phone, false)).signIn();
    carla = await (await Person.at(browsers[1], at(2), 'Carla', phone, false)).signIn();
    await connect(anna, carla);
    for (const pair of await pairs(anna, carla)) {
      assert.deepEqual([pair.local, pair.relay], ['relay', 'tls'], JSON.stringify(pair));
    }
    await chat(anna, carla, 'by tls');
    await addVideo(anna, carla);
    await carla.hearsMore(['framesDecoded']);
    await hangUp(carla, anna);
  });
});
