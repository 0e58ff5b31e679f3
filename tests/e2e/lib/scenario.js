// A test that leaves evidence: when it fails, what every person saw and every daemon logged lies beside it.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

/**
 * Like node:test's `test`. `stage()` gives the lab and the people at the time of a failure.
 */
export function scenario(name, stage, body, ms = 120_000) {
  return test(name, { timeout: ms + 30_000 }, async () => {
    let late;
    const limit = new Promise((_, reject) => {
      late = setTimeout(() => reject(new Error(`still not done after ${ms} ms`)), ms);
    });
    try {
      await Promise.race([body(), limit]);
    } catch (error) {
      const { lab, people } = stage();
      const where = lab ? await evidence(name, lab, people) : 'nowhere: the lab did not come up';
      error.message += `\n  evidence: ${where}`;
      throw error;
    } finally {
      clearTimeout(late);
    }
  });
}

async function evidence(name, lab, people) {
  const slug = name.toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 60);
  await lab.describe();
  for (const person of people.filter(Boolean)) {
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
