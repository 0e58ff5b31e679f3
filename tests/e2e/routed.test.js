// Distinct LANs, routed through the mesh (LibreMesh; qMp community mode): the whole life of calls.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe } from 'node:test';
import { promisify } from 'node:util';
import { addVideo, both, chat, connect, hangUp } from './lib/call.js';
import { Lab, namespace } from './lib/lab.js';
import { browserIn, desk, Person } from './lib/person.js';
import { stage } from './lib/stage.js';
import { until } from './lib/until.js';

describe('three routers in a line, routed', () => {
  let lab, browsers = [], anna, biel, carla, dora;
  const scene = stage({
    people: () => [anna, biel, carla, dora],
    up: async (at) => {
      lab = at.lab = await Lab.up('routed');
      browsers = at.browsers = await Promise.all(['c1', 'c2', 'c3'].map((client) => browserIn(client)));
    },
  });

  scene('nodes find each other by mDNS on the link and by membership beyond', () => lab.joined(), { cornerstone: true });

  scene('plain http explains the warning, shows the real fingerprint and leads to https', async () => {
    const [browser] = browsers;
    const node = lab.node(1);
    const context = await browser.newContext(); // nothing is waved through: what a newcomer's browser does
    try {
      const page = await context.newPage();
      await page.goto(node.explain);
      const said = (await page.locator('body').innerText()).toUpperCase().replace(/[^0-9A-F]/g, '');
      assert.ok(said.includes(await fingerprint('c1', node)), 'the page shows the fingerprint of the certificate');
      await page.screenshot({ path: new URL('screenshots/explain-1280x800.png', import.meta.url).pathname });
      await page.setViewportSize({ width: 360, height: 740 });
      await page.screenshot({ path: new URL('screenshots/explain-360x740.png', import.meta.url).pathname });
      const link = page.locator('a[href^="https:"]').first();
      const href = await link.getAttribute('href');
      assert.ok(href.startsWith(node.page), `the link leads to ${node.page}, not to ${href}`);
      const refused = page.waitForEvent('requestfailed');
      await link.click();
      assert.match((await refused).failure().errorText, /ERR_CERT/, 'the browser warns, as the page said it would');
    } finally {
      await context.close();
    }
  });

  scene('people sign in at their own routers and see each other across the mesh', async () => {
    anna = await Person.at(browsers[0], lab.node(1), 'Anna');
    await anna.picture('name');
    await anna.see('name-input').waitFor();
    await anna.signIn();
    await anna.picture('people-alone');
    biel = await (await Person.at(browsers[1], lab.node(2), 'Biel')).signIn();
    carla = await (await Person.at(browsers[2], lab.node(3), 'Carla')).signIn();
    await both(anna, biel, (person) => person.sees(carla));
    await carla.sees(anna);
    await anna.picture('people');
  }, { cornerstone: true });

  scene('beside people stands what a call to them would be like', async () => {
    await both(anna, biel, (person) => person.row(carla).locator('[data-quality="good"]').waitFor());
    await anna.picture('people-measured');
  });

  scene('a second tap where the first one was neither hangs up nor calls again', async () => {
    await anna.rings(carla);
    await carla.isRungBy(anna);
    await carla.tapsTwice('answer');
    await both(anna, carla, (person) => person.stageIs('connected'));
    await carla.tapsTwice('hangup');
    await both(anna, carla, (person) => person.stageIs('ended', ['hung_up']));
    await both(anna, carla, (person) => person.closesStage());
  });

  scene('a name that is taken at this node is refused with words', async () => {
    const twin = await Person.at(browsers[0], lab.node(1), 'Anna');
    try {
      await twin.see('name-input').fill('Anna');
      await twin.see('name-submit').click();
      await twin.see('name-error').waitFor();
      await twin.picture('name-taken');
    } finally {
      await twin.leaves();
    }
  });

  scene('somebody who disturbs is reported from their card, kept out with words, and let in again', async () => {
    const node = lab.node(1);
    const eloi = await (await Person.at(browsers[0], node, 'Eloi')).signIn();
    try {
      await anna.sees(eloi);
      await anna.row(eloi).click();
      await anna.see('report').click();
      await anna.see('report-input').fill('rings at night <b>and</b> says nothing');
      await anna.page.screenshot({ path: new URL('screenshots/report-360x740.png', import.meta.url).pathname });
      await anna.see('report-submit').click();
      await anna.page.getByText('Told to the owner of this router.').waitFor();
      const { reports: [told] } = await node.ctl('reports');
      assert.equal(told.reason, 'rings at night <b>and</b> says nothing');
      assert.deepEqual([told.about.split('@')[0], told.by.split('@')[0]], ['eloi', 'anna']);
      await node.ctl('ban', { id: told.about, reason: told.reason });
      // signed out on the spot, and told why; trying again says the same
      for (const again of [false, true]) {
        if (again) await eloi.see('name-submit').click();
        await eloi.page.getByText('The owner of this router has kept this name out.').waitFor();
      }
      await eloi.picture('kept-out');
      // the button that had the focus is off now; the card closes by Esc all the same
      await anna.sees(eloi, false);
      await anna.closesCard();
      await node.ctl('unban', { id: told.about });
      await eloi.signIn();
      await anna.sees(eloi);
    } finally {
      await eloi.leaves();
    }
  });

  scene('an audio call: both hear, chat crosses both ways, video is added, one hangs up', async () => {
    await anna.sees(carla);
    await anna.row(carla).click();
    await anna.see('person-card').waitFor();
    await anna.picture('person');
    await anna.see('call-audio').click();
    await carla.isRungBy(anna);
    await anna.stageIs('ringing');
    await anna.picture('ringing');
    await carla.picture('incoming');
    await carla.answers();
    await both(anna, carla, (person) => person.stageIs('connected', [], 30_000));
    await both(anna, carla, (person) => person.hearsMore(['audioFrames']));
    await anna.picture('call-audio');
    await chat(anna, carla);
    await anna.picture('call-chat');
    await addVideo(anna, carla);
    await anna.picture('call-video');
    await anna.hangsUp();
    await both(anna, carla, (person) => person.stageIs('ended', ['hung_up']));
    await carla.picture('ended');
    await both(anna, carla, (person) => person.closesStage());
  });

  scene('the callee declines', async () => {
    await carla.rings(anna);
    await anna.isRungBy(carla);
    await anna.see('decline').click();
    await carla.stageIs('ended', ['rejected']);
    await anna.isQuiet();
    await both(anna, carla, (person) => person.closesStage());
  });

  scene('the caller thinks better of it', async () => {
    await anna.rings(carla);
    await carla.isRungBy(anna);
    await anna.hangsUp();
    await carla.isQuiet();
    await anna.stageIs('ended', ['cancelled']);
    await both(anna, carla, (person) => person.closesStage());
  });

  scene('a third person hears that the line is busy, and disturbs nobody', async () => {
    await connect(anna, carla);
    await biel.rings(carla);
    await biel.stageIs('ended', ['busy']);
    await biel.closesStage();
    assert.equal(await carla.see('incoming').count(), 0, 'a busy device does not ring');
    await carla.stageIs('connected');
    await hangUp(carla, anna);
  });

  // The slow ones share their waiting: different people, so they do not meet.
  describe('nobody comes to the phone', { concurrency: true }, () => {
    scene('no answer: both ends give up after 45 seconds', async () => {
      await anna.rings(carla);
      await carla.isRungBy(anna);
      await anna.stageIs('ended', ['timed_out'], 60_000);
      await carla.isQuiet();
      await both(anna, carla, (person) => person.closesStage());
    });

    scene('the callee closes the page while it rings', async () => {
      dora = await (await Person.at(browsers[2], lab.node(3), 'Dora', desk)).signIn();
      await biel.rings(dora);
      await dora.isRungBy(biel);
      await dora.leaves();
      await biel.stageIs('ended', ['unreachable', 'left'], 44_000);
      await biel.closesStage();
      await biel.sees(dora, false);
    });
  });

  scene('a phone that walks to another access point is attached again within 3 seconds, and its call goes on', async () => {
    await connect(anna, carla);
    const attached = await anna.walks('c1', 'n2', lab);
    assert.ok(attached <= 3_000, `attached again after ${attached} ms`);
    await both(anna, carla, (person) => person.stageIs('connected', [], 30_000));
    await both(anna, carla, (person) => person.hearsMore());
    await chat(anna, carla, 'from the other end of the village');
    await anna.walks('c1', 'n1', lab);
    await both(anna, carla, (person) => person.hearsMore(['audioFrames'], 20, 30_000));
    await hangUp(anna, carla);
  });

  scene("a page's socket is cut for a few seconds: the call stays and nothing said is lost", async () => {
    await connect(anna, carla);
    await lab.node(1).cutPages();
    try {
      await anna.writes('out of the dark');
      await anna.see('banner').waitFor({ timeout: 30_000 });
      await anna.picture('reconnecting');
      await carla.writes('into the dark');
      await both(anna, carla, (person) => person.hearsMore(['audioFrames'], 100));
    } finally {
      await lab.node(1).mendPages();
    }
    await carla.reads('out of the dark', 30_000);
    await anna.reads('into the dark', 30_000);
    await both(anna, carla, (person) => person.stageIs('connected'));
    await hangUp(anna, carla);
  });

  scene("the callee's router is killed and comes back: media goes on, signalling returns", async () => {
    const node = lab.node(3);
    await connect(anna, carla, { media: 'video', answer: 'answer-video' });
    await node.kill();
    await both(anna, carla, (person) => person.hearsMore(['audioFrames', 'framesDecoded'], 30));
    await node.start();
    await lab.joined();
    await until('n3 has its page and its call back', () => node.status(), (now) => now.sessions >= 1 && now.calls >= 1, 45_000);
    await both(anna, carla, (person) => person.stageIs('connected'));
    await chat(anna, carla, 'good to have you back');
    await both(anna, carla, (person) => person.hearsMore(['audioFrames', 'framesDecoded']));
    await hangUp(carla, anna);
  });

  scene("a node's death shows its people as away within 20 seconds, not gone", async () => {
    await anna.sees(carla);
    await lab.node(3).kill();
    await anna.sees(carla, false, 20_000);
    await anna.picture('people-away');
    await lab.node(3).start();
    await anna.sees(carla, true, 45_000);
  });

  scene('a mesh that falls apart goes on in both halves, and is one again within 30 seconds', async () => {
    const west = lab.node(2);
    let eva;
    await west.cutMesh();
    try {
      await both(anna, biel, (person) => person.sees(carla, false));
      await carla.sees(anna, false);
      await connect(anna, biel);
      await hangUp(anna, biel);
      eva = await (await Person.at(browsers[2], lab.node(3), 'Eva')).signIn();
      await connect(carla, eva);
      await hangUp(carla, eva);
      assert.equal(await anna.row(eva).count(), 0, 'who came over there is not known here yet');
    } finally {
      await west.mendMesh();
    }
    await Promise.all([anna.sees(carla), biel.sees(eva), carla.sees(anna)]);
    await connect(anna, eva);
    await hangUp(anna, eva);
    await eva.leaves();
  });
});

/** SHA-256 of the certificate that a client really meets, as plain hexadecimal. */
async function fingerprint(client, node) {
  const { hostname, port } = new URL(node.page);
  const ask = `require('node:tls').connect({ host: '${hostname}', port: ${port}, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] },
    function () { console.log(this.getPeerCertificate().fingerprint256); this.destroy(); })`;
  const { stdout } = await promisify(execFile)('ip', ['netns', 'exec', namespace(client), process.execPath, '-e', ask], { timeout: 10_000 });
  return stdout.trim().replaceAll(':', '');
}
