// A person with a browser on one node's LAN: what they do and what they see, in the page's own words.

import { chromium, firefox } from 'playwright-core';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bridge } from './bridge.js';
import { namespace, root } from './lab.js';
import { until } from './until.js';

const launcher = fileURLToPath(new URL('browser.sh', import.meta.url));
const screenshots = path.join(root, 'tests/e2e/screenshots');
mkdirSync(screenshots, { recursive: true });
export const phone = { width: 360, height: 740 };
export const desk = { width: 1280, height: 800 };

/** Starts Chromium in a client's namespace (`c1`). */
export function browserIn(client, ...more) {
  return chromium.launch({
    executablePath: launcher,
    env: { ...process.env, TRUCA_NS: namespace(client), TRUCA_BROWSER: 'chromium' },
    timeout: 60_000,
    args: [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--use-fake-device-for-media-stream=fps=10', '--autoplay-policy=no-user-gesture-required', ...more,
    ],
  });
}

/**
 * Starts Debian's Firefox there, unpatched: it is driven by WebDriver BiDi. (playwright-core 1.65 asks it for media
 * features, which the ESR's BiDi does not know yet; so 1.64 is what package.json has.)
 */
export async function firefoxIn(client) {
  const door = await bridge(namespace(client));
  const browser = await firefox.launch({
    channel: 'moz-firefox',
    executablePath: launcher,
    env: { ...process.env, TRUCA_NS: namespace(client), TRUCA_BROWSER: 'firefox', TRUCA_DRIVER_PORT: String(door.address().port) },
    timeout: 60_000,
    firefoxUserPrefs: {
      'media.navigator.streams.fake': true,
      // BiDi of the ESR cannot give permissions: here Firefox asks nobody
      'media.navigator.permission.disabled': true,
      'media.autoplay.default': 0,
    },
  }).catch((error) => {
    door.close();
    throw error;
  });
  browser.on('disconnected', () => door.close());
  return browser;
}

/** A picture of 320x240 at 10 frames a second whatever the page asks for: two cores carry several browsers. */
function smallPicture() {
  const { mediaDevices } = navigator;
  if (!mediaDevices) return;
  const ask = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = (constraints) => {
    const video = constraints?.video ? { width: 320, height: 240, frameRate: 10 } : false;
    return ask({ ...constraints, video });
  };
}

/** Remembers when what was clicked, and every connection: for `clickedAt` and `path`. */
function observe() {
  const clicks = (window.trucaClicks = {});
  addEventListener('click', (event) => {
    const hook = event.target.closest?.('[data-testid]')?.dataset.testid;
    if (hook) clicks[hook] = performance.timeOrigin + event.timeStamp;
  }, true);
  const connections = (window.trucaConnections = []);
  if (!window.RTCPeerConnection) return;
  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...configuration) {
      super(...configuration);
      connections.push(this);
    }
  };
}

/** The selected pair of the running connection: both candidates, as getStats tells of them. */
async function selectedPair() {
  const running = window.trucaConnections.find((one) => one.connectionState === 'connected');
  if (!running) return null;
  const stats = [...(await running.getStats()).values()];
  const of = (id) => stats.find((one) => one.id === id);
  const transport = stats.find((one) => one.type === 'transport' && one.selectedCandidatePairId);
  const pair = transport ? of(transport.selectedCandidatePairId)
    : stats.find((one) => one.type === 'candidate-pair' && (one.selected ?? (one.nominated && one.state === 'succeeded')));
  const told = (id) => {
    const { candidateType, protocol, relayProtocol, address } = of(id) ?? {};
    return { type: candidateType, protocol: relayProtocol ?? protocol, address };
  };
  return pair ? { local: told(pair.localCandidateId), remote: told(pair.remoteCandidateId) } : null;
}

export class Person {
  /**
   * A browser profile of their own at `node`'s page. Permission for microphone and camera is given, as by a
   * person who pressed "allow" (but not by a browser flag, which would hide the page's `.local` candidates).
   */
  static async at(browser, node, name, viewport = phone, ignoreHTTPSErrors = true) {
    const context = await browser.newContext({
      ignoreHTTPSErrors,
      ...(browser.browserType().name() === 'chromium' && { permissions: ['microphone', 'camera'] }),
      reducedMotion: 'reduce',
      viewport,
    });
    await context.addInitScript(smallPicture);
    await context.addInitScript(observe);
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const self = new Person(context, page, node, name);
    page.on('console', (message) => self.heard.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => self.heard.push(`uncaught: ${error.stack ?? error}`));
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => self.hears(payload)));
    await page.goto(node.page);
    return self;
  }

  constructor(context, page, node, name) {
    this.context = context;
    this.page = page;
    this.node = node;
    this.name = name;
    this.heard = [];
    /** The servers for finding a path that the node gave last. */
    this.given = [];
  }

  /** What the node says over the socket. */
  hears(payload) {
    const [name, body] = Object.entries(JSON.parse(String(payload)))[0];
    if (name === 'signed_in' || name === 'resumed') this.given = body.ice.flatMap(({ urls }) => urls);
    if (name === 'ice') this.given = body.servers.flatMap(({ urls }) => urls);
  }

  /** Until the node gives this server, or does not any more. */
  isGiven(url, given = true, ms = 10_000) {
    return until(`${this.name} is ${given ? '' : 'not '}given ${url}`, () => this.given, (urls) => urls.includes(url) === given, ms);
  }

  see(hook) {
    return this.page.getByTestId(hook);
  }

  async signIn() {
    await this.see('name-input').fill(this.name);
    await this.see('name-submit').click();
    await this.see('people-search').waitFor();
    return this;
  }

  /** The other's row in the list of people. The test's names are ASCII, so the address begins with them. */
  row(other) {
    return this.page.locator(`[data-testid="person"][data-address^="${other.name.toLowerCase()}@"]`);
  }

  /** Until the other is shown as here (or away). */
  async sees(other, here = true, ms = 30_000) {
    await this.row(other).and(this.page.locator(`[data-here="${here}"]`)).waitFor({ timeout: ms });
  }

  async rings(other, media = 'audio') {
    await this.sees(other);
    await this.closesCard();
    await this.row(other).click();
    await this.see(`call-${media}`).click();
    await this.see('stage').waitFor();
  }

  /** The card of the person last looked at may still lie over the list. */
  async closesCard() {
    const card = this.see('person-card');
    if (!(await card.isVisible())) return;
    await this.page.keyboard.press('Escape');
    await card.waitFor({ state: 'hidden' });
  }

  async isRungBy(other, ms = 20_000) {
    await this.see('incoming').waitFor({ timeout: ms });
    const from = await this.see('incoming-from').first().textContent();
    if (!from.includes(other.name)) throw new Error(`${this.name} is rung by "${from}", not by ${other.name}`);
  }

  async answers(how = 'answer') {
    await this.see(how).click();
  }

  /** Until the call's stage is in this state; when it has ended, for one of these reasons. */
  async stageIs(state, reasons = [], ms = 20_000) {
    const read = () => this.page.evaluate(() => {
      const stage = document.querySelector('[data-testid="stage"]');
      return stage ? { state: stage.dataset.state, reason: stage.dataset.reason } : { state: 'none' };
    });
    const seen = await until(`${this.name}'s stage is ${state}`, read, (now) => now.state === state, ms);
    if (reasons.length && !reasons.includes(seen.reason)) {
      throw new Error(`${this.name}'s call ended with "${seen.reason}", not with ${reasons.join(' or ')}`);
    }
  }

  /** When the element with this hook was last clicked, in ms since 1970 by this machine's one clock. */
  clickedAt(hook) {
    return this.page.evaluate((hook) => window.trucaClicks[hook], hook);
  }

  /** When the call on the stage was connected, by the same clock. */
  connectedAt() {
    return this.page.evaluate(() => window.truca.state().call.connectedAt);
  }

  /** How media goes: the candidates at both ends, with their protocol; a relay's is how this end reaches it. */
  async path() {
    const pair = await this.page.evaluate(selectedPair);
    if (!pair) throw new Error(`${this.name} has no connection`);
    return pair;
  }

  /** What getStats says, as the page sums it up. */
  stats() {
    return this.page.evaluate(() => window.truca.stats());
  }

  /**
   * Until each of these counters has grown by `by` from where it stands now, a little at every look: a
   * single jump is not a stream. (`audioFrames` counts samples where the browser tells them.)
   */
  async hearsMore(counters = ['audioFrames'], by = 20, ms = 20_000) {
    const before = await this.stats();
    const steps = Object.fromEntries(counters.map((counter) => [counter, 0]));
    let last = before;
    const look = async () => {
      const now = await this.stats();
      for (const counter of counters) if (now[counter] > last[counter]) steps[counter]++;
      last = now;
      return now;
    };
    return until(`${this.name}'s ${counters.join(', ')} grow by ${by} from ${JSON.stringify(before)}`, look,
      (now) => counters.every((counter) => steps[counter] >= 5 && now[counter] - before[counter] >= by), ms);
  }

  async opensChat() {
    const input = this.see('chat-input');
    if (!(await input.isVisible())) await this.see('chat-toggle').click();
    await input.waitFor();
  }

  async closesChat() {
    const input = this.see('chat-input');
    if (!(await input.isVisible())) return;
    await input.press('Escape');
    await input.waitFor({ state: 'hidden' });
  }

  async writes(text) {
    await this.opensChat();
    await this.see('chat-input').fill(text);
    await this.see('chat-send').click();
  }

  async reads(text, ms = 15_000) {
    await this.opensChat();
    const line = this.page.locator('[data-testid="chat-message"]:not([data-mine="true"])').filter({ hasText: text });
    await line.first().waitFor({ timeout: ms });
    const times = await line.count();
    if (times !== 1) throw new Error(`${this.name} reads "${text}" ${times} times`);
  }

  /** To another node's LAN. How long after that the page had its node again, in ms. */
  async walks(client, node, lab) {
    await this.page.evaluate(() => {
      const seen = (window.trucaWalk = { left: 0, back: 0, at: Date.now() });
      const look = setInterval(() => {
        const ready = window.truca.state().wire === 'ready';
        if (!ready && !seen.left) seen.left = Date.now();
        if (ready && seen.left) {
          seen.back = Date.now();
          clearInterval(look);
        }
      }, 20);
    });
    await lab.move(client, node);
    const connected = Date.now();
    const seen = await until(`${this.name} is attached again`, () => this.page.evaluate(() => window.trucaWalk), (now) => now.back > 0, 30_000);
    return Math.max(0, seen.back - connected);
  }

  /** Whether those who are called may not see this device's address, from the next call on. */
  async hidesAddress(hide) {
    await this.see('me').click();
    await this.see('hide-address').setChecked(hide);
    await this.page.keyboard.press('Escape');
    await this.see('settings').waitFor({ state: 'hidden' });
  }

  /** Until the mark of the line is one of these. */
  async lineIs(marks, ms = 30_000) {
    const read = () => this.see('quality').getAttribute('data-quality', { timeout: 2_000 });
    return until(`${this.name}'s line is ${marks.join(' or ')}`, read, (mark) => marks.includes(mark), ms);
  }

  async opensLine() {
    await this.see('quality').click();
    await this.see('line-sheet').waitFor();
  }

  async closesLine() {
    await this.see('line-close').click();
    await this.see('line-sheet').waitFor({ state: 'hidden' });
  }

  /** In the details of the line: sound only, and little of it. */
  async savesData(save) {
    await this.opensLine();
    await this.see('save-data').setChecked(save);
    await this.closesLine();
  }

  /** A hand that taps twice: again, 180 ms later, what lies there then. */
  async tapsTwice(hook) {
    const button = this.see(hook);
    await button.click({ trial: true });
    const { x, y, width, height } = await button.boundingBox();
    await this.page.evaluate(([x, y]) => new Promise((resolve) => {
      const tap = () => document.elementFromPoint(x, y)?.closest('button')?.click();
      tap();
      setTimeout(() => resolve(tap()), 180);
    }), [x + width / 2, y + height * 0.85]);
  }

  async hangsUp() {
    await this.see('hangup').click();
  }

  /** Back to the list of people, whatever is on the stage. */
  async closesStage() {
    const stage = this.see('stage');
    if (!(await stage.isVisible())) return;
    if ((await stage.getAttribute('data-state')) !== 'ended') {
      await this.hangsUp();
      await this.stageIs('ended');
    }
    await this.see('stage-close').click();
    await stage.waitFor({ state: 'hidden' });
  }

  /** Away with whatever is on the screen; for after a failure. */
  async tidies() {
    if (this.page.isClosed()) return;
    const decline = this.see('decline');
    if (await decline.isVisible()) await decline.click({ timeout: 3_000 });
    await this.closesStage();
  }

  /** Until nothing rings here any more. */
  async isQuiet(ms = 10_000) {
    await this.see('incoming').waitFor({ state: 'hidden', timeout: ms });
  }

  /** The view as it is now, on a phone and on a desk. */
  async picture(view) {
    const before = this.page.viewportSize();
    for (const size of [phone, desk]) {
      await this.page.setViewportSize(size);
      await this.page.screenshot({ path: path.join(screenshots, `${view}-${size.width}x${size.height}.png`) });
    }
    await this.page.setViewportSize(before);
  }

  async leaves() {
    await this.context.close();
  }
}
