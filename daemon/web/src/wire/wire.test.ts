// The wire against a scripted node (testing/node.ts), in fake time.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { settle, wired } from "../testing/node";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const text = (n: number, what = "hi") => ({ n, call: "c", text: what });

describe("another tab", () => {
  it("takes the session, and this one stays away until it is asked back", async () => {
    const { wire, signIn, sockets, states } = wired();
    (await signIn()).say("bye", { reason: "replaced" });
    await vi.advanceTimersByTimeAsync(60_000);
    wire.nudge();
    expect(sockets.length).toBe(1);
    expect(states[states.length - 1]).toBe("replaced");
    wire.comeBack();
    expect(sockets.length).toBe(2);
  });
});

describe("signing in", () => {
  it("signs the challenge and both attachments, as the protocol writes them", async () => {
    const { wire, socket } = wired();
    wire.start({ name: "nuria", display: "Núria" });
    socket().hello();
    await settle();
    const body = socket().last("sign_in");
    expect(body).toMatchObject({ name: "nuria", display: "Núria", key: "KEY" });
    expect(body.signature).toBe("signed:truca-sign-in-1|node|dare|nuria@node");
    expect(body.attachment).toEqual({
      counter: 2,
      here: "signed:truca-attachment-1|nuria@node|node|7|2|here",
      gone: "signed:truca-attachment-1|nuria@node|node|7|3|gone",
    });
  });

  it("is ready once the node has signed it in", async () => {
    const { wire, signIn, states } = wired();
    await signIn();
    expect(wire.state).toBe("ready");
    expect(states).toEqual(["connecting", "signing", "ready"]);
  });

  it("waits for a name when there is none", async () => {
    const { wire, socket } = wired();
    wire.start(null);
    socket().hello();
    await settle();
    expect(wire.state).toBe("greeted");
    expect(socket().sent).toEqual([]);
    wire.signIn({ name: "pep", display: "Pep" });
    await settle();
    expect(socket().last("sign_in").name).toBe("pep");
  });

  it("tells of a name that is taken, and tries another on the same socket", async () => {
    const { wire, socket, refusals, sockets } = wired();
    wire.start({ name: "nuria", display: "Núria" });
    socket().hello();
    await settle();
    socket().say("error", { id: socket().last("sign_in").id, code: "name_taken", message: "", suggest: "nuria2" });
    await settle();
    expect(wire.state).toBe("refused");
    expect(refusals[0]).toMatchObject({ code: "name_taken", suggest: "nuria2" });
    wire.signIn({ name: "nuria2", display: "Núria" });
    await settle();
    expect(socket().last("sign_in").name).toBe("nuria2");
    expect(sockets).toHaveLength(1);
  });

  it("signs again beyond a counter that the node knows better", async () => {
    const { wire, socket } = wired();
    wire.start({ name: "nuria", display: "Núria" });
    socket().hello();
    await settle();
    socket().say("error", { id: socket().last("sign_in").id, code: "stale_counter", message: "", counter: 40 });
    await settle();
    expect(socket().named("sign_in")).toHaveLength(2);
    expect(socket().last("sign_in").attachment).toMatchObject({ counter: 42 });
  });

  it("uses a counter two larger at every sign-in", async () => {
    const { signIn, reconnect, socket } = wired();
    await signIn();
    await reconnect();
    socket().say("error", { id: socket().last("resume").id, code: "no_session", message: "" });
    await settle();
    expect(socket().last("sign_in").attachment).toMatchObject({ counter: 4 });
  });

  it("signs out and does not come back", async () => {
    const { wire, signIn, socket, sockets } = wired();
    await signIn();
    wire.signOut();
    expect(socket().named("sign_out")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    expect(wire.state).toBe("off");
  });
});

describe("requests", () => {
  it("have ids that only grow", async () => {
    const { wire, signIn, socket, reconnect } = wired();
    await signIn();
    void wire.request("message", { call: "c", text: "1" });
    wire.watch("", 10);
    const before = socket().sent.map((one) => one.body.id);
    await reconnect();
    const after = socket().sent.map((one) => one.body.id);
    const all = [...before, ...after];
    expect(all).toEqual([...all].sort((a, b) => a - b));
    expect(new Set(all).size).toBe(all.length);
  });

  it("resolve with ok and reject with the error's code", async () => {
    const { wire, signIn, socket } = wired();
    await signIn();
    const good = wire.request("message", { call: "c", text: "1" });
    socket().say("ok", { id: socket().last("message").id });
    await expect(good).resolves.toBeUndefined();
    const bad = wire.request("message", { call: "c", text: "2" });
    const refused = expect(bad).rejects.toMatchObject({ code: "no_such_call" });
    socket().say("error", { id: socket().last("message").id, code: "no_such_call", message: "" });
    await refused;
  });

  it("wait for the sign-in", async () => {
    const { wire, socket, acceptSignIn } = wired();
    wire.start({ name: "nuria", display: "Núria" });
    void wire.request("message", { call: "c", text: "early" });
    socket().hello();
    await settle();
    expect(socket().named("message")).toHaveLength(0);
    acceptSignIn();
    await settle();
    expect(socket().named("message")).toHaveLength(1);
  });

  it("are said again after a second when they came too fast, with a new id", async () => {
    const { wire, signIn, socket } = wired();
    await signIn();
    const asked = wire.request("message", { call: "c", text: "1" });
    const first = socket().last("message").id;
    socket().say("error", { id: first, code: "too_fast", message: "" });
    expect(socket().named("message")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(socket().named("message")).toHaveLength(2);
    expect(socket().last("message").id).toBeGreaterThan(first);
    socket().say("ok", { id: socket().last("message").id });
    await expect(asked).resolves.toBeUndefined();
  });
});

describe("resuming", () => {
  it("brings the token and the last n, and does not sign in", async () => {
    const { signIn, reconnect, socket, wire, seen } = wired();
    await signIn();
    socket().say("message", text(1));
    socket().say("message", text(2));
    await reconnect();
    expect(socket().last("resume")).toMatchObject({ token: "T1", seen: 2 });
    expect(socket().named("sign_in")).toHaveLength(0);
    socket().say("resumed", { id: socket().last("resume").id, token: "T2", handled: 1, ice: [] });
    expect(wire.state).toBe("ready");
    expect(seen.resumed).toBe(1);
    await reconnect();
    expect(socket().last("resume").token).toBe("T2");
  });

  it("takes a replayed message once only", async () => {
    const { signIn, reconnect, socket, messages } = wired();
    await signIn();
    socket().say("message", text(1));
    await reconnect();
    socket().say("resumed", { id: socket().last("resume").id, token: "T2", handled: 1, ice: [] });
    socket().say("message", text(1));
    socket().say("message", text(2));
    expect(messages.map((one) => "n" in one.body && one.body.n)).toEqual([1, 2]);
  });

  it("says again what the node has not handled, and no more", async () => {
    const { wire, signIn, reconnect, socket } = wired();
    await signIn();
    const first = wire.request("message", { call: "c", text: "first" });
    const handled = socket().last("message").id;
    const second = wire.request("message", { call: "c", text: "second" });
    await reconnect();
    socket().say("resumed", { id: socket().last("resume").id, token: "T2", handled, ice: [] });
    await expect(first).resolves.toBeUndefined();
    expect(socket().named("message").map((one) => one.text)).toEqual(["second"]);
    expect(socket().last("message").id).toBeGreaterThan(socket().last("resume").id);
    socket().say("ok", { id: socket().last("message").id });
    await expect(second).resolves.toBeUndefined();
  });

  it("keeps the order of what was said while the socket was away", async () => {
    const { wire, signIn, reconnect, socket } = wired();
    await signIn();
    socket().onclose?.();
    for (const one of ["1", "2", "3"]) void wire.request("message", { call: "c", text: one });
    await reconnect();
    socket().say("resumed", { id: socket().last("resume").id, token: "T2", handled: 1, ice: [] });
    expect(socket().named("message").map((one) => one.text)).toEqual(["1", "2", "3"]);
  });

  it("watches again, since the node has forgotten the watch", async () => {
    const { wire, signIn, reconnect, socket } = wired();
    wire.watch("nu", 50);
    await signIn();
    expect(socket().last("watch")).toMatchObject({ text: "nu", limit: 50 });
    await reconnect();
    socket().say("resumed", { id: socket().last("resume").id, token: "T2", handled: 1, ice: [] });
    expect(socket().last("watch")).toMatchObject({ text: "nu", limit: 50 });
  });

  it("watches again after a second when that came too fast", async () => {
    const { wire, signIn, socket } = wired();
    await signIn();
    wire.watch("nu", 50);
    socket().say("error", { id: socket().last("watch").id, code: "too_fast", message: "" });
    await vi.advanceTimersByTimeAsync(1000);
    expect(socket().named("watch")).toHaveLength(2);
  });

  it("ignores people of a watch that was replaced", async () => {
    const { wire, signIn, socket, messages } = wired();
    await signIn();
    wire.watch("a", 50);
    const old = socket().last("watch").id;
    wire.watch("ab", 50);
    const people = { total: 0, here: 0, people: [], gone: [] };
    socket().say("people", { watch: old, ...people });
    expect(messages).toHaveLength(0);
    socket().say("people", { watch: socket().last("watch").id, ...people });
    expect(messages).toHaveLength(1);
  });
});

describe("a node that restarted", () => {
  const call = { call: "c", caller: true, peer: { address: "pep@x", device: "d", node: "x" } };

  it("is signed in to again, and asked for the call before anything else", async () => {
    const { wire, signIn, reconnect, socket, seen, restored, acceptSignIn } = wired();
    await signIn();
    seen.calls = [call];
    socket().onclose?.();
    void wire.request("message", { call: "c", text: "later" });
    await reconnect();
    socket().say("error", { id: socket().last("resume").id, code: "no_session", message: "" });
    await settle();
    acceptSignIn("T9");
    expect(socket().last("restore")).toMatchObject(call);
    expect(socket().named("message")).toHaveLength(0);
    socket().say("ok", { id: socket().last("restore").id });
    expect(restored).toEqual([["c", true]]);
    expect(socket().named("message")).toHaveLength(1);
    expect(wire.state).toBe("ready");
  });

  it("that has lost the call fails what belonged to it", async () => {
    const { wire, signIn, reconnect, socket, seen, restored, acceptSignIn } = wired();
    await signIn();
    seen.calls = [call];
    const said = wire.request("message", { call: "c", text: "1" });
    const refused = expect(said).rejects.toMatchObject({ code: "no_such_call" });
    await reconnect();
    socket().say("error", { id: socket().last("resume").id, code: "no_session", message: "" });
    await settle();
    acceptSignIn("T9");
    socket().say("error", { id: socket().last("restore").id, code: "no_such_call", message: "" });
    await refused;
    expect(restored).toEqual([["c", false]]);
    expect(socket().named("message")).toHaveLength(0);
  });

  it("counts n from 1 again", async () => {
    const { signIn, reconnect, socket, messages, acceptSignIn } = wired();
    await signIn();
    socket().say("message", text(1));
    await reconnect();
    socket().say("error", { id: socket().last("resume").id, code: "no_session", message: "" });
    await settle();
    acceptSignIn("T9");
    socket().say("message", text(1, "new"));
    expect(messages).toHaveLength(2);
  });

  it("whose restoring socket dies is asked again", async () => {
    const { signIn, reconnect, socket, seen, restored, acceptSignIn } = wired();
    await signIn();
    seen.calls = [call];
    await reconnect();
    socket().say("error", { id: socket().last("resume").id, code: "no_session", message: "" });
    await settle();
    acceptSignIn("T9");
    await reconnect();
    socket().say("resumed", { id: socket().last("resume").id, token: "T10", handled: 0, ice: [] });
    socket().say("ok", { id: socket().last("restore").id });
    expect(restored).toEqual([["c", true]]);
  });
});

describe("acknowledging", () => {
  it("confirms within a second, once for several", async () => {
    const { signIn, socket } = wired();
    await signIn();
    for (let n = 1; n <= 3; n++) socket().say("message", text(n));
    expect(socket().named("ack")).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1000);
    expect(socket().named("ack")).toHaveLength(1);
    expect(socket().last("ack").n).toBe(3);
  });

  it("confirms at once when much is unconfirmed", async () => {
    const { signIn, socket } = wired();
    await signIn();
    for (let n = 1; n <= 20; n++) socket().say("message", text(n));
    expect(socket().last("ack").n).toBe(16);
  });
});

describe("a socket", () => {
  it("that is silent for 15 s is pinged, and given up 5 s later", async () => {
    const { signIn, socket, sockets } = wired();
    await signIn();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(socket().named("ping")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(4_900);
    expect(sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(400);
    expect(sockets).toHaveLength(2);
    expect(sockets[0]!.closed).toBe(true);
  });

  it("that answers is kept", async () => {
    const { signIn, socket, sockets } = wired();
    await signIn();
    for (let i = 1; i <= 5; i++) {
      await vi.advanceTimersByTimeAsync(15_000);
      expect(socket().named("ping")).toHaveLength(i);
      socket().say("ok", { id: socket().last("ping").id });
    }
    expect(sockets).toHaveLength(1);
  });

  it("on which only the node speaks is pinged too, before the node calls us silent", async () => {
    const { signIn, socket } = wired();
    await signIn();
    for (let i = 0; i < 8; i++) {
      await vi.advanceTimersByTimeAsync(5_000);
      socket().say("nodes", { alive: 2 });
    }
    expect(socket().named("ping").length).toBeGreaterThanOrEqual(2);
  });

  it("that never opens is given up", async () => {
    const { wire, sockets } = wired();
    wire.start(null);
    await vi.advanceTimersByTimeAsync(8_500);
    expect(sockets).toHaveLength(2);
  });

  it("is opened again at 0.2 s first, and every 3 s at last", async () => {
    const { wire, sockets } = wired();
    wire.start(null);
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      const before = sockets.length;
      sockets[before - 1]!.onclose?.();
      let waited = 0;
      while (sockets.length === before) {
        await vi.advanceTimersByTimeAsync(100);
        waited += 100;
      }
      waits.push(waited);
    }
    expect(waits).toEqual([200, 400, 800, 1600, 3000, 3000]);
  });

  it("is opened at once after a nudge", async () => {
    const { wire, sockets } = wired();
    wire.start(null);
    for (let i = 0; i < 5; i++) {
      sockets[sockets.length - 1]!.onclose?.();
      await vi.advanceTimersByTimeAsync(3_000);
    }
    sockets[sockets.length - 1]!.onclose?.();
    const before = sockets.length;
    wire.nudge();
    expect(sockets).toHaveLength(before + 1);
  });

  it("that seems alive is asked at once after a nudge", async () => {
    const { wire, signIn, socket, sockets } = wired();
    await signIn();
    wire.nudge();
    expect(socket().named("ping")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_800);
    expect(sockets).toHaveLength(2);
  });

  it("says nothing more once it is dead", async () => {
    const { signIn, reconnect, sockets, messages } = wired();
    await signIn();
    const old = sockets[0]!;
    const late = old.onmessage;
    await reconnect();
    late?.({ data: JSON.stringify({ message: text(1) }) });
    expect(messages).toHaveLength(0);
  });
});

describe("what is not understood", () => {
  it("is ignored", async () => {
    const { wire, signIn, socket, messages } = wired();
    await signIn();
    socket().say("from_the_future", { n: 1 });
    for (const data of ["not json", "[]", "null", "{}", '{"message":3}', '"x"', new ArrayBuffer(3)]) {
      socket().onmessage?.({ data });
    }
    expect(messages).toHaveLength(0);
    expect(wire.state).toBe("ready");
  });

  it("starts a new session when the node no longer knows us", async () => {
    const { wire, signIn, socket } = wired();
    await signIn();
    void wire.request("message", { call: "c", text: "1" });
    socket().say("error", { id: socket().last("message").id, code: "not_signed_in", message: "" });
    await vi.advanceTimersByTimeAsync(250);
    socket().hello();
    await settle();
    expect(socket().named("sign_in")).toHaveLength(1);
  });

  it("a bye for overflow means that the session is gone", async () => {
    const { signIn, socket, reconnect } = wired();
    await signIn();
    socket().say("bye", { reason: "overflow" });
    await reconnect();
    expect(socket().named("resume")).toHaveLength(0);
    expect(socket().named("sign_in")).toHaveLength(1);
  });

  it("a bye for stopping means: resume", async () => {
    const { signIn, socket, reconnect } = wired();
    await signIn();
    socket().say("bye", { reason: "stopping" });
    await reconnect();
    expect(socket().named("resume")).toHaveLength(1);
  });
});
