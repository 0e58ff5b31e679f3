// Negotiation and the course of a call, on a peer connection without media
// (testing/peer.ts) and with real signatures.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Identity } from "../identity";
import { memoryStore } from "../storage";
import { installFakes, peer } from "../testing/peer";
import type { Peer } from "../wire/messages";
import { Call } from "./call";
import { Connection } from "./connection";
import { nothing } from "./media";
import { signDescription } from "./signing";

/** What the router offers now. */
let offered = "turn:a";
const servers = (): RTCConfiguration => ({ iceServers: [{ urls: offered }] });
const SDP = `a=fingerprint:sha-256 ${Array<string>(32).fill("BE").join(":")}\r\n`;
beforeEach(() => installFakes());
afterEach(() => void vi.useRealTimers());

async function connection(polite: boolean) {
  const said: string[] = [];
  const states: string[] = [];
  const made = new Connection(servers, polite, {
    description: (kind) => said.push(kind),
    candidate: () => undefined,
    remote: () => undefined,
    up: () => states.push("up"),
    down: () => states.push("down"),
    heard: () => undefined,
  });
  if (polite) {
    await made.offered(SDP);
    await made.answer(nothing());
  } else {
    await made.begin(nothing(), false);
    await made.accepted(SDP);
  }
  said.length = 0;
  peer().log.length = 0;
  return { made, said, states };
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("a connection", () => {
  it("bundles everything", async () => {
    await connection(false);
    expect(peer().config.bundlePolicy).toBe("max-bundle");
  });

  it("keeps candidates until their description", async () => {
    const made = new Connection(servers, true, {
      description: () => undefined, candidate: () => undefined, remote: () => undefined, up: () => undefined, down: () => undefined, heard: () => undefined,
    });
    await made.candidate({ candidate: "early", mid: "0", mline: 0 });
    expect(peer().log).toEqual([]);
    await made.offered(SDP);
    await made.answer(nothing());
    expect(peer().log).toEqual(["remote offer", "candidate early", "local answer"]);
  });

  it("of the caller ignores an offer that crosses its own", async () => {
    const { made, said } = await connection(false);
    peer().onnegotiationneeded?.();
    await tick();
    await made.describe("offer", SDP);
    expect(peer().log).toEqual(["local offer"]);
    expect(said).toEqual(["offer"]);
  });

  it("of the callee rolls its own offer back and answers", async () => {
    const { made, said } = await connection(true);
    peer().onnegotiationneeded?.();
    await tick();
    await made.describe("offer", SDP);
    expect(peer().log).toEqual(["local offer", "local rollback", "remote offer", "local answer"]);
    expect(said).toEqual(["offer", "answer"]);
  });

  it("ignores an answer that nobody waits for", async () => {
    const { made } = await connection(false);
    await made.describe("answer", SDP);
    expect(peer().log).toEqual([]);
  });

  it("says an unanswered offer again, and only that", async () => {
    const { made, said } = await connection(false);
    made.repeatOffer();
    expect(said).toEqual([]);
    peer().onnegotiationneeded?.();
    await tick();
    made.repeatOffer();
    expect(said).toEqual(["offer", "offer"]);
  });

  it("asks for another form of sound in an offer of its own, after the one under way", async () => {
    const { made, said } = await connection(false);
    const sending = { step: null, thin: false, wantThin: false };
    made.shape(sending);
    expect(said).toEqual([]);
    made.shape({ ...sending, wantThin: true });
    await tick();
    expect(said).toEqual(["offer"]);
    made.shape(sending);
    await tick();
    expect(said).toEqual(["offer"]);
    await made.describe("answer", SDP);
    await tick();
    expect(said).toEqual(["offer", "offer"]);
  });

  it("wants another form of sound than when it rang: an offer follows its answer", async () => {
    const said: string[] = [];
    const made = new Connection(servers, true, {
      description: (kind) => said.push(kind), candidate: () => undefined, remote: () => undefined, up: () => undefined, down: () => undefined, heard: () => undefined,
    });
    await made.offered(SDP);
    made.shape({ step: null, thin: true, wantThin: true });
    await made.answer(nothing());
    await tick();
    expect(said).toEqual(["answer", "offer"]);
  });

  it("has said what it wants when it answers instead", async () => {
    const { made, said } = await connection(true);
    peer().onnegotiationneeded?.();
    await tick();
    made.shape({ step: null, thin: true, wantThin: false });
    await made.describe("offer", SDP);
    await tick();
    expect(said).toEqual(["offer", "answer"]);
  });

  it("restarts ICE at once when it failed, and again while it stays dead", async () => {
    const { states } = await connection(false);
    vi.useFakeTimers();
    peer().become("connected");
    peer().become("failed");
    expect(states).toEqual(["up", "down"]);
    vi.advanceTimersByTime(0);
    expect(peer().log).toEqual(["servers turn:a", "restart"]);
    offered = "turn:b";
    vi.advanceTimersByTime(8_000);
    expect(peer().log).toEqual(["servers turn:a", "restart", "servers turn:b", "restart"]);
    peer().become("connected");
    vi.advanceTimersByTime(60_000);
    expect(peer().log).toHaveLength(4);
    expect(states).toEqual(["up", "down", "up"]);
  });

  it("gives a short disturbance time to pass", async () => {
    await connection(false);
    vi.useFakeTimers();
    peer().become("connected");
    peer().become("disconnected");
    vi.advanceTimersByTime(2_000);
    peer().become("connected");
    vi.advanceTimersByTime(60_000);
    expect(peer().log).toEqual([]);
  });

  it("leaves living media alone when signalling comes back", async () => {
    const { made } = await connection(false);
    peer().become("connected");
    made.revive();
    expect(peer().log).toEqual([]);
    peer().become("disconnected");
    made.revive();
    expect(peer().log.slice(-1)).toEqual(["restart"]);
    made.close();
  });
});

describe("a connection in another network", () => {
  it("looks for a new path at once, while the old one is still in use", async () => {
    const { made, states } = await connection(true);
    peer().become("connected");
    offered = "turn:c";
    made.renew();
    expect(peer().log).toEqual(["servers turn:c", "restart"]);
    expect(states).toEqual(["up"]);
  });

  it("does nothing before the first answer, and nothing when it is closed", async () => {
    const made = new Connection(servers, false, {
      description: () => undefined, candidate: () => undefined, remote: () => undefined, up: () => undefined, down: () => undefined, heard: () => undefined,
    });
    await made.begin(nothing(), false);
    made.renew();
    await made.accepted(SDP);
    made.close();
    made.renew();
    expect(peer().log).not.toContain("restart");
  });
});

describe("a call", () => {
  async function calling(saves = false) {
    const me = await Identity.open(memoryStore(), true);
    const pep = await Identity.open(memoryStore(), true);
    const by: Peer = { address: "pep@x", display: "Pep", node: { id: "x", name: "torre" }, device: pep.device, key: pep.key };
    const asked: string[] = [];
    const ask = async (name: string) => void asked.push(name);
    const call = new Call("id", { ask, signer: me, ice: servers, saves: () => saves, changed: () => undefined, broken: () => undefined },
      { address: "pep@x", display: "Pep", who: "pep@torre", from: "torre" }, "audio", true);
    await call.invite(nothing());
    await vi.waitFor(() => expect(asked).toContain("invite"));
    const accept = async (signature?: string) =>
      call.onAccepted({ n: 1, call: "id", by, media: "audio", sdp: SDP, signature: signature ?? (await signDescription(pep, "id", "answer", SDP)) });
    return { call, asked, accept };
  }

  it("goes from calling to connected, and says so once", async () => {
    const { call, asked, accept } = await calling();
    call.ringing();
    expect(call.view.state).toBe("ringing");
    await accept();
    expect(call.view.state).toBe("connecting");
    await vi.waitFor(() => expect(peer().remoteDescription).not.toBeNull());
    peer().become("connected");
    peer().become("disconnected");
    expect(call.view.state).toBe("reconnecting");
    peer().become("connected");
    expect(call.view.state).toBe("connected");
    expect(asked.filter((one) => one === "connected")).toHaveLength(1);
    call.hangUp();
    expect(asked[asked.length - 1]).toBe("hang_up");
    expect(call.view).toMatchObject({ state: "ended", reason: "hung_up" });
  });

  it("tries other servers at once when its path is broken, and leaves one alone that is not", async () => {
    const { call, accept } = await calling();
    await accept();
    await vi.waitFor(() => expect(peer().remoteDescription).not.toBeNull());
    call.otherServers();
    peer().become("connected");
    call.otherServers();
    expect(peer().log).not.toContain("restart");
    peer().become("disconnected");
    offered = "turn:d";
    call.otherServers();
    expect(peer().log.slice(-2)).toEqual(["servers turn:d", "restart"]);
    call.hangUp();
  });

  it("tells the other page about saving data as soon as it can, and each change once", async () => {
    const { call } = await calling(true);
    const { channel } = peer();
    expect(channel.sent).toEqual([]);
    channel.open();
    call.saveData(true);
    call.saveData(false);
    expect(channel.sent).toEqual(['{"save":true,"weak":false}', '{"save":false,"weak":false}']);
  });

  it("hears why the other side sends no picture", async () => {
    const { call } = await calling();
    peer().channel.onmessage?.({ data: '{"weak":true}' });
    expect(call.view.theirs).toEqual({ save: false, weak: true });
    peer().channel.onmessage?.({ data: "no word" });
    expect(call.view.theirs).toEqual({ save: false, weak: true });
  });

  it("takes the offer while the microphone is opened, and says nothing to the caller before", async () => {
    const [me, pep] = [await Identity.open(memoryStore(), true), await Identity.open(memoryStore(), true)];
    const from: Peer = { address: "pep@x", display: "Pep", node: { id: "x", name: "torre" }, device: pep.device, key: pep.key };
    const asked: string[] = [];
    const ask = async (name: string) => void asked.push(name);
    const call = new Call("id", { ask, signer: me, ice: servers, saves: () => false, changed: () => undefined, broken: () => undefined },
      { address: "pep@x", display: "Pep", who: "pep@torre", from: "torre" }, "audio", false);
    const signature = await signDescription(pep, "id", "offer", SDP);
    expect(await call.ring({ n: 1, call: "id", from, media: "audio", sdp: SDP, signature, glare: false })).toBe(true);
    call.onCandidate({ candidate: "early", mid: "0", mline: 0 });
    call.prepare();
    await vi.waitFor(() => expect(peer().log).toEqual(["remote offer", "candidate early"]));
    expect(asked).toEqual([]);
    await call.answer(nothing());
    await vi.waitFor(() => expect(asked).toEqual(["accept"]));
    expect(peer().log).toEqual(["remote offer", "candidate early", "local answer"]);
    call.hangUp();
  });

  it("ends when the other side's description is not genuine", async () => {
    const { call, asked, accept } = await calling();
    await accept("A".repeat(86));
    await vi.waitFor(() => expect(call.view.state).toBe("ended"));
    expect(call.view.reason).toBe("not_genuine");
    expect(asked).toContain("hang_up");
    expect(peer().remoteDescription).toBeNull();
  });

  it("is cancelled before it is accepted, and can be restored only after", async () => {
    const { call, asked } = await calling();
    expect(call.restorable).toBeNull();
    call.hangUp();
    expect(asked[asked.length - 1]).toBe("cancel");
    expect(call.view.reason).toBe("cancelled");
    const second = await calling();
    await second.accept();
    expect(second.call.restorable).toEqual({ call: "id", caller: true, peer: { address: "pep@x", device: expect.any(String), node: "x" } });
    second.call.hangUp();
    expect(second.call.restorable).toBeNull();
  });

  it("does not wait for ever for a connection that stays new", async () => {
    const { call, asked, accept } = await calling();
    vi.useFakeTimers();
    await accept();
    await vi.advanceTimersByTimeAsync(31_000);
    expect(call.view).toMatchObject({ state: "ended", reason: "failed" });
    expect(asked).toContain("hang_up");
  });
});
