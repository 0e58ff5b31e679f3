// Negotiation and the course of a call, on a peer connection without media
// (testing/peer.ts) and with real signatures.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Identity } from "../identity";
import { memoryStore } from "../storage";
import { installFakes, peer } from "../testing/peer";
import type { Accepted, Description, DescriptionKind, Peer } from "../wire/messages";
import { Call } from "./call";
import { Connection, type ConnectionEvents } from "./connection";
import { nothing } from "./media";
import { signDescription } from "./signing";

/** What the router offers now. */
let offered = "turn:a";
const servers = (): RTCConfiguration => ({ iceServers: [{ urls: offered }] });
const PRINT = `sha-256 ${Array<string>(32).fill("BE").join(":")}`;
const OTHER = `sha-256 ${Array<string>(32).fill("EF").join(":")}`;
const SDP = `a=fingerprint:${PRINT}\r\n`;
beforeEach(() => installFakes());
afterEach(() => void vi.useRealTimers());

const silent: ConnectionEvents = {
  description: () => undefined, candidate: () => undefined, remote: () => undefined, up: () => undefined,
  down: () => undefined, notGenuine: () => undefined, heard: () => undefined,
};

async function connection(polite: boolean) {
  const said: string[] = [];
  const states: string[] = [];
  const made = new Connection(servers, polite, {
    description: (kind) => said.push(kind),
    candidate: () => undefined,
    remote: () => undefined,
    up: () => states.push("up"),
    down: () => states.push("down"),
    notGenuine: () => states.push("not genuine"),
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
/** Until the certificate was looked at; without a timer, since they may be at a stand. */
const looked = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

describe("a connection", () => {
  it("bundles everything", async () => {
    await connection(false);
    expect(peer().config.bundlePolicy).toBe("max-bundle");
  });

  it("keeps candidates until their description", async () => {
    const made = new Connection(servers, true, silent);
    await made.candidate({ candidate: "early", mid: "0", mline: 0 });
    expect(peer().log).toEqual([]);
    await made.offered(SDP);
    await made.answer(nothing());
    expect(peer().log).toEqual(["remote offer", "candidate early", "local answer"]);
  });

  it("of the caller ignores an offer that crosses its own", async () => {
    const { made, said } = await connection(false);
    made.renew();
    peer().log.length = 0;
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
    made.renew();
    peer().onnegotiationneeded?.();
    await tick();
    made.repeatOffer();
    expect(said).toEqual(["offer", "offer"]);
  });

  it("asks once for what the other side refuses, and again when it wants something else", async () => {
    const { made, said } = await connection(false);
    // browsers say so again after each answer that has refused a part
    for (let times = 0; times < 3; times++) {
      peer().onnegotiationneeded?.();
      await tick();
    }
    expect(said).toEqual([]);
    await made.setVideo({ kind: "video" } as MediaStreamTrack);
    peer().onnegotiationneeded?.();
    await tick();
    await made.describe("answer", SDP);
    for (let times = 0; times < 20; times++) {
      peer().onnegotiationneeded?.();
      await tick();
    }
    expect(said).toEqual(["offer"]);
    made.renew();
    peer().onnegotiationneeded?.();
    await tick();
    expect(said).toEqual(["offer", "offer"]);
  });

  it("of the callee asks once for what the first offer had no place for", async () => {
    const { made, said } = await connection(true);
    for (let times = 0; times < 5; times++) {
      peer().onnegotiationneeded?.();
      await tick();
      await made.describe("answer", SDP);
    }
    expect(said).toEqual(["offer"]);
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
    const made = new Connection(servers, true, { ...silent, description: (kind) => said.push(kind) });
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
    await looked();
    peer().become("failed");
    expect(states).toEqual(["up", "down"]);
    vi.advanceTimersByTime(0);
    expect(peer().log).toEqual(["servers turn:a", "restart"]);
    offered = "turn:b";
    vi.advanceTimersByTime(8_000);
    expect(peer().log).toEqual(["servers turn:a", "restart", "servers turn:b", "restart"]);
    peer().become("connected");
    await looked();
    vi.advanceTimersByTime(60_000);
    expect(peer().log).toHaveLength(4);
    expect(states).toEqual(["up", "down", "up"]);
  });

  it("gives a short disturbance time to pass", async () => {
    await connection(false);
    vi.useFakeTimers();
    peer().become("connected");
    await looked();
    peer().become("disconnected");
    vi.advanceTimersByTime(2_000);
    peer().become("connected");
    await looked();
    vi.advanceTimersByTime(60_000);
    expect(peer().log).toEqual([]);
  });

  it("leaves living media alone when signalling comes back", async () => {
    const { made } = await connection(false);
    peer().become("connected");
    await looked();
    made.revive();
    expect(peer().log).toEqual([]);
    peer().become("disconnected");
    made.revive();
    expect(peer().log.slice(-1)).toEqual(["restart"]);
    made.close();
  });
});

describe("a connection whose certificate was not seen", () => {
  const track = { kind: "audio" } as MediaStreamTrack;
  const microphone = () => ({ ...nothing(), audio: track });

  async function begun(fingerprint: string) {
    const remotes: number[] = [];
    const states: string[] = [];
    const made = new Connection(servers, false, {
      ...silent, remote: (stream) => remotes.push(stream.getTracks().length),
      up: () => states.push("up"), down: () => states.push("down"), notGenuine: () => states.push("not genuine"),
    });
    await made.begin(microphone(), false);
    await made.accepted(SDP);
    (peer().ontrack as (event: unknown) => void)({ track: { kind: "audio" } });
    peer().shown = { fingerprint };
    return { made, remotes, states };
  }

  it("sends nothing and lets nothing be heard, and does both when it was", async () => {
    const { remotes, states } = await begun(PRINT);
    expect(peer().log).toEqual(["add track", "hold", "local offer", "remote answer"]);
    expect(peer().sender.track).toBeNull();
    expect(remotes).toEqual([]);
    peer().become("connected");
    expect(states).toEqual([]);
    await looked();
    expect(peer().sender.track).toBe(track);
    expect(remotes).toEqual([1]);
    expect(states).toEqual(["up"]);
  });

  it("never does when it is another one", async () => {
    const { remotes, states } = await begun(OTHER);
    peer().become("connected");
    await looked();
    expect(states).toEqual(["not genuine"]);
    expect(peer().sender.track).toBeNull();
    expect(remotes).toEqual([]);
  });

  it("looks again after each restart", async () => {
    const { states } = await begun(PRINT);
    peer().become("connected");
    await looked();
    peer().become("failed");
    peer().shown = { fingerprint: OTHER };
    peer().become("connected");
    await looked();
    expect(states).toEqual(["up", "down", "not genuine"]);
  });

  it("waits for a certificate that is told of a little later, and not for ever", async () => {
    const { states } = await begun("");
    peer().shown = { certificates: [] };
    vi.useFakeTimers();
    peer().become("connected");
    await vi.advanceTimersByTimeAsync(500);
    expect(states).toEqual([]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(states).toEqual(["not genuine"]);
  });
});

describe("a connection in another network", () => {
  it("looks for a new path at once, while the old one is still in use", async () => {
    const { made, states } = await connection(true);
    peer().become("connected");
    await looked();
    offered = "turn:c";
    made.renew();
    expect(peer().log).toEqual(["servers turn:c", "restart"]);
    expect(states).toEqual(["up"]);
  });

  it("does nothing before the first answer, and nothing when it is closed", async () => {
    const made = new Connection(servers, false, silent);
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
    const said: unknown[] = [];
    const ask = async (name: string, body: unknown) => {
      asked.push(name);
      said.push(body);
    };
    const call = new Call("id", { ask, signer: me, address: () => "nuria@x", ice: servers, saves: () => saves, changed: () => undefined, broken: () => undefined },
      { address: "pep@x", display: "Pep", who: "pep@torre", from: "torre" }, "audio", true);
    await call.invite(nothing());
    await vi.waitFor(() => expect(asked).toContain("invite"));
    const answer: Description = { call: "id", kind: "answer", number: 1, from: "pep@x", to: "nuria@x", sdp: SDP };
    const sign = (more: Partial<Description>) => signDescription(pep, { ...answer, ...more });
    const accept = async (signature?: string, more: Partial<Accepted> = {}) =>
      call.onAccepted({ n: 1, call: "id", by, media: "audio", number: 1, sdp: SDP, signature: signature ?? (await sign({})), ...more });
    const describe = async (kind: DescriptionKind, number: number, sdp: string) =>
      call.onDescribe({ n: 2, call: "id", kind, media: "audio", number, sdp, signature: await sign({ kind, number, sdp }) });
    return { call, asked, said, by, accept, describe };
  }

  it("goes from calling to connected, and says so once", async () => {
    const { call, asked, accept } = await calling();
    call.ringing();
    expect(call.view.state).toBe("ringing");
    await accept();
    expect(call.view.state).toBe("connecting");
    await vi.waitFor(() => expect(peer().remoteDescription).not.toBeNull());
    peer().become("connected");
    await looked();
    peer().become("disconnected");
    expect(call.view.state).toBe("reconnecting");
    peer().become("connected");
    await looked();
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
    await looked();
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
    const call = new Call("id", { ask, signer: me, address: () => "nuria@x", ice: servers, saves: () => false, changed: () => undefined, broken: () => undefined },
      { address: "pep@x", display: "Pep", who: "pep@torre", from: "torre" }, "audio", false);
    const offer: Description = { call: "id", kind: "offer", number: 1, from: "pep@x", to: "nuria@x", sdp: SDP };
    const signature = await signDescription(pep, offer);
    expect(await call.ring({ n: 1, call: "id", from, media: "audio", number: 1, sdp: SDP, signature, glare: false })).toBe(true);
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
    const { call, asked, said, accept } = await calling();
    await accept("A".repeat(86));
    await vi.waitFor(() => expect(call.view.state).toBe("ended"));
    expect(call.view.reason).toBe("not_genuine");
    expect(asked).toContain("hang_up");
    expect(said).toContainEqual({ call: "id", reason: "not_genuine" });
    expect(peer().remoteDescription).toBeNull();
  });

  it("ends when somebody else answers, be it by a device of their own", async () => {
    const { call, accept, by } = await calling();
    const mallory = await Identity.open(memoryStore(), true);
    const signature = await signDescription(mallory, { call: "id", kind: "answer", number: 1, from: "mallory@x", to: "nuria@x", sdp: SDP });
    await accept(signature, { by: { ...by, address: "mallory@x", device: mallory.device, key: mallory.key } });
    await vi.waitFor(() => expect(call.view.state).toBe("ended"));
    expect(call.view.reason).toBe("not_genuine");
    expect(peer().remoteDescription).toBeNull();
  });

  it("does not take its own word for the other side's", async () => {
    const me = await Identity.open(memoryStore(), true);
    const call = new Call("id", { ask: async () => undefined, signer: me, address: () => "nuria@x", ice: servers, saves: () => false, changed: () => undefined, broken: () => undefined },
      { address: "nuria@x", display: "N", who: "n", from: "torre" }, "audio", false);
    const from: Peer = { address: "nuria@x", display: "N", node: { id: "x", name: "torre" }, device: me.device, key: me.key };
    const signature = await signDescription(me, { call: "id", kind: "offer", number: 1, from: "nuria@x", to: "nuria@x", sdp: SDP });
    expect(await call.ring({ n: 1, call: "id", from, media: "audio", number: 1, sdp: SDP, signature, glare: false })).toBe(false);
  });

  it("passes over what was said before, and takes what is new", async () => {
    const { call, accept, describe } = await calling();
    await accept();
    await vi.waitFor(() => expect(peer().remoteDescription).not.toBeNull());
    peer().log.length = 0;
    await describe("offer", 3, SDP + "a=later\r\n");
    await vi.waitFor(() => expect(peer().log).toEqual(["remote offer", "local answer"]));
    await describe("offer", 2, SDP + "a=earlier\r\n");
    await describe("offer", 3, SDP + "a=later\r\n");
    await describe("answer", 1, SDP);
    await describe("offer", 4, SDP + "a=last\r\n");
    await vi.waitFor(() => expect(peer().log).toEqual(["remote offer", "local answer", "remote offer", "local answer"]));
    expect(peer().remoteDescription?.sdp).toContain("a=last");
    expect(call.over).toBe(false);
    call.hangUp();
  });

  it("signs each description with a larger number, for both accounts", async () => {
    const { call, accept, said } = await calling();
    await accept();
    await vi.waitFor(() => expect(peer().remoteDescription).not.toBeNull());
    call.moved();
    peer().onnegotiationneeded?.();
    await vi.waitFor(() => expect(said.filter((one) => (one as { sdp?: string }).sdp)).toHaveLength(2));
    expect(said.map((one) => (one as { number?: number }).number).filter(Boolean)).toEqual([1, 2]);
    call.hangUp();
  });

  it("ends when a later description, signed as it is, names another certificate", async () => {
    const { call, accept, describe } = await calling();
    await accept();
    await vi.waitFor(() => expect(peer().remoteDescription).not.toBeNull());
    peer().log.length = 0;
    await describe("offer", 2, SDP.replaceAll("BE", "EF"));
    await vi.waitFor(() => expect(call.view.reason).toBe("not_genuine"));
    expect(peer().log).toEqual([]);
  });

  it("ends when the browser reads another fingerprint than the signed one", async () => {
    const { call, accept, said } = await calling();
    peer().reads = (sdp) => sdp + `a=fingerprint:${OTHER}\r\n`;
    await accept();
    await vi.waitFor(() => expect(call.view.reason).toBe("not_genuine"));
    expect(said).toContainEqual({ call: "id", reason: "not_genuine" });
    expect(peer().signalingState).toBe("closed");
  });

  it.each([
    ["in the report", async () => ({ fingerprint: OTHER })],
    ["in the report, by another hash", async () => ({ fingerprint: PRINT.replace("sha-256", "sha-1") })],
    ["at the transport", async () => ({ certificates: [new Uint8Array([1, 2, 3]).buffer] })],
  ] as const)("ends when DTLS shows another certificate, %s, and nothing was sent or heard", async (_, shown) => {
    const { call, accept, said } = await calling();
    await accept();
    await vi.waitFor(() => expect(peer().remoteDescription).not.toBeNull());
    peer().shown = await shown();
    peer().become("connected");
    await vi.waitFor(() => expect(call.view.reason).toBe("not_genuine"));
    expect(said).toContainEqual({ call: "id", reason: "not_genuine" });
    expect(call.view).toMatchObject({ state: "ended", connectedAt: null, remote: null });
    expect(peer().signalingState).toBe("closed");
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
