// The pure parts that views stand on: the window on people, numbers, words.
import { describe, expect, it } from "vitest";
import { applyPeople } from "./people";
import { quality, readStats, NO_STATS } from "./call/stats";
import { pickLanguage, t } from "./text";
import type { Person } from "./wire/messages";

const person = (address: string, display = address): Person => ({
  address, name: address, display, home: { id: "n", name: "casa" }, at: [], devices: [],
});
const message = { watch: 1, total: 2, here: 0, gone: [] as string[] };
const start = applyPeople({ people: [], total: 0 }, { ...message, reset: true, people: [person("a"), person("b")], order: ["b", "a"] });
const names = (window: { people: Person[] }) => window.people.map((one) => one.address);

describe("the window on people", () => {
  it("has the node's order", () => expect(names(start)).toEqual(["b", "a"]));

  it("changes one person in place", () => {
    const next = applyPeople(start, { ...message, people: [person("a", "Aina")] });
    expect(next.people[1]?.display).toBe("Aina");
    expect(next.people[0]).toBe(start.people[0]);
  });

  it("lets people come and go", () => {
    const next = applyPeople(start, { ...message, people: [person("c")], gone: ["b"], order: ["c", "a"] });
    expect(names(next)).toEqual(["c", "a"]);
  });

  it("forgets the old window at a reset", () => {
    const next = applyPeople(start, { ...message, reset: true, total: 1, people: [person("z")], order: ["z"] });
    expect(names(next)).toEqual(["z"]);
    expect(next.total).toBe(1);
  });
});

describe("numbers of a call", () => {
  it("are read from a report", () => {
    const stats = readStats([
      { id: "a", type: "inbound-rtp", kind: "audio", packetsReceived: 50, packetsLost: 1, totalSamplesReceived: 48000, jitter: 0.01 },
      { id: "v", type: "inbound-rtp", kind: "video", packetsReceived: 9, framesDecoded: 7, framesReceived: 8 },
      { id: "t", type: "transport", selectedCandidatePairId: "p" },
      { id: "p", type: "candidate-pair", localCandidateId: "l", remoteCandidateId: "r", currentRoundTripTime: 0.02 },
      { id: "l", type: "local-candidate", candidateType: "relay", relayProtocol: "tcp" },
      { id: "r", type: "remote-candidate", candidateType: "host" },
    ]);
    expect(stats).toMatchObject({ audioFrames: 48000, framesDecoded: 7, videoFrames: 8, lost: 1, received: 59, roundTripMs: 20 });
    expect(stats.pair).toEqual({ local: "relay", remote: "host", relay: "tcp" });
  });

  it("judge the line by loss and round trip", () => {
    const now = { ...NO_STATS, received: 100 };
    expect(quality(NO_STATS, { ...now, roundTripMs: 40 })).toBe("good");
    expect(quality(NO_STATS, { ...now, lost: 4 })).toBe("fair");
    expect(quality(NO_STATS, { ...now, roundTripMs: 600 })).toBe("poor");
    expect(quality(now, now)).toBe("poor");
  });
});

describe("words", () => {
  it("are in the first language that we write", () => {
    expect(pickLanguage(["gl", "ca-ES", "en"])).toBe("ca");
    expect(pickLanguage(["es-419"])).toBe("es");
    expect(pickLanguage(["de"])).toBe("en");
    expect(pickLanguage(["constructor"])).toBe("en");
  });

  it("are filled in", () => expect(t("nodesMany", { count: 3 })).toContain("3"));
});
