// Waiting for something to become true. No test sleeps to pass: it says what it waits for, and for how long.

import { setTimeout as pause } from 'node:timers/promises';

/** Asks `read` until `enough` holds of its answer; the error says what was waited for and what came last. */
export async function until(what, read, enough, ms = 15_000, every = 150) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    let failure;
    try {
      last = await read();
      if (enough(last)) return last;
    } catch (error) {
      failure = error;
      last = error.message;
    }
    if (Date.now() >= end) {
      const shown = typeof last === 'string' ? last : JSON.stringify(last);
      throw new Error(`after ${ms} ms still waiting: ${what}; last: ${String(shown).slice(0, 2_000)}`, { cause: failure });
    }
    await pause(every);
  }
}
