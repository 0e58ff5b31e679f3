// A test that leaves evidence: when it fails, what every person saw and every daemon logged lies beside it.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

/**
 * Like node:test's `test`. `stage()` gives the lab and the people at the time of a failure. When a
 * `cornerstone` fails, those after it in the same lab are left out: they would only say the same again.
 */
export function scenario(name, stage, body, { ms = 120_000, cornerstone = false } = {}) {
  return test(name, { timeout: ms + 60_000 }, async (t) => {
    if (stage().lab?.broken) return t.skip(`stands on "${stage().lab.broken}", which failed`);
    let late;
    const limit = new Promise((_, reject) => {
      late = setTimeout(() => reject(new Error(`still not done after ${ms} ms`)), ms);
    });
    try {
      await Promise.race([body(), limit]);
    } catch (error) {
      const { lab, people } = stage();
      if (!lab) throw error;
      const shown = await evidence(name, lab, people.filter(Boolean));
      if (cornerstone) lab.broken = name;
      else await recover(lab, people.filter(Boolean));
      throw new Error(`${error.message}\n  evidence: ${shown}`, { cause: error });
    } finally {
      clearTimeout(late);
    }
  });
}

/** So that the next scenario starts as if this one had gone well: as far as that can be had. */
async function recover(lab, people) {
  await lab.recover();
  for (const person of people) {
    try {
      await person.tidies();
    } catch (error) {
      person.heard.push(`e2e: could not tidy up: ${error.message}`);
    }
  }
}

async function evidence(name, lab, people) {
  const slug = name.toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 60);
  await lab.describe();
  for (const person of people) {
    const file = path.join(lab.logs, `${slug}.${person.name}`);
    writeFileSync(`${file}.console.txt`, `${person.heard.join('\n')}\n`);
    try {
      await person.page.screenshot({ path: `${file}.png`, timeout: 5_000 });
      writeFileSync(`${file}.html`, await person.page.content());
    } catch {
      // the page is closed: that may be the test's subject
    }
  }
  return path.join(lab.logs, `${slug}.*`);
}
