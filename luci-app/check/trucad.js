// Real daemons for the tests: two nodes that are linked, people who sign in at them, and questions by the
// control socket, which answers what the ubus object answers.

import { spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import WebSocket from 'ws';
import { root } from './paths.js';

export const program = process.env.TRUCA ?? path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, 'target'), 'debug/trucad');
/** How long anything may take that a test waits for. */
const PATIENCE_MS = 20_000;

/** The status of ubus for an error of the control socket; 9 is "unknown error". */
const STATUS = { bad_argument: 2, unknown_command: 3, not_found: 4 };

if (!existsSync(program)) throw new Error(`there is no ${program}: \`make daemon\` builds it, TRUCA names another`);

/** `promise`, or after PATIENCE_MS an error that says what was waited for. */
export function within(what, promise) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} takes too long`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Daemon {
  /** Starts a node and waits until it serves; `peer` is another one to link to. */
  static async start(name, peer, config) {
    const self = new Daemon();
    self.directory = mkdtempSync(path.join(tmpdir(), `truca-luci-${name}-`));
    for (const sub of ['state', 'run']) mkdirSync(path.join(self.directory, sub));
    self.http = await freePort();
    self.port = await freePort();
    const file = path.join(self.directory, 'config');
    if (config !== undefined) writeFileSync(file, config);
    const args = [
      '--config', config === undefined ? '/dev/null' : file, '--name', name, '--listen', '127.0.0.1', '--no-mdns',
      '--port', self.port, '--http-port', self.http, '--stun-port', await freePort(),
      '--state', path.join(self.directory, 'state'), '--run-dir', path.join(self.directory, 'run'),
      ...(peer ? ['--peer', `127.0.0.1:${peer.port}`] : []),
    ];
    self.process = spawn(program, args.map(String), { stdio: ['ignore', 'ignore', 'pipe'] });
    self.log = '';
    self.process.stderr.setEncoding('utf8').on('data', (text) => {
      self.log += text;
      self.heard?.();
    });
    self.ended = new Promise((resolve) => self.process.once('exit', resolve));
    await self.says(/ready/);
    return self;
  }

  /** Until its log says this. */
  says(pattern) {
    const said = new Promise((resolve, reject) => {
      this.heard = () => pattern.test(this.log) && resolve();
      this.ended.then((status) => reject(new Error(`trucad ended with ${status}:\n${this.log}`)));
      this.heard();
    });
    return within(`"${pattern}" in the log of ${this.directory}`, said);
  }

  async stop() {
    this.process.kill('SIGTERM');
    await within('the end of trucad', this.ended);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The answer of the ubus object's method, or an error as LuCI's rpc makes it. */
  async call(object, method, args) {
    if (object !== 'truca') throw new Error(`nobody answers ${object}`);
    const text = await new Promise((resolve, reject) => {
      let heard = '';
      const socket = net.connect(path.join(this.directory, 'run/ctl.sock'));
      socket.setEncoding('utf8').on('data', (part) => { heard += part; });
      socket.once('error', reject).once('end', () => resolve(heard));
      socket.write(JSON.stringify({ command: method, arguments: args }) + '\n');
    });
    const answer = JSON.parse(text);
    if (answer.error) {
      const code = STATUS[answer.error.code] ?? 9;
      throw new Error(`RPC call to truca/${method} failed with ubus code ${code}: ${answer.error.message}`);
    }
    return answer;
  }

  /** A person who opens the page and signs in; `ask(message)` gives the answer, `leave()` closes the page. */
  async signIn(name, display) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
    const signed = (...lines) =>
      sign('sha256', Buffer.from(lines.map((line) => line + '\n').join('')), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
    const origin = `http://localhost:${this.http}`;
    const socket = new WebSocket(`ws://localhost:${this.http}/ws`, { origin, family: 4 });
    // The first message for which `fits` holds; what the node tells beside it is of no interest here
    const heard = (fits) => within('the node to speak', new Promise((resolve, reject) => {
      const listen = (data) => {
        const message = JSON.parse(data);
        if (!fits(message)) return;
        socket.off('message', listen);
        resolve(message);
      };
      socket.on('message', listen).once('error', reject);
    }));
    let last = 0;
    const ask = (request, fields) => {
      const mine = ++last;
      const answer = heard((message) => Object.values(message)[0].id === mine);
      socket.send(JSON.stringify({ [request]: { id: mine, ...fields } }));
      return answer;
    };
    const { hello } = await heard((message) => message.hello);
    const { id, boot } = hello.node;
    const address = `${name}@${id}`;
    const answer = await ask('sign_in', {
      name, display, key: point.toString('base64url'),
      signature: signed('truca-sign-in-1', id, hello.challenge, address),
      attachment: {
        counter: 2,
        here: signed('truca-attachment-1', address, id, String(boot), '2', 'here'),
        gone: signed('truca-attachment-1', address, id, String(boot), '3', 'gone'),
      },
    });
    if (!answer.signed_in) throw new Error(`${display} is not signed in: ${JSON.stringify(answer)}`);
    return { address, ask, leave: () => socket.close() };
  }
}

/** A node id that nobody has. */
export function nobody() {
  const digits = 'abcdefghijklmnopqrstuvwxyz234567';
  const bits = [...createHash('sha256').update(randomBytes(16)).digest().subarray(0, 16)].map((byte) => byte.toString(2).padStart(8, '0')).join('') + '00';
  return bits.match(/.{5}/g).map((five) => digits[parseInt(five, 2)]).join('');
}
