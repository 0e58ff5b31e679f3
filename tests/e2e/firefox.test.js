// Firefox at one end and Chromium at the other, in each kind of network: what one browser takes for granted, the
// other may do in another way.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { addVideo, chat, connect, hangUp } from './lib/call.js';
import { Lab } from './lib/lab.js';
import { seen } from './lib/matrix.js';
import { browserIn, firefoxIn, Person } from './lib/person.js';
import { stage } from './lib/stage.js';

/** A lab with Anna's Chromium at one end and Fina's Firefox at the other. */
function between(title, mode, scenes) {
  describe(title, () => {
    let lab, browsers = [];
    const people = [];
    const scene = stage({
      people: () => people,
      up: async (at) => {
        lab = at.lab = await Lab.up(mode, 2, { name: `firefox-${mode}` });
        browsers = at.browsers = await Promise.all([browserIn('c1'), firefoxIn('c2')]);
        await lab.joined();
      },
      ms: 120_000,
    });

    scene('people sign in and see each other', async () => {
      people.push(await (await Person.at(browsers[0], lab.node(1), 'Anna')).signIn());
      people.push(await (await Person.at(browsers[1], lab.node(2), 'Fina')).signIn());
      await people[0].sees(people[1]);
      await people[1].sees(people[0]);
    }, { cornerstone: true });

    scenes(scene, people, () => lab);
  });
}

/** Both ring each other once: sound and pictures are decoded at both ends, chat goes both ways. */
async function talk([anna, fina], expected) {
  await connect(anna, fina);
  assert.equal((await seen(anna, fina)).kind, expected);
  await chat(anna, fina);
  await addVideo(anna, fina);
  await hangUp(fina, anna);
  await connect(fina, anna, { media: 'video', answer: 'answer-video' });
  assert.equal((await seen(fina, anna)).kind, expected);
  for (const person of [anna, fina]) await person.hearsMore(['audioFrames', 'framesDecoded', 'videoFrames']);
  await chat(fina, anna, 'and back');
  await hangUp(anna, fina);
}

between('Firefox and Chromium, routed', 'routed', (scene, people) => {
  scene('both ring each other, with sound, pictures and chat', () => talk(people, 'direct'));
});

between('Firefox and Chromium behind the same LAN', 'nat', (scene, people, lab) => {
  scene('through masquerade that keeps ports', () => talk(people, 'direct'));

  scene('and relayed, where every flow has a random port', async () => {
    await lab().set({ MASQ: 'fully-random' });
    await talk(people, 'relayed');
  });
});
