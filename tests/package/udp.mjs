// One datagram, for run.sh: who waits for it (`listen PORT`), who sends one and must be answered (`heard HOST PORT`),
// and who must be told that nobody is there (`stray HOST PORT`).

import { createSocket } from 'node:dgram';

const [what, ...where] = process.argv.slice(2);
const socket = createSocket('udp4');
const late = setTimeout(() => end(`${what} ${where.join(' ')}: nothing in 5 s`), 5_000);

function end(problem) {
  if (problem) console.error(problem);
  clearTimeout(late);
  process.exit(problem ? 1 : 0);
}

if (what === 'listen') {
  socket.on('message', (text, { port, address }) => socket.send(text, port, address, () => end()));
  socket.bind(Number(where[0]));
} else {
  const [host, port] = where;
  // Connected, so that the kernel tells of ICMP; again and again, since the listener may not be there yet
  socket.connect(Number(port), host, () => send());
  const send = () => socket.send('?', () => what === 'heard' && setTimeout(send, 50));
  socket.on('message', () => end(what === 'heard' ? '' : 'somebody answered'));
  socket.on('error', ({ code }) => {
    if (what === 'stray') end(code === 'ECONNREFUSED' ? '' : code);
  });
}
