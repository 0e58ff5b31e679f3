// How much to send over the line as it is: sound first, then as much of a
// picture as fits. Pure: what was counted goes in with its time, what to send
// comes out. Down at once, up by trials: a browser that sends little cannot
// know what the line would carry, so the next step is tried, and a trial that
// fails makes the wait before the next one twice as long.
import { lineBetween, type CallStats } from "./stats";

export interface Step {
  /** The picture's width and height are divided by this. */
  scale: number;
  /** Bits a second at most. */
  bits: number;
  /** Pictures a second at most. */
  rate: number;
  /** With fewer bits a second than these the next step looks better. */
  worth: number;
}

/** From everything to the least; after the last comes no picture. From 640x480 the least is 160x120. */
export const STEPS: readonly Step[] = [
  { scale: 1, bits: 800_000, rate: 30, worth: 400_000 },
  { scale: 1.5, bits: 400_000, rate: 20, worth: 240_000 },
  { scale: 2, bits: 200_000, rate: 15, worth: 120_000 },
  { scale: 4, bits: 80_000, rate: 10, worth: 80_000 },
];
export const NO_PICTURE = STEPS.length;
/** From here on sound is thin too. */
const THIN_FROM = 3;

/** Sound with its headers: 32 kb/s of Opus in 20 ms packets; thin, see `opus.ts`. */
const SOUND = 60_000;
const THIN_SOUND = 30_000;
/**
 * Of what is available, so much is used when the line and not the picture is the limit: an estimate is let grow to
 * one and a half times of what gets through.
 */
const FULL = 0.75;

const LOSS = 0.12;
const LOSS_FINE = 0.07;
const QUEUE_MS = 400;
const QUEUE_FINE_MS = 250;
/** What is counted so soon after a change still tells of the time before it. */
const SETTLE_MS = 4_000;
/** The browser's own estimate starts low and needs so long. */
const WARM_UP_MS = 8_000;
const TRIAL_MS = 8_000;
const WAIT_MS = 6_000;
/** The longest that a line that has healed waits for its next trial. */
export const LONGEST_WAIT_MS = 60_000;
/** Looks before the least picture goes too: an estimate that fell with a queue is soon better. */
const PATIENCE = 4;
/** A step that is left again so soon after its trial had not really passed it. */
const PROOF_MS = 30_000;
/** Looks: the other side reports about sound every 2.5 to 7.5 s. */
const WINDOW = 8;

export interface Plan {
  /** Which of `STEPS`, or `NO_PICTURE`. */
  level: number;
  /** Little sound too. */
  thin: boolean;
  /** The other side shows no picture: none is sent, or one is only being tried. */
  paused: boolean;
}

export class Adapter {
  private level = 0;
  private trialUntil = 0;
  private changedAt = 0;
  private passedAt = -PROOF_MS;
  private wait = WAIT_MS;
  private started: number | null = null;
  /** Looks at a weak line, less the good ones among them. */
  private weakOnes = 0;
  /** The shortest round trip lately: what is above it waits in queues. */
  private shortest: number | null = null;
  private recent: CallStats[] = [];

  get plan(): Plan {
    const { level } = this;
    const tried = this.trialUntil > 0 && level === NO_PICTURE - 1;
    return { level, thin: level >= THIN_FROM, paused: level === NO_PICTURE || tried };
  }

  /** One look at the line, about every second. `picture` says whether there is one to send. */
  look(now: number, stats: CallStats, picture: boolean): Plan {
    if (this.started === null) this.started = this.changedAt = now;
    this.measureTrip(stats.roundTripMs);
    if (now - this.changedAt < SETTLE_MS) this.recent = [];
    const before = this.recent[0];
    this.recent = [...this.recent, stats].slice(-WINDOW);
    if (!before) return this.plan;
    const { lostOut, up } = lineBetween(before, stats);
    const queue = stats.roundTripMs === null || this.shortest === null ? 0 : stats.roundTripMs - this.shortest;
    const { available } = stats;
    const full = available !== null && up * 1000 > FULL * available;
    const short = (level: number) => full && now - (this.started ?? now) >= WARM_UP_MS && available < need(level, picture);
    const scarce = now >= this.trialUntil && short(this.level);
    const weak = lostOut > LOSS || queue > QUEUE_MS || scarce;
    const fine = lostOut <= LOSS_FINE && queue <= QUEUE_FINE_MS && !short(Math.max(0, this.level - 1));
    this.weakOnes = Math.max(0, this.weakOnes + (weak ? 1 : -0.5));
    const last = picture && this.level === NO_PICTURE - 1;
    if (this.weakOnes >= (last ? PATIENCE : 2) && this.level < NO_PICTURE) this.down(now, scarce ? available : null, picture);
    else if (this.trialUntil && now >= this.trialUntil && !weak) this.passed(now);
    else if (!this.trialUntil && this.level > 0 && fine && now - this.changedAt >= this.wait) {
      this.change(now, picture ? this.level - 1 : 0);
      this.trialUntil = now + TRIAL_MS;
    }
    return this.plan;
  }

  /** What was known of the old way says nothing about this one. */
  newPath(): void {
    this.started = this.shortest = null;
    this.recent = [];
  }

  private down(now: number, available: number | null, picture: boolean): void {
    const failed = this.trialUntil > 0 || now - this.passedAt < PROOF_MS;
    this.wait = failed ? Math.min(LONGEST_WAIT_MS, this.wait * 2) : WAIT_MS;
    let level = picture ? this.level + 1 : NO_PICTURE;
    if (available !== null) while (level < NO_PICTURE && need(level, true) > available) level++;
    this.change(now, level);
  }

  /** What has just gone well is a reason to go on at once. */
  private passed(now: number): void {
    this.trialUntil = 0;
    this.passedAt = now;
    this.changedAt = now - this.wait;
  }

  private change(now: number, level: number): void {
    this.level = level;
    this.trialUntil = 0;
    this.changedAt = now;
    this.weakOnes = 0;
  }

  /** Follows a longer path slowly: another route is not a queue for ever. */
  private measureTrip(trip: number | null): void {
    if (trip === null) return;
    const { shortest } = this;
    this.shortest = shortest === null || trip < shortest ? trip : shortest + (trip - shortest) * 0.02;
  }
}

function need(level: number, picture: boolean): number {
  const sound = level >= THIN_FROM ? THIN_SOUND : SOUND;
  return sound + (picture ? STEPS[level]?.worth ?? 0 : 0);
}
