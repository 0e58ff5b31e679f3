// The controller over lines in virtual time: a model of a line and of a browser
// that estimates it, closed into a loop with what the controller wants sent.
import { describe, expect, it } from "vitest";
import { Adapter, LONGEST_WAIT_MS, NO_PICTURE, STEPS, type Plan } from "./adapt";
import { NO_STATS, type CallStats } from "./stats";

/** Bits a second and the share that is lost. */
interface Road {
  rate: number;
  loss: number;
}

/** A browser's estimate: it grows by what got through, and follows the line down at once. */
class Call {
  readonly adapter = new Adapter();
  readonly plans: { at: number; plan: Plan }[] = [];
  now = 0;
  /** Round trip of the road itself, in ms. */
  trip = 100;
  private stats: CallStats = { ...NO_STATS };
  private estimate = 300_000;

  constructor(public road: Road, private readonly estimates = true, public picture = true) {}

  run(seconds: number): Plan {
    for (let second = 0; second < seconds; second++) this.second();
    return this.plan;
  }

  get plan(): Plan {
    return this.adapter.plan;
  }

  /** How often the level changed since `from`. */
  changes(from: number): number {
    const since = this.plans.filter(({ at }) => at >= from);
    return since.filter(({ plan }, index) => index > 0 && plan.level !== since[index - 1]?.plan.level).length;
  }

  private second(): void {
    const { level, thin } = this.plan;
    const sound = thin ? 28_000 : 58_000;
    const wanted = this.picture ? (STEPS[level]?.bits ?? 0) : 0;
    const pictures = Math.min(wanted, Math.max(0, this.estimate - sound));
    const sent = sound + pictures;
    const through = Math.min(sent, this.road.rate);
    const lost = 1 - (through / sent) * (1 - this.road.loss);
    const cap = Math.max(this.estimate, through * 1.5);
    this.estimate = sent > this.road.rate ? this.road.rate * 0.9 : Math.min(cap, this.estimate * 1.15, 5_000_000);
    const packets = Math.round(sound / (thin ? 1_700 : 1_160) + pictures / 8_000);
    const { stats } = this;
    this.now += 1_000;
    this.stats = {
      ...stats, at: this.now, sent: stats.sent + packets, lostThere: stats.lostThere + packets * lost,
      received: stats.received + 50, bytesOut: stats.bytesOut + sent / 8,
      roundTripMs: this.trip + (sent > this.road.rate ? 500 : 0), available: this.estimates ? this.estimate : null,
    };
    this.plans.push({ at: this.now, plan: this.adapter.look(this.now, this.stats, this.picture) });
  }
}

const GOOD: Road = { rate: 10_000_000, loss: 0 };

describe("what is sent", () => {
  it("is everything on a good line, from the start and for ever", () => {
    const call = new Call(GOOD);
    call.run(300);
    expect(call.plan).toEqual({ level: 0, thin: false, paused: false });
    expect(call.changes(0)).toBe(0);
  });

  it("is everything on a radio that loses one packet of twenty but has room", () => {
    const call = new Call({ rate: 10_000_000, loss: 0.05 });
    call.run(300);
    expect(call.changes(0)).toBe(0);
  });

  it("is a smaller picture within ten seconds when the line carries 300 kb/s", () => {
    const call = new Call(GOOD);
    call.run(30);
    call.road = { rate: 300_000, loss: 0.05 };
    call.run(10);
    expect(call.plan.level).toBeGreaterThan(0);
    expect(call.plan.paused).toBe(false);
    call.run(60);
    expect(call.plan.level).toBeGreaterThanOrEqual(1);
    expect(call.plan.level).toBeLessThan(NO_PICTURE);
  });

  it("is thin sound and no picture within 15 seconds when it carries 60 kb/s", () => {
    const call = new Call(GOOD);
    call.run(30);
    call.road = { rate: 60_000, loss: 0.05 };
    call.run(15);
    expect(call.plan).toMatchObject({ thin: true, paused: true });
    expect(call.plans.some(({ plan }) => plan.level === NO_PICTURE)).toBe(true);
  });

  it("is tried more and more rarely where it fails, and a failing trial is not shown", () => {
    const call = new Call({ rate: 60_000, loss: 0 });
    call.run(600);
    const trials = call.plans.filter(({ plan }, index) => plan.level < NO_PICTURE && call.plans[index - 1]?.plan.level === NO_PICTURE);
    expect(trials.length).toBeGreaterThan(5);
    expect(trials.length).toBeLessThan(14);
    const gaps = trials.map(({ at }, index) => at - (trials[index - 1]?.at ?? 0));
    expect(Math.max(...gaps)).toBeLessThan(LONGEST_WAIT_MS + 20_000);
    expect(gaps[gaps.length - 1]).toBeGreaterThan(LONGEST_WAIT_MS);
    expect(call.plans.filter(({ at }) => at > 40_000).every(({ plan }) => plan.paused)).toBe(true);
  });

  it("comes back by itself when the line heals: a picture within a minute and a quarter, all of it half a minute later", () => {
    const call = new Call({ rate: 60_000, loss: 0.05 });
    call.run(400);
    call.road = GOOD;
    call.run(75);
    expect(call.plan.paused).toBe(false);
    call.run(30);
    expect(call.plan).toEqual({ level: 0, thin: false, paused: false });
  });

  it("goes down faster than up", () => {
    const call = new Call(GOOD);
    call.run(30);
    call.road = { rate: 60_000, loss: 0 };
    const from = call.now;
    while (call.plan.level < NO_PICTURE) call.run(1);
    const down = call.now - from;
    call.road = GOOD;
    const healed = call.now;
    while (call.plan.level > 0) call.run(1);
    expect(call.now - healed).toBeGreaterThan(2 * down);
  });

  it("does not swing on a line between two steps", () => {
    const call = new Call({ rate: 280_000, loss: 0.02 });
    call.run(60);
    const from = call.now;
    call.run(600);
    expect(call.changes(from)).toBeLessThan(2 * (600 / 60) + 6);
  });

  it("goes by loss and queues alone where the browser estimates nothing", () => {
    const call = new Call(GOOD, false);
    call.run(60);
    expect(call.plan.level).toBe(0);
    call.road = { rate: 60_000, loss: 0.05 };
    call.run(60);
    expect(call.plan.paused).toBe(true);
  });

  it("takes a way that is longer for what it is, not for a queue", () => {
    const call = new Call(GOOD);
    call.run(30);
    call.adapter.newPath();
    call.trip = 650;
    call.run(60);
    expect(call.changes(0)).toBe(0);
  });

  it("is thin sound on a line that carries no more, without any picture", () => {
    const call = new Call({ rate: 40_000, loss: 0 }, true, false);
    call.run(20);
    expect(call.plan).toMatchObject({ level: NO_PICTURE, thin: true });
    call.road = GOOD;
    call.run(90);
    expect(call.plan).toMatchObject({ level: 0, thin: false });
  });
});
