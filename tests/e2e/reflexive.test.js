// What the own router says of how the mesh sees its clients: said where it is true, taken back when it is not.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { chat, connect, hangUp, pairs } from './lib/call.js';
import { Lab } from './lib/lab.js';
import { browserIn, Person } from './lib/person.js';
import { stage } from './lib/stage.js';

const NO_TURN = "config turn\n\toption enabled '0'\n";
const OFF = `${NO_TURN}config ice\n\toption reflexive '0'\n`;

describe("two routers that masquerade, whose clients reach no STUN but their own router's, and no relay", () => {
  let lab, browsers = [], anna, carla;
  const scene = stage({
    people: () => [anna, carla],
    up: async (at) => {
      lab = at.lab = await Lab.up('nat', 2, { config: NO_TURN });
      await Promise.all(lab.nodes.map((node) => node.hideRemoteStun()));
      browsers = at.browsers = await Promise.all(['c1', 'c2'].map((client) => browserIn(client)));
    },
  });

  scene('each router finds out by the one other node that its masquerade keeps ports', async () => {
    await lab.joined();
    for (const [i, node] of lab.nodes.entries()) {
      const [row] = await node.decided('reflexive');
      assert.deepEqual(row.addresses, ['192.168.1.1:3480']);
      assert.match(row.text, new RegExp(`\\(br-lan\\) sends by mesh${1 - i} is masqueraded as 10\\.99\\.101\\.${i + 1} `));
    }
  }, { cornerstone: true });

  scene('a client is told the address of the mesh and its own port, and no other STUN answers it', async () => {
    const [told, own, remote] = await lab.mapped('c1', '192.168.1.1:3480', '10.99.0.1:3478', '10.99.0.2:3478');
    assert.equal(remote, null, 'the other STUN is hidden');
    assert.match(own, /^192\.168\.1\.101:/, "the own STUN's port says what it sees");
    assert.equal(told, own.replace('192.168.1.101', '10.99.101.1'));
  });

  scene('a call finds a direct way by it', async () => {
    anna = await (await Person.at(browsers[0], lab.node(1), 'Anna')).signIn();
    carla = await (await Person.at(browsers[1], lab.node(2), 'Carla')).signIn();
    for (const person of [anna, carla]) await person.isGiven('stun:192.168.1.1:3480');
    await connect(anna, carla);
    const seen = await pairs(anna, carla);
    for (const { remote } of seen) assert.match(remote, /^(srflx|prflx)$/, `the pairs are ${JSON.stringify(seen)}`);
    await chat(anna, carla);
    await hangUp(carla, anna);
  });

  scene('a masquerade that begins to give random ports is noticed within a minute or so, and pages hear of it', async () => {
    await lab.masquerade('fully-random');
    for (const node of lab.nodes) await node.decided('reflexive_random', 75_000);
    for (const person of [anna, carla]) await person.isGiven('stun:192.168.1.1:3480', false);
  });

  scene('one that keeps ports again, or does not, at once when the firewall tells by a reload', async () => {
    for (const [flags, code] of [['persistent', 'reflexive'], ['random', 'reflexive_random'], ['', 'reflexive']]) {
      await lab.masquerade(flags);
      for (const node of lab.nodes) {
        await node.reload();
        await node.decided(code, 5_000);
      }
    }
    for (const person of [anna, carla]) await person.isGiven('stun:192.168.1.1:3480');
    await connect(carla, anna);
    await hangUp(anna, carla);
  });

  scene('without masquerade nobody is told anything', async () => {
    await lab.masquerade('', 'routed');
    await Promise.all(lab.nodes.map(async (node) => {
      await node.reload();
      // the other router has 192.168.1.1 itself, so it does not even answer
      await node.decided('reflexive_silent', 15_000);
    }));
    await lab.masquerade('');
    for (const node of lab.nodes) await node.reload();
    for (const node of lab.nodes) await node.decided('reflexive', 5_000);
  });

  scene('switched off by the owner, the same call finds no way', async () => {
    for (const node of lab.nodes) {
      await node.configure(OFF);
      await node.decided('reflexive_off');
    }
    for (const person of [anna, carla]) await person.isGiven('stun:192.168.1.1:3480', false);
    await anna.rings(carla);
    await carla.isRungBy(anna);
    await carla.answers();
    await anna.stageIs('ended', ['failed'], 60_000);
    await Promise.all([anna, carla].map((person) => person.closesStage()));
  });
});

describe('three routers in a line that masquerade', () => {
  let lab;
  const scene = stage({
    up: async (at) => {
      lab = at.lab = await Lab.up('nat', 3);
      await lab.joined();
    },
  });

  scene('the one in the middle has an answer for each side, and each is what that side sees', async () => {
    const rows = await lab.node(2).decided('reflexive', 20_000, 2);
    const told = rows.flatMap(({ addresses }) => addresses);
    const says = await lab.mapped('c2', ...told, '10.99.0.1:3478', '10.99.0.3:3478');
    const [west, east] = says.slice(2);
    assert.match(west, /^10\.99\.101\.2:/);
    assert.match(east, /^10\.99\.102\.2:/);
    assert.deepEqual(says.slice(0, 2).sort(), [west, east]);
  });

  scene('its pages are given the STUN of a node on each side', async () => {
    const [{ addresses, text }] = await lab.node(2).decided('remote_stun');
    assert.equal(addresses.length, 2);
    assert.match(text, /n1 by mesh0/);
    assert.match(text, /n3 by mesh1/);
  });
});

describe('two routers without translation', () => {
  let lab;
  const scene = stage({
    up: async (at) => {
      lab = at.lab = await Lab.up('routed', 2);
      await lab.joined();
    },
  });

  scene('say that addresses are kept, and tell no other one', async () => {
    for (const node of lab.nodes) {
      const [row] = await node.decided('reflexive_routed');
      assert.deepEqual(row.addresses, []);
    }
    assert.deepEqual(await lab.mapped('c1', '10.13.1.1:3480'), [null]);
  });
});
