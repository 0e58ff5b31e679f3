// The rows of the "must connect" table: calls in one network, their times and paths; and where they are told.
//
// MATRIX_CALLS (1) is how many calls a row makes, in turn from either end. Lines in the form of `make bench` go to
// target/e2e/calls.jsonl, or to CALLS_OUT; `make figures` makes the table in docs/connectivity.md of them. Where a
// row has calls enough to be a measurement, it must keep the goals.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { both, connectTimed, hangUp } from './call.js';
import { out, root } from './lab.js';

const calls = Number(process.env.MATRIX_CALLS ?? 1);
const lines = path.resolve(root, process.env.CALLS_OUT ?? path.join(out, 'calls.jsonl'));

/** The goals of docs/connectivity.md: how long a call may take to connect, by its path, in ms. */
const GOALS = { direct: 300, relayed: 500 };
/** How many calls of a row are a measurement: `make bench` makes so many, and nothing else on its machine. */
const ENOUGH = 5;

export class Matrix {
  rows = [];

  /**
   * One row: `subject` as the figures call it, `network` in words. Calls between these two connect with sound both
   * ways; `path` says how media must go: 'direct', 'relayed', or null where both are right.
   */
  async row(subject, network, [one, other], expected) {
    const row = { subject, network, times: [], paths: [] };
    for (let call = 0; call < calls; call++) {
      const [caller, callee] = call % 2 === 0 ? [one, other] : [other, one];
      row.times.push(await connectTimed(caller, callee));
      const way = await seen(caller, callee);
      row.paths.push(way);
      if (expected) assert.equal(way.kind, expected, `${subject}: ${way.words}`);
      await hangUp(caller, callee);
    }
    this.rows.push(row);
    return row.paths;
  }

  /** A row that was measured elsewhere. */
  add(subject, network, times, paths) {
    this.rows.push({ subject, network, times, paths });
  }

  write() {
    if (!this.rows.length) return;
    mkdirSync(path.dirname(lines), { recursive: true });
    writeFileSync(lines, this.rows.map((row, i) => `${JSON.stringify(line(row, i + 1))}\n`).join(''));
    for (const row of this.rows) console.log(`${row.subject}: ${median(row.times)} ms, ${words(row)}`);
    assert.deepEqual(late(this.rows), [], 'calls that took longer than docs/connectivity.md says');
  }
}

/** Which rows took too long, in words. A row that went both ways has the goal of the longer one. */
export function late(rows) {
  const measured = rows.filter(({ times }) => times.length >= ENOUGH);
  const over = measured.map((row) => [row, Math.max(...row.paths.map(({ kind }) => GOALS[kind]))]).filter(([row, goal]) => median(row.times) > goal);
  return over.map(([row, goal]) => `${row.subject}: ${median(row.times)} ms, at most ${goal}`);
}

/** The path of the call between these two, as both ends' getStats say. */
export async function seen(caller, callee) {
  const ends = await both(caller, callee, (person) => person.path());
  const relays = ends.filter(({ local }) => local.type === 'relay');
  const family = ends.some(({ remote }) => remote.address?.includes(':')) ? 'IPv6' : 'IPv4';
  const protocols = [...new Set(relays.map(({ local }) => local.protocol))];
  // An end that meets the other's relay by a check from it calls it peer reflexive
  const kind = relays.length || ends.some(({ remote }) => remote.type === 'relay') ? 'relayed' : 'direct';
  const types = ends.map(({ local }) => local.type).join(' and ');
  return {
    kind, family, types: ends.map(({ local, remote }) => `${local.type}-${remote.type}`),
    words: kind === 'direct' ? `direct, ${types}, ${family}` : `relayed by ${relays.length === 2 ? 'both routers' : 'one router'}, ${protocols.join(' and ') || 'udp'}`,
  };
}

/** As `make bench` writes its figures; and what the table says of the row. */
function line({ subject, network, times, paths }, row) {
  return {
    bench: 'call', metric: 'connect_ms', subject, value: Math.round(median(times)), unit: 'ms', runs: times.length,
    worst: Math.round(Math.max(...times)), path: words({ paths }), candidates: paths.at(-1).types.join(' '), row, network,
  };
}

/** Every path that the calls of a row took, the most frequent first. */
function words({ paths }) {
  const counted = new Map();
  for (const { words } of paths) counted.set(words, (counted.get(words) ?? 0) + 1);
  const sorted = [...counted].sort(([, a], [, b]) => b - a);
  return sorted.map(([words, times]) => (sorted.length > 1 ? `${words} (${times} of ${paths.length})` : words)).join('; ');
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(half)] : (sorted[half - 1] + sorted[half]) / 2;
}
