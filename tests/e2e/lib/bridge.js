// A door into a namespace of the lab: a TCP port of this machine that leads to the same port of its loopback. Firefox
// is driven through it, which listens for its driver and knows no pipe.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

const across = `
  const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1');
  socket.on('error', () => process.exit(1));
  process.stdin.pipe(socket).pipe(process.stdout);
`;

/** The server; `server.address().port` is the port, on both sides. */
export async function bridge(namespace) {
  const server = createServer((socket) => {
    const port = String(server.address().port);
    const inside = spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', across, port], { stdio: ['pipe', 'pipe', 'inherit'] });
    socket.pipe(inside.stdin);
    inside.stdout.pipe(socket);
    socket.on('error', () => inside.kill());
    inside.stdin.on('error', () => socket.destroy());
    inside.on('exit', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
