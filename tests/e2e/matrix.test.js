// Must connect: a call in every network that routers make, between real browsers, with the path that media takes
// and the time from the click on "answer" until both pages are connected.

import assert from 'node:assert/strict';
import { after, describe } from 'node:test';
import { both, connectTimed, hangUp } from './lib/call.js';
import { Lab } from './lib/lab.js';
import { Matrix, seen } from './lib/matrix.js';
import { browserIn, Person } from './lib/person.js';
import { stage } from './lib/stage.js';

const NO_TURN = "config turn\n\toption enabled '0'\n";
const matrix = new Matrix();
after(() => matrix.write());

/** A lab with a browser on each LAN, and a person in each browser. */
function mesh(title, mode, how, names, rows) {
  describe(title, () => {
    let lab, browsers = [];
    const people = [];
    const scene = stage({
      people: () => people,
      up: async (at) => {
        lab = at.lab = await Lab.up(mode, names.length, how);
        browsers = at.browsers = await Promise.all(names.map((_, i) => browserIn(`c${i + 1}`)));
        await lab.joined();
      },
    });

    scene('people sign in and see each other', async () => {
      people.push(...await Promise.all(names.map(async (name, i) => (await Person.at(browsers[i], lab.node(i + 1), name)).signIn())));
      for (const one of people) for (const other of people) if (one !== other) await one.sees(other);
    }, { cornerstone: true });

    rows(scene, { lab: () => lab, browsers: () => browsers, people });
  });
}

mesh('routed LANs', 'routed', { name: 'matrix-routed' }, ['Anna', 'Biel', 'Carla'], (scene, { lab, browsers, people }) => {
  scene('routed', async () => {
    const [anna, , carla] = people;
    for (const { types } of await matrix.row('routed', 'routed', [anna, carla], 'direct')) {
      for (const pair of types) assert.match(pair, /^host-(host|prflx)$/, 'nothing translates');
    }
  });

  scene('three people, each with two devices, all call each other at the same time', async () => {
    // A device that is in a call is busy: each person takes the second one for the second call
    const second = await Promise.all(people.map(async (one, i) => (await Person.at(browsers()[i], lab().node(i + 1), `${one.name}2`)).signIn()));
    const pairs = people.map((one, i) => [one, second[(i + 1) % 3]]);
    try {
      const times = await Promise.all(pairs.map(([caller, callee]) => connectTimed(caller, callee)));
      const paths = await Promise.all(pairs.map(([caller, callee]) => seen(caller, callee)));
      for (const { kind, words } of paths) assert.equal(kind, 'direct', words);
      // All three at once, not one after the other
      for (const pair of pairs) await both(...pair, (one) => one.hearsMore());
      matrix.add('mesh-of-three', 'three people in a full mesh, three calls at once', times, paths);
      for (const [caller, callee] of pairs) await hangUp(caller, callee);
    } finally {
      for (const one of second) await one.leaves();
    }
  });
});

mesh('the same LAN behind every router', 'nat', { name: 'matrix-nat' }, ['Anna', 'Biel', 'Carla'], (scene, { lab, people }) => {
  const ends = () => [people[0], people[2]];
  const relayed = (subject, network) => matrix.row(subject, network, ends(), 'relayed');
  const direct = (subject, network) => matrix.row(subject, network, ends(), 'direct');

  scene('masquerade, stray UDP dropped', () => direct('nat-drop', 'masquerade, stray UDP dropped'));

  scene('masquerade, stray UDP rejected', async () => {
    await lab().set({ INPUT: 'reject' });
    await direct('nat-reject', 'masquerade, stray UDP rejected');
  });

  scene('masquerade, stray UDP accepted: the first check may spoil the way, and a relay is there', async () => {
    await lab().set({ INPUT: 'accept' });
    await matrix.row('nat-accept', 'masquerade, stray UDP accepted, without the firewall rules of the package', ends(), null);
  });

  scene('masquerade, stray UDP accepted by the owner, but not to ports of clients: the package sees to that', async () => {
    const routers = [lab().node(1), lab().node(3)];
    await Promise.all(routers.map((router) => router.firewall('open')));
    await direct('nat-accept-rules', 'masquerade, stray UDP accepted, with the firewall rules of the package');
    await Promise.all(routers.map((router) => router.firewall('close')));
  });

  scene('a client behind a router with two mesh interfaces', async () => {
    await lab().set();
    const [anna, biel, carla] = people;
    for (const [name, other] of [['west', anna], ['east', carla]]) {
      await matrix.row(`two-sides-${name}`, `masquerade, client between two mesh interfaces, called from the ${name}`, [biel, other], 'direct');
    }
  });

  scene('random ports on one side', async () => {
    await lab().set({ MASQ: 'fully-random' }, ['n1']);
    await matrix.row('fully-random-one', '`fully-random` masquerade on one side', ends(), null);
  });

  scene('random ports on both sides', async () => {
    await lab().set({ MASQ: 'fully-random' });
    await relayed('fully-random', '`fully-random` masquerade on both sides');
    await lab().set({ MASQ: 'random' });
    await relayed('random', '`random` masquerade on both sides');
  });

  scene('random ports on both sides, and only one router relays', async () => {
    await lab().node(3).configure(NO_TURN);
    await relayed('turn-one', '`random` masquerade, TURN on one side only');
    await lab().node(3).configure('');
    await lab().set();
  });

  scene('no UDP to the router or across it: 3478/tcp is what is left', async () => {
    await Promise.all([lab().node(1).blockUdp(), lab().node(3).blockUdp()]);
    try {
      for (const { words } of await relayed('no-udp', 'masquerade, UDP blocked on both sides: only 3478/tcp')) assert.match(words, /both routers, tcp/);
    } finally {
      await Promise.all([lab().node(1).unblockUdp(), lab().node(3).unblockUdp()]);
    }
  });
});

mesh('unique local addresses beside the masquerade', 'nat', { name: 'matrix-v6', switches: { V6: '1' } }, ['Anna', 'Biel'], (scene, { lab, people }) => {
  scene('IPv6 carries it, without translation', async () => {
    for (const { family, types } of await matrix.row('ula', 'IPv6 unique local addresses, IPv4 masqueraded', people, 'direct')) {
      assert.equal(family, 'IPv6');
      for (const pair of types) assert.match(pair, /^host-(host|prflx)$/);
    }
  });

  scene('and where ports of IPv4 are random too', async () => {
    await lab().set({ MASQ: 'fully-random' });
    await matrix.row('ula-random', 'the same with `fully-random` masquerade', people, 'direct');
  });
});

mesh('a router on the way that masquerades what crosses it', 'nat', { name: 'matrix-transit', firewall: [{ MASQALL: '1' }, ['n2']] }, ['Anna', 'Biel', 'Carla'], (scene, { people }) => {
  scene('translated twice', () => matrix.row('transit', 'masquerade, and once more by a router on the way', [people[0], people[2]], 'direct'));
});

mesh('the same address on both clients', 'nat', { name: 'matrix-same', switches: { SAMEIP: '1' } }, ['Anna', 'Biel'], (scene, { people }) => {
  scene('both are 192.168.1.100', () => matrix.row('same-address', 'masquerade, both clients 192.168.1.100', people, 'direct'));
});
