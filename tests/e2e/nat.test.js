// Every LAN is 192.168.1.0/24 behind its node's masquerade (qMp roaming mode): only the STUN of other nodes
// tells a browser where it can be reached, and stray datagrams must not spoil the hole (DESIGN section 6).

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { addVideo, chat, connect, hangUp, pairs } from './lib/call.js';
import { Lab } from './lib/lab.js';
import { browserIn, Person } from './lib/person.js';
import { stage } from './lib/stage.js';

describe('three routers in a line, each masquerading the same LAN', () => {
  let lab, browsers = [], anna, carla;
  const scene = stage({
    people: () => [anna, carla],
    up: async (at) => {
      lab = at.lab = await Lab.up('nat');
      browsers = at.browsers = await Promise.all(['c1', 'c3'].map((client) => browserIn(client)));
    },
  });

  scene('nodes find each other although all have the address 192.168.1.1 too', () => lab.joined(), { cornerstone: true });

  scene('people sign in and see each other', async () => {
    anna = await (await Person.at(browsers[0], lab.node(1), 'Anna')).signIn();
    carla = await (await Person.at(browsers[1], lab.node(3), 'Carla')).signIn();
    await anna.sees(carla);
    await carla.sees(anna);
  }, { cornerstone: true });

  scene('an audio call through both translations: chat both ways, video added, hung up', async () => {
    await connect(anna, carla);
    await throughTranslation();
    await chat(anna, carla);
    await addVideo(anna, carla);
    await hangUp(carla, anna);
  });

  scene('a video call the other way round', async () => {
    await connect(carla, anna, { media: 'video', answer: 'answer-video' });
    await carla.hearsMore(['framesDecoded', 'videoFrames']);
    await anna.hearsMore(['framesDecoded', 'videoFrames']);
    await throughTranslation();
    await hangUp(anna, carla);
  });

  scene("the gateway's address, which every router has, led to the router's own", async () => {
    const dora = await Person.at(browsers[0], lab.node(1), 'Dora');
    try {
      await dora.see('name-input').waitFor();
      assert.equal(new URL(dora.page.url()).hostname, '10.99.0.1');
    } finally {
      await dora.leaves();
    }
  });

  scene('a phone that walks to the same gateway address of another router keeps its router and its call', async () => {
    const dora = await Person.at(browsers[0], lab.node(1), 'Dora');
    try {
      await dora.signIn();
      await connect(dora, carla);
      const attached = await dora.walks('c1', 'n2', lab);
      assert.ok(attached <= 3_000, `attached again after ${attached} ms`);
      await dora.stageIs('connected', [], 30_000);
      await chat(dora, carla, 'still here');
      await dora.hearsMore(['audioFrames'], 20, 30_000);
      await hangUp(dora, carla);
    } finally {
      await lab.move('c1', 'n1');
      await dora.leaves();
    }
  });

  async function throughTranslation() {
    const seen = await pairs(anna, carla);
    for (const { remote } of seen) assert.match(remote, /^(srflx|prflx)$/, `the pairs are ${JSON.stringify(seen)}`);
  }
});
