// What a routing daemon knows: real babeld across three hops, between nodes that nothing else could bring together.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { Lab, namespace } from './lib/lab.js';
import { until } from './lib/until.js';

const NODES = 4;
const SOCKET = 33123;

/** babeld in a node, with its local socket read-only, and hellos each second so that nobody waits for minutes. */
class Babeld {
  constructor(i) {
    this.i = i;
    this.start();
  }

  start() {
    const filters = ['redistribute local ip 10.99.0.0/16 allow', 'redistribute local deny'];
    const args = ['-I', '', '-S', '', '-g', String(SOCKET), '-h', '1', '-H', '1', ...filters.flatMap((filter) => ['-C', filter])];
    const interfaces = [this.i > 1 && 'mesh0', this.i < NODES && 'mesh1'].filter(Boolean);
    this.process = spawn('ip', ['netns', 'exec', namespace(`n${this.i}`), 'babeld', ...args, ...interfaces], { stdio: 'ignore' });
    this.over = new Promise((resolve) => this.process.once('exit', resolve));
  }

  async stop() {
    this.process.kill('SIGTERM'); // `ip netns exec` has become babeld
    await this.over;
  }
}

describe('four routers in a line with babeld, Truca on the first and the last', () => {
  let lab, babeld = [];
  const heard = (report) => report.sources.find((source) => source.source === 'babeld');

  before(async () => {
    // no mDNS: it would not get across the two in the middle anyway
    const config = 'config discovery\n option mdns 0\n';
    lab = await Lab.up('routed', NODES, { daemons: [1, NODES], config, routes: 'none' });
    for (const node of lab.nodes) assert.equal(heard(await node.ctl('discovery')).state, 'absent', 'without babeld nothing is heard');
    for (let i = 1; i <= NODES; i++) babeld.push(new Babeld(i));
  }, { timeout: 60_000 });

  after(async () => {
    await lab?.describe();
    await Promise.all(babeld.map((one) => one.stop()));
    await lab?.down();
  }, { timeout: 30_000 });

  it('the routes of babeld lead from one to the other', async () => {
    await lab.joined(90_000);
    const sources = [];
    for (const node of lab.nodes) {
      const { members } = await node.ctl('members');
      sources.push(members.find((member) => member.state === 'alive').source);
    }
    assert.ok(sources.includes('babeld'), `found by babeld, not by ${sources}`);
  });

  it('routers without Truca cost a few tries, and no more than they should', async () => {
    const report = await until('a router without Truca was tried', () => lab.node(1).ctl('discovery'), ({ counters }) => counters.failed > 0, 90_000);
    for (const candidate of report.candidates) assert.ok(candidate.failures <= 1, JSON.stringify(candidate));
    assert.ok(report.counters.probes <= 20, JSON.stringify(report.counters));
  });

  it('what babeld named vanishes with it, and appears with it again', async () => {
    const first = lab.node(1);
    await babeld[0].stop();
    const gone = await until('babeld is absent', () => first.ctl('discovery'), (report) => heard(report).state === 'absent');
    assert.deepEqual(gone.candidates, []);
    babeld[0].start();
    await until('babeld is heard again', () => first.ctl('discovery'), (report) => heard(report).state === 'heard' && heard(report).addresses >= 3, 60_000);
    await lab.joined(60_000);
  });
});
