// The two halves of somebody who wants to listen to a call: a router that lies (`middle.js`), and a connection of
// their own, whose certificate they have, to which media would go.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { namespace } from './lab.js';
import { until } from './until.js';

const middle = fileURLToPath(new URL('middle.js', import.meta.url));

/** Between the browser of `client` and the daemon of `node`. */
export class Router {
  static async between(client, node, { certificate, key }, port = 9443) {
    const daemon = new URL(node.page).host;
    const child = spawn('ip', ['netns', 'exec', namespace(client), process.execPath, middle, String(port), daemon, certificate, key], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const self = new Router(child, `https://127.0.0.1:${port}/`);
    await new Promise((resolve, reject) => {
      child.on('exit', (code) => reject(new Error(`the router in the middle ended: ${code}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const said = JSON.parse(line);
        if (said.ready) resolve();
        else void self.#answer(said);
      });
    });
    return self;
  }

  constructor(child, page) {
    this.child = child;
    this.page = page;
    this.tell();
  }

  /**
   * From now on `change(name, body, way)` says what is told in the place of a message: another body, null for
   * nothing, undefined for itself.
   */
  tell(change = () => undefined) {
    this.change = change;
    this.failure = null;
  }

  async #answer({ id, way, text }) {
    let texts = [text];
    try {
      const [[name, body]] = Object.entries(JSON.parse(text));
      const changed = await this.change(name, body, way);
      if (changed !== undefined) texts = changed === null ? [] : [JSON.stringify({ [name]: changed })];
    } catch (error) {
      this.failure = error;
    }
    this.child.stdin.write(`${JSON.stringify({ id, texts })}\n`);
  }

  close() {
    this.child.removeAllListeners('exit');
    this.child.stdin.end();
  }
}

/** Runs in the eavesdropper's page. */
function connection() {
  const gathered = (pc) => new Promise((resolve) => {
    const look = () => pc.iceGatheringState === 'complete' && resolve(pc.localDescription.sdp);
    pc.onicegatheringstatechange = look;
    look();
  });
  let pc;
  const open = async () => {
    window.microphone ??= await navigator.mediaDevices.getUserMedia({ audio: true });
    pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    window.truca = { pc, states: [] };
    pc.onconnectionstatechange = () => window.truca.states.push(pc.connectionState);
    pc.createDataChannel('truca', { negotiated: true, id: 0 });
  };
  window.eavesdrop = {
    async offer() {
      await open();
      pc.addTrack(window.microphone.getTracks()[0], window.microphone);
      await pc.setLocalDescription(await pc.createOffer());
      return gathered(pc);
    },
    async answer(sdp) {
      await open();
      await pc.setRemoteDescription({ type: 'offer', sdp });
      pc.addTrack(window.microphone.getTracks()[0], window.microphone);
      await pc.setLocalDescription(await pc.createAnswer());
      return gathered(pc);
    },
    answered: (sdp) => pc.setRemoteDescription({ type: 'answer', sdp }),
    candidate: ({ candidate, mid, mline }) => pc.addIceCandidate({ candidate, sdpMid: mid, sdpMLineIndex: mline }).catch(() => {}),
    close: () => pc?.close(),
    async heard() {
      const stats = [...(await pc.getStats()).values()].filter(({ type }) => type === 'inbound-rtp');
      const packets = stats.reduce((sum, { packetsReceived }) => sum + packetsReceived, 0);
      return { packets, states: window.truca.states };
    },
  };
}

/** A connection with a certificate of their own. */
export class Eavesdropper {
  static async at(browser, node) {
    const chromium = browser.browserType().name() === 'chromium';
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...(chromium && { permissions: ['microphone'] }) });
    const page = await context.newPage();
    await page.goto(node.page);
    await page.evaluate(connection);
    return new Eavesdropper(page);
  }

  constructor(page) {
    this.page = page;
  }

  do(what, argument) {
    return this.page.evaluate(([what, argument]) => window.eavesdrop[what](argument), [what, argument]);
  }

  /** Until DTLS has been done with it; how many packets of media it has got. */
  async hasBeenConnected(ms = 20_000) {
    await until('the eavesdropper is connected', () => this.do('heard'), ({ states }) => states.includes('connected'), ms);
  }
}

/** The fingerprint of a description. */
export const printOf = (sdp) => /^a=fingerprint:(.*?)\r?$/m.exec(sdp)[1];

/**
 * The eavesdropper's description, with the fingerprint that was signed where it is looked for first, and its own in
 * another spelling where the media is.
 */
export function forged(own, signed, spelling = 'a=FINGERPRINT:') {
  const bare = own.replace(/^a=fingerprint:.*\r\n/gm, '');
  const [head, ...sections] = bare.split(/^(?=m=)/m);
  return [`${head}a=fingerprint:${signed}\r\n`, ...sections.map((section) => `${section}${spelling}${printOf(own)}\r\n`)].join('');
}
