// A router that lies: what stands between a browser and its daemon, passes everything on, and may change what is said
// over the page's socket. Run in the browser's namespace: `middle.js PORT HOST:PORT CERTIFICATE KEY`. Written from
// RFC 6455 alone, and with nothing of Truca's, so that it can say what no page and no daemon would.
//
// For each message it prints a line {"id":…,"way":"up"|"down","text":…} and waits for {"id":…,"texts":[…]}: what goes
// on in its place. The order of each way is kept.

import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import tls from 'node:tls';

const [port, daemon, certificate, key] = process.argv.slice(2);
const [host, daemonPort] = daemon.split(':');
const asked = new Map();
let asking = 0;

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, texts } = JSON.parse(line);
  asked.get(id)?.(texts);
  asked.delete(id);
}).on('close', () => process.exit(0));

function ask(way, text) {
  const id = ++asking;
  const answer = new Promise((resolve) => asked.set(id, resolve));
  process.stdout.write(`${JSON.stringify({ id, way, text })}\n`);
  return answer;
}

/** A frame of RFC 6455 section 5.2, whole; masked when a browser is played. */
function frame(opcode, payload, masked) {
  const { length } = payload;
  const head = length < 126 ? Buffer.from([0x80 | opcode, length])
    : length < 65_536 ? Buffer.from([0x80 | opcode, 126, length >> 8, length & 255])
      : Buffer.concat([Buffer.from([0x80 | opcode, 127, 0, 0, 0, 0]), Buffer.from(new Uint32Array([length]).buffer).reverse()]);
  if (!masked) return Buffer.concat([head, payload]);
  head[1] |= 0x80;
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, Buffer.from(payload.map((byte, i) => byte ^ mask[i % 4]))]);
}

/** Takes whole frames from the front of what has come; [frames, rest]. */
function frames(bytes) {
  const found = [];
  for (;;) {
    if (bytes.length < 2) return [found, bytes];
    let length = bytes[1] & 127, at = 2;
    if (length === 126) [length, at] = [bytes.length < 4 ? Infinity : bytes.readUInt16BE(2), 4];
    else if (length === 127) [length, at] = [bytes.length < 10 ? Infinity : bytes.readUInt32BE(6), 10];
    const mask = bytes[1] & 128 ? bytes.subarray(at, at + 4) : null;
    if (mask) at += 4;
    if (bytes.length < at + length) return [found, bytes];
    const payload = Buffer.from(bytes.subarray(at, at + length));
    if (mask) for (let i = 0; i < length; i++) payload[i] ^= mask[i % 4];
    found.push({ last: (bytes[0] & 128) !== 0, opcode: bytes[0] & 15, payload });
    bytes = bytes.subarray(at + length);
  }
}

/** One way of one connection: a head of HTTP, then bytes of HTTP, or frames when it became a socket. */
function pass(from, to, way, connection) {
  let held = Buffer.alloc(0);
  let parts = [];
  let done = Promise.resolve();
  const socket = (more) => {
    let all;
    [all, held] = frames(Buffer.concat([held, more]));
    for (const one of all) {
      done = done.then(async () => {
        if (one.opcode > 2) return to.write(frame(one.opcode, one.payload, way === 'up'));
        parts.push(one.payload);
        if (!one.last) return;
        const text = Buffer.concat(parts).toString();
        parts = [];
        for (const said of await ask(way, text)) to.write(frame(1, Buffer.from(said), way === 'up'));
      });
    }
  };
  from.on('data', (bytes) => {
    if (connection[way]) return socket(bytes);
    if (way === 'up') {
      // a browser waits for the answer before it sends a frame
      if (/^upgrade: *websocket\r$/im.test(bytes.toString('latin1'))) connection.up = true;
      to.write(bytes);
    } else {
      const end = connection.up ? bytes.indexOf('\r\n\r\n') + 4 : bytes.length;
      connection.down = connection.up;
      to.write(bytes.subarray(0, end));
      if (end < bytes.length) socket(bytes.subarray(end));
    }
  });
  from.on('end', () => done.then(() => to.end()));
  from.on('error', () => to.destroy());
  from.on('close', () => done.then(() => to.destroy()));
}

tls.createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (browser) => {
  const behind = tls.connect({ host, port: Number(daemonPort), rejectUnauthorized: false });
  const connection = { up: false, down: false };
  pass(browser, behind, 'up', connection);
  pass(behind, browser, 'down', connection);
}).listen(Number(port), '127.0.0.1', () => console.log('{"ready":true}'));
