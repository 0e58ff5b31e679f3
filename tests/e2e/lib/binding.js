// Asks STUN servers one after the other, all from one port, and prints what each says: run in a client's namespace.

import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';

const COOKIE = 0x2112a442;
const PATIENCE_MS = 2_000;

const socket = dgram.createSocket('udp4');
socket.bind(0);
await once(socket, 'listening');

async function ask(server) {
  const [host, port] = server.split(':');
  const request = Buffer.alloc(20);
  request.writeUInt16BE(1, 0);
  request.writeUInt32BE(COOKIE, 4);
  randomBytes(12).copy(request, 8);
  socket.send(request, Number(port), host);
  try {
    const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) });
    // XOR-MAPPED-ADDRESS is the first attribute
    const ip = (answer.readUInt32BE(28) ^ COOKIE) >>> 0;
    return `${[24, 16, 8, 0].map((shift) => (ip >>> shift) & 255).join('.')}:${answer.readUInt16BE(26) ^ (COOKIE >>> 16)}`;
  } catch {
    return null;
  }
}

const answers = [];
for (const server of process.argv.slice(2)) answers.push(await ask(server));
console.log(JSON.stringify(answers));
socket.close();
