// Signed fingerprints, with real keys in Node's WebCrypto.
import { beforeAll, describe, expect, it } from "vitest";
import { Identity } from "../identity";
import { memoryStore } from "../storage";
import { fingerprintOf, signDescription, verifyDescription } from "./signing";

const sdp = (...prints: string[]) => "v=0\r\n" + prints.map((print) => `a=fingerprint:${print}\r\n`).join("") + "a=mid:0\r\n";
const ONE = "sha-256 AB:CD";

let nuria: Identity;
let pep: Identity;
beforeAll(async () => {
  nuria = await Identity.open(memoryStore(), true);
  pep = await Identity.open(memoryStore(), true);
});

describe("the fingerprint", () => {
  it("is the value of the line as it stands", () => expect(fingerprintOf(sdp(ONE))).toBe(ONE));
  it("may be there twice when it is the same", () => expect(fingerprintOf(sdp(ONE, ONE))).toBe(ONE));
  it("is none when two differ", () => expect(fingerprintOf(sdp(ONE, "sha-256 EF:01"))).toBeNull());
  it("is none when no line has it", () => expect(fingerprintOf("v=0\r\n")).toBeNull());
});

describe("a description", () => {
  it("of the device that signed it is genuine", async () => {
    const signature = await signDescription(nuria, "call", "offer", sdp(ONE));
    expect(await verifyDescription(nuria, "call", "offer", sdp(ONE), signature)).toBe(true);
  });

  it.each([
    ["another fingerprint", "call", "offer", sdp("sha-256 EF:01")],
    ["another call", "other", "offer", sdp(ONE)],
    ["another kind", "call", "answer", sdp(ONE)],
    ["a second fingerprint", "call", "offer", sdp(ONE, "sha-256 EF:01")],
  ] as const)("with %s is not", async (_, call, kind, changed) => {
    const signature = await signDescription(nuria, "call", "offer", sdp(ONE));
    expect(await verifyDescription(nuria, call, kind, changed, signature)).toBe(false);
  });

  it("of another key is not, nor of a key that is not the device's", async () => {
    const signature = await signDescription(nuria, "call", "offer", sdp(ONE));
    expect(await verifyDescription(pep, "call", "offer", sdp(ONE), signature)).toBe(false);
    expect(await verifyDescription({ key: nuria.key, device: pep.device }, "call", "offer", sdp(ONE), signature)).toBe(false);
  });

  it("with nonsense for key or signature is not, and nothing breaks", async () => {
    expect(await verifyDescription({ key: "x", device: "y" }, "call", "offer", sdp(ONE), "z")).toBe(false);
    expect(await verifyDescription(nuria, "call", "offer", sdp(ONE), "A".repeat(86))).toBe(false);
  });
});

describe("an identity", () => {
  it("keeps its key and never gives a counter twice", async () => {
    const store = memoryStore();
    const first = await Identity.open(store, true);
    const one = await first.nextCounter();
    const again = await Identity.open(store, true);
    expect(again.key).toBe(first.key);
    expect(again.device).toMatch(/^[a-z2-7]{26}$/);
    expect(await again.nextCounter()).toBe(one + 2);
    await again.raiseCounter(90);
    expect(await again.nextCounter()).toBe(90);
    await again.raiseCounter(10);
    expect(await again.nextCounter()).toBe(92);
  });

  it("knows devices from their first use on", async () => {
    expect(await nuria.checkPin("pep@x", "d1")).toBe("first");
    await nuria.pin("pep@x", "d1");
    expect(await nuria.checkPin("pep@x", "d1")).toBe("known");
    expect(await nuria.checkPin("pep@x", "d2")).toBe("changed");
    await nuria.pin("pep@x", "d2");
    expect(await nuria.checkPin("pep@x", "d1")).toBe("known");
    expect(await nuria.checkPin("pep@x", "d2")).toBe("known");
  });
});
