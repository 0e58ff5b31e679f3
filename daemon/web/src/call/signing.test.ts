// Signed fingerprints, with real keys in Node's WebCrypto.
import { beforeAll, describe, expect, it } from "vitest";
import { Identity } from "../identity";
import { memoryStore } from "../storage";
import { base64url } from "../wire/bytes";
import type { Description } from "../wire/messages";
import { mediaText } from "../wire/texts";
import { fingerprintOf, signDescription, verifyDescription } from "./signing";

const sdp = (...prints: string[]) => "v=0\r\n" + prints.map((print) => `a=fingerprint:${print}\r\n`).join("") + "a=mid:0\r\n";
const print = (byte: string): string => `sha-256 ${Array<string>(32).fill(byte).join(":")}`;
const ONE = print("AB");
const OTHER = print("EF");

let nuria: Identity;
let pep: Identity;
beforeAll(async () => {
  nuria = await Identity.open(memoryStore(), true);
  pep = await Identity.open(memoryStore(), true);
});

describe("the fingerprint", () => {
  it("is the value of the line as it stands", () => expect(fingerprintOf(sdp(ONE))).toBe(ONE));
  it("may be there twice when it is the same", () => expect(fingerprintOf(sdp(ONE, ONE))).toBe(ONE));
  it("is none when two differ", () => expect(fingerprintOf(sdp(ONE, OTHER))).toBeNull());
  it("is none when no line has it", () => expect(fingerprintOf("v=0\r\n")).toBeNull());
  it("is one in any line ends that browsers write", () => expect(fingerprintOf(`v=0\na=fingerprint:${ONE}\na=mid:0`)).toBe(ONE));

  // Each was tried on a browser, or is a way that a lenient parser could read it (case L1)
  it.each([
    `a=FINGERPRINT:${OTHER}`, `a=Fingerprint:${OTHER}`, `A=fingerprint:${OTHER}`, `a= fingerprint:${OTHER}`,
    `a =fingerprint:${OTHER}`, ` a=fingerprint:${OTHER}`, `a=fingerprint ${OTHER}`, `a=fingerprint :${OTHER}`,
    `a=fingerprint: ${OTHER}`, `a=fingerprint:\t${OTHER}`, `a=fingerprint:${OTHER.toLowerCase()}`,
    `a=fingerprint:${OTHER.replace("sha-256", "SHA-256")}`, `a=fingerprint:${OTHER.replace("sha-256", "sha-1")}`,
    `a=fingerprint:${ONE} `, `a=fingerprint:${ONE}:00`, `a=fingerprint:${ONE}\ra=fingerprint:${OTHER}`, `a=x\0fingerprint:${OTHER}`,
    `a=finger\0print:${OTHER}`, `a=x-fingerprint:${OTHER}`, `a=x:\u2028fingerprint`, `a=s:\ud800`, `a=s:N\u00faria`, `b=a=fingerprint:${OTHER}`, `a=fingerprint:`, `a=fingerprint`,
  ])("is none with a second one spelt %j, above or below", (line) => {
    expect(fingerprintOf(`v=0\r\na=fingerprint:${ONE}\r\nm=audio 9 x 0\r\n${line}\r\n`)).toBeNull();
    expect(fingerprintOf(`v=0\r\n${line}\r\nm=audio 9 x 0\r\na=fingerprint:${ONE}\r\n`)).toBeNull();
  });
});

describe("a description", () => {
  const said: Description = { call: "call", kind: "offer", number: 3, from: "nuria@a", to: "pep@b", sdp: sdp(ONE) };

  it("of the device that signed it is genuine", async () => {
    expect(await verifyDescription(nuria, said, await signDescription(nuria, said))).toBe(true);
  });

  it.each<[string, Partial<Description>]>([
    ["another fingerprint", { sdp: sdp(OTHER) }],
    ["another call", { call: "other" }],
    ["another kind", { kind: "answer" }],
    ["another number", { number: 4 }],
    ["a number that is none", { number: NaN }],
    ["somebody else as the one who says it", { from: "nuria@c" }],
    ["somebody else as the one to whom it is said", { to: "pep@c" }],
    ["the two exchanged", { from: "pep@b", to: "nuria@a" }],
    ["a second fingerprint", { sdp: sdp(ONE, OTHER) }],
    ["a blank more", { sdp: sdp(ONE) + " " }],
    ["other ends of lines", { sdp: sdp(ONE).replaceAll("\r\n", "\n") }],
    ["its last line left out", { sdp: sdp(ONE).replace("a=mid:0\r\n", "") }],
    ["another way for media", { sdp: sdp(ONE) + "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n" }],
  ])("with %s is not", async (_, changed) => {
    expect(await verifyDescription(nuria, { ...said, ...changed }, await signDescription(nuria, said))).toBe(false);
  });

  it("cannot put one field into another by an end of line", async () => {
    const signature = await signDescription(nuria, { ...said, call: "call\noffer", kind: "3" as "offer", number: 3 });
    expect(await verifyDescription(nuria, said, signature)).toBe(false);
  });

  it("of another key is not, nor of a key that is not the device's", async () => {
    const signature = await signDescription(nuria, said);
    expect(await verifyDescription(pep, said, signature)).toBe(false);
    expect(await verifyDescription({ key: nuria.key, device: pep.device }, said, signature)).toBe(false);
  });

  it("with nonsense for key or signature is not, and nothing breaks", async () => {
    expect(await verifyDescription({ key: "x", device: "y" }, said, "z")).toBe(false);
    expect(await verifyDescription(nuria, said, "A".repeat(86))).toBe(false);
  });

  it("that could be read in two ways is not, though it is signed", async () => {
    const two = { ...said, sdp: sdp(ONE) + `a=FINGERPRINT:${OTHER}\r\n` };
    await expect(signDescription(nuria, two)).rejects.toThrow();
    const hash = base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(two.sdp))));
    expect(await verifyDescription(nuria, two, await nuria.sign(mediaText(two, hash)))).toBe(false);
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
