// What the scenarios of one `describe` stand on: a lab and browsers that come up before them and go after them.

import { after, before } from 'node:test';
import { scenario } from './scenario.js';

/**
 * `up(at)` brings up what the scenarios need and notes it in `at.lab` and `at.browsers` as soon as it is there, so
 * that it is put away also when the rest fails; `down` puts away what else there is. `people` are those whose pages
 * are shown of a failure. Returns what a scenario is written with: as `scenario`, without the stage.
 */
export function stage({ up, down, people = () => [], ms = 90_000 }) {
  const at = { lab: undefined, browsers: [] };
  before(() => up(at), { timeout: ms });
  after(async () => {
    await Promise.all(at.browsers.map((browser) => browser.close()));
    await at.lab?.down();
    await down?.();
  }, { timeout: 60_000 });
  return (name, body, options) => scenario(name, () => ({ lab: at.lab, people: people() }), body, options);
}
