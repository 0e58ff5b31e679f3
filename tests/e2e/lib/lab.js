// The lab and the daemons in it: namespaces by tests/lab/lab.sh, one real trucad in each node.

import { execFile, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from './until.js';

const run = promisify(execFile);
const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, '../../..');
const lab = path.join(root, 'tests/lab/lab.sh');
const target = process.env.CARGO_TARGET_DIR ? path.resolve(root, process.env.CARGO_TARGET_DIR) : path.join(root, 'target');
export const out = path.join(target, 'e2e');
const trucad = path.resolve(root, process.env.TRUCA ?? path.join(target, 'debug/trucad'));
const shaper = path.join(target, 'debug/shaper');
const prefix = process.env.LAB ?? 'truca';

export const namespace = (name) => `${prefix}-${name}`;
const inside = (name, ...command) => run('ip', ['netns', 'exec', namespace(name), ...command]);

/** A line of nodes, each with its daemon. */
export class Lab {
  /**
   * Builds the namespaces and starts a daemon in every node, or in those of `daemons`. Discovery by mDNS and
   * nothing else, unless `config` (UCI) says more; `routes: 'none'` leaves the routes to a routing daemon;
   * `masquerade` are nft's flags of it, `switches` are more of the lab's, `firewall` is what `set` takes, before any
   * daemon starts; `shaped` is the number of a link that can be bad. Logs go to `name`.
   */
  static async up(mode, nodes = 3, { daemons, config = '', routes = 'static', masquerade = '', switches = {}, firewall, shaped = '', name } = {}) {
    if (!existsSync(trucad)) throw new Error(`no daemon at ${trucad}: cargo build -p trucad, or set TRUCA`);
    const logs = path.join(out, name ?? [mode, masquerade, shaped && 'shaped'].filter(Boolean).join('-'));
    rmSync(logs, { recursive: true, force: true });
    mkdirSync(logs, { recursive: true });
    const self = new Lab(mode, logs, switches);
    await self.#sh(['up'], { NODES: String(nodes), ROUTES: routes, MASQ: masquerade, SHAPED: String(shaped), SHAPER: shaper });
    if (firewall) await self.set(...firewall);
    for (let i = 1; i <= nodes; i++) {
      if (!daemons || daemons.includes(i)) self.nodes.push(new Node(i, mode, logs, self.state, config));
    }
    await Promise.all(self.nodes.map((node) => node.start()));
    return self;
  }

  constructor(mode, logs, switches = {}) {
    this.mode = mode;
    this.logs = logs;
    this.switches = switches;
    this.nodes = [];
    this.state = mkdtempSync(path.join(tmpdir(), 'truca-e2e-'));
  }

  /** Node 1 is n1. */
  node(i) {
    return this.nodes.find((node) => node.name === `n${i}`);
  }

  /** Until every node counts every node as alive. */
  async joined(ms = 30_000) {
    const all = this.nodes.length;
    for (const node of this.nodes) {
      await until(`${node.name} sees ${all} nodes`, async () => (await node.status()).members_alive, (n) => n === all, ms);
    }
  }

  /** Fills the log directory with what each node says of itself: for the reader of a failure. */
  async describe() {
    for (const node of this.nodes) {
      for (const what of ['status', 'members', 'accounts', 'links', 'stun', 'ice', 'discovery']) {
        try {
          node.note(`ctl ${what}: ${JSON.stringify(await node.ctl(what))}`);
        } catch (error) {
          node.note(`ctl ${what}: ${error.message.trim().split('\n').at(-1)}`);
        }
      }
    }
  }

  /** Other rules of masquerade in every node, while all runs: nft's flags of it, or `mode` `routed` for none. */
  async masquerade(flags, mode = this.mode) {
    await this.set({ MODE: mode, INPUT: 'drop', MASQ: flags });
  }

  /** What STUN servers answer to one port of a client: for each, the address that it is told, or null. */
  async mapped(client, ...servers) {
    const { stdout } = await inside(client, process.execPath, path.join(here, 'binding.js'), ...servers);
    return JSON.parse(stdout);
  }

  /** A client walks to another node's LAN. */
  async move(client, node) {
    await this.#sh(['move', client, node]);
  }

  /** The firewalls of all nodes, or of `nodes` (`n1`), as these switches of the lab say (`INPUT: 'reject'`). */
  async set(switches = {}, nodes = []) {
    await this.#sh(['set', ...nodes], switches);
  }

  #sh(words, switches = {}) {
    return run(lab, words, { env: { ...process.env, MODE: this.mode, LAB: prefix, ...this.switches, ...switches } });
  }

  /**
   * What the shaped link is like from now on, both ways: `rate=300 delay=100 jitter=20 loss=5` (kb/s, ms, percent;
   * what is not named is perfect). Without words, what it is like and what it has carried.
   */
  async shape(...words) {
    const { stdout } = await run(lab, ['shape', ...words], { env: { ...process.env, LAB: prefix, SHAPER: shaper } });
    return JSON.parse(stdout);
  }

  /** Counts a client's UDP from now on, whole IP packets: whatever its calls cost, checks and reports too. */
  async countUdp(client) {
    await inside(client, 'nft', `
      table inet counted {
        counter to { }
        counter from { }
        chain in { type filter hook input priority 0; policy accept; meta l4proto udp counter name "to"; }
        chain out { type filter hook output priority 0; policy accept; meta l4proto udp counter name "from"; }
      }`);
  }

  /** Bytes to the client and from it. */
  async udpBytes(client) {
    const { stdout } = await inside(client, 'nft', '-j', 'list', 'counters', 'table', 'inet', 'counted');
    const counters = JSON.parse(stdout).nftables.flatMap(({ counter }) => counter ?? []);
    return Object.fromEntries(counters.map(({ name, bytes }) => [name, bytes]));
  }

  /** After a failed scenario: every daemon runs, every wire is whole. */
  async recover() {
    for (const node of this.nodes) {
      await Promise.allSettled([node.mendPages(), node.mendMesh()]); // most are not cut
      if (node.process.gone) await node.start();
    }
  }

  async down() {
    await Promise.all(this.nodes.map((node) => node.stop()));
    await run(lab, ['down'], { env: { ...process.env, LAB: prefix } });
    rmSync(this.state, { recursive: true, force: true });
  }
}

/** One router's daemon. Its state directory outlives a kill, as flash does. */
class Node {
  constructor(i, mode, logs, state, config) {
    this.name = `n${i}`;
    this.lan = mode === 'nat' ? '192.168.1.1' : `10.13.${i}.1`;
    this.page = `https://${this.lan}:8443/`;
    this.explain = `http://${this.lan}:8080/`;
    this.log = path.join(logs, `${this.name}.log`);
    this.stateDir = path.join(state, this.name);
    this.runDir = path.join(state, `${this.name}.run`);
    mkdirSync(this.stateDir, { recursive: true });
    mkdirSync(this.runDir, { recursive: true });
    this.config = path.join(state, `${this.name}.config`);
    writeFileSync(this.config, config);
    this.process = null;
  }

  async start() {
    const log = openSync(this.log, 'a');
    const from = readFileSync(this.log, 'utf8').length;
    const args = ['--config', this.config, '--state', this.stateDir, '--run-dir', this.runDir, '--name', this.name, '--log', 'debug'];
    this.process = spawn('ip', ['netns', 'exec', namespace(this.name), trucad, ...args], { stdio: ['ignore', log, log] });
    closeSync(log);
    const child = this.process;
    child.on('exit', (code, signal) => {
      child.gone = `${this.name}: trucad ended (code ${code}, signal ${signal})`;
    });
    await until(`${this.name} is ready`, () => {
      if (child.gone) throw new Error(`${child.gone}; see ${this.log}`);
      return readFileSync(this.log, 'utf8').slice(from);
    }, (text) => /\bready\b/.test(text), 20_000);
  }

  /** As a power cut does it. */
  async kill() {
    await this.#end('SIGKILL');
    this.note('killed by the test');
  }

  async stop() {
    if (this.process && !this.process.gone) await this.#end('SIGTERM');
  }

  async #end(signal) {
    const child = this.process;
    if (child.gone) return;
    const over = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal); // `ip netns exec` has become trucad: this is its process
    const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await over;
    clearTimeout(late);
  }

  async ctl(what, how = {}) {
    const { stdout } = await run(trucad, ['ctl', '--run-dir', this.runDir, '--json', what, JSON.stringify(how)], { timeout: 5_000 });
    return JSON.parse(stdout);
  }

  status() {
    return this.ctl('status');
  }

  /** Until this node has decided so about what pages are told: the rows with this code. */
  async decided(code, ms = 20_000, rows = 1) {
    const all = await until(`${this.name} decides ${code}`, () => this.ctl('ice'),
      ({ decisions }) => decisions.filter((row) => row.code === code).length >= rows, ms);
    return all.decisions.filter((row) => row.code === code);
  }

  /** Reads its configuration again, as when the firewall of its router says that it changed. */
  async reload() {
    await this.ctl('reload');
  }

  /** From now on nobody behind this router reaches another one's STUN; the router itself does. */
  async hideRemoteStun() {
    await inside(this.name, 'nft', `
      table inet hidden {
        chain across { type filter hook forward priority -10; policy accept; iifname "br-lan" udp dport 3478 counter drop; }
      }`);
  }

  /** Another configuration (UCI), taken over while it runs. */
  async configure(config) {
    const from = readFileSync(this.log, 'utf8').length;
    writeFileSync(this.config, config);
    this.process.kill('SIGHUP');
    await until(`${this.name} has another configuration`, () => readFileSync(this.log, 'utf8').slice(from), (text) => /\breloaded\b/.test(text));
  }

  note(text) {
    appendFileSync(this.log, `-- e2e: ${text}\n`);
  }

  /**
   * Cuts the wire between this node and its LAN's pages: every TCP segment to or from the page port is
   * answered with a reset, so that both ends lose the socket, and new connections are refused.
   */
  async cutPages() {
    await inside(this.name, 'nft', `
      table inet cut {
        chain in { type filter hook input priority -10; policy accept; iifname "br-lan" tcp dport 8443 reject with tcp reset; }
        chain out { type filter hook output priority -10; policy accept; oifname "br-lan" tcp sport 8443 reject with tcp reset; }
      }`);
  }

  async mendPages() {
    await inside(this.name, 'nft', 'delete table inet cut');
  }

  /** The mesh falls apart on this node's eastern side: nothing goes there or comes from there, and nobody is told. */
  async cutMesh() {
    await inside(this.name, 'nft', `
      table inet apart {
        chain in { type filter hook input priority -10; policy accept; iifname "mesh1" drop; }
        chain out { type filter hook output priority -10; policy accept; oifname "mesh1" drop; }
        chain across { type filter hook forward priority -10; policy accept; iifname "mesh1" drop; oifname "mesh1" drop; }
      }`);
  }

  async mendMesh() {
    await inside(this.name, 'nft', 'delete table inet apart');
  }

  /** `open` or `close`: what the package's scripts do to the firewall of a router without fw3 and fw4. */
  async firewall(action) {
    const script = `. "$0/tests/package/openwrt/lib/functions.sh"
      . "$0/openwrt-feed/truca/files/functions.sh"
      truca_load
      sh "$0/openwrt-feed/truca/files/firewall.sh" "$1" "$(truca_tcp_ports)" "$(truca_udp_ports)" \
        "$(truca_stray_ports "$(truca_udp_ports)" "$(truca_listeners)" | tr '\n' ' ')"`;
    await inside(this.name, 'sh', '-c', script, root, action);
  }

  /** From now on a zone that lets no UDP of its LAN through, neither to this router nor across it. */
  async blockUdp() {
    await inside(this.name, 'nft', `
      table inet zone {
        chain in { type filter hook input priority -10; policy accept; iifname "br-lan" meta l4proto udp counter drop; }
        chain across { type filter hook forward priority -10; policy accept; iifname "br-lan" meta l4proto udp counter drop; }
      }`);
  }

  /** From now on a zone that lets its LAN reach nothing but the page: no UDP, no other port, nobody else. */
  async blockAllButPage() {
    await inside(this.name, 'nft', `
      table inet zone {
        chain in { type filter hook input priority -10; policy accept; iifname "br-lan" tcp dport != 8443 counter drop; iifname "br-lan" meta l4proto != tcp counter drop; }
        chain across { type filter hook forward priority -10; policy accept; iifname "br-lan" counter drop; }
      }`);
  }

  async unblockUdp() {
    await inside(this.name, 'nft', 'delete table inet zone');
  }
}
