// The way in by a password, joined with a home made of this page's own words.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Devices } from "./devices";
import type { Identity } from "./identity";
import { newSecret, proof, stretch } from "./password";
import { Store } from "./state";
import { fromBase64url } from "./wire/bytes";
import { WireError, type PasswordSecret, type Person } from "./wire/messages";
import { authMessage } from "./wire/texts";
import type { InboundMessage, Profile, Wire } from "./wire/wire";

const ADDRESS = "nuria@casa";
const PASSWORD = "horse tram river";
const casa = { id: "casa", name: "casa", alive: true };
const nuria: Person = { address: ADDRESS, name: "nuria", display: "N\u00faria", home: casa, at: [], devices: [], password: true };

function device() {
  const store = new Store();
  const said: [string, Record<string, unknown>][] = [];
  const answers: Record<string, unknown> = {};
  const ask = async (name: string, body: object) => {
    said.push([name, body as Record<string, unknown>]);
    const answer = answers[name];
    if (answer instanceof Error) throw answer;
    return answer ?? {};
  };
  const wire = { early: ask, request: ask, ask, forgetProfile: () => undefined, node: { id: "torre" } } as unknown as Wire;
  const known: string[] = [];
  const identity = {
    key: "KEY", sign: async (text: string) => "signed:" + text,
    unknownDevices: async (_: string, all: string[]) => all.filter((one) => !known.includes(one)),
    knowDevices: async (_: string, more: string[]) => void known.push(...more),
  } as unknown as Identity;
  const entered: Profile[] = [];
  const devices = new Devices(store, wire, identity, (profile) => entered.push(profile), () => undefined);
  const last = (name: string) => said.filter(([one]) => one === name).pop()?.[1] as Record<string, never>;
  const hear = (name: string, body: object) => devices.onMessage({ name, body } as InboundMessage);
  return { store, said, devices, entered, last, hear, answers, known };
}

// The stretching is the real one, and takes its time.
const SLOW = { timeout: 60_000 };

describe("a new device that knows the password", SLOW, () => {
  let secret: PasswordSecret;
  let phone: ReturnType<typeof device>;
  const step = () => {
    const { linking } = phone.store.state;
    if (linking?.step !== "password") throw new Error(JSON.stringify(linking));
    return linking;
  };
  const salt = () => phone.hear("link_salt", { server: "SERVER", salt: secret.salt, iterations: secret.iterations });

  beforeEach(async () => {
    secret ??= await newSecret(PASSWORD);
    phone = device();
    phone.devices.open();
    phone.devices.pick(nuria);
    phone.devices.passwords.open(nuria);
  });

  const comes = async (typed = PASSWORD) => {
    await phone.devices.passwords.come(typed);
    await salt();
    await vi.waitFor(() => expect(phone.last("link_prove")).toBeDefined(), 20_000);
    const keys = await stretch(PASSWORD, fromBase64url(secret.salt)!, secret.iterations);
    const message = authMessage(ADDRESS, "torre", "KEY", phone.last("link_password").client!, "SERVER", fromBase64url(secret.salt)!, secret.iterations);
    return proof(keys, message);
  };

  it("is asked which way, and one without a password is not", () => {
    phone.devices.pick(nuria);
    expect(phone.store.state.linking?.step).toBe("how");
    phone.devices.pick({ ...nuria, password: false });
    expect(phone.store.state.linking?.step).toBe("ask");
  });

  it("shows a proof, and comes in when home has proved itself too; nothing it said has the password in it", async () => {
    const right = await comes();
    expect(step().busy).toBe(true);
    expect(phone.last("link_prove").proof).toBe(right.proof);
    await phone.hear("link_proved", { signature: right.answer });
    expect(phone.entered).toEqual([{ name: "nuria", display: "N\u00faria", home: "casa" }]);
    expect(JSON.stringify(phone.said)).not.toContain("horse");
  });

  it("does not come in to a home that does not know it", async () => {
    await comes();
    await phone.hear("link_proved", { signature: "WRONG" });
    expect([step().problem, phone.entered.length]).toEqual(["false_home", 0]);
    // nor to one that leaves the proof out
    await comes();
    await phone.hear("link_ended", { reason: "linked" });
    expect([step().problem, phone.entered.length]).toEqual(["false_home", 0]);
  });

  it("works nothing out for a home that asks for a cheap guess", async () => {
    await phone.devices.passwords.come(PASSWORD);
    await phone.hear("link_salt", { server: "SERVER", salt: secret.salt, iterations: 4096 });
    await vi.waitFor(() => expect(step().problem).toBe("false_home"));
    expect(phone.last("link_prove")).toBeUndefined();
  });

  it("is told what is wrong, and may try again", async () => {
    await phone.devices.passwords.come("");
    expect(step().problem).toBe("empty");
    await comes("horse");
    await phone.hear("link_ended", { reason: "wrong_password" });
    expect([step().problem, step().busy]).toEqual(["wrong_password", false]);
    phone.answers.link_password = new WireError("banned", "");
    await phone.devices.passwords.come(PASSWORD);
    expect(step().problem).toBe("banned");
  });

  it("asks again on a new socket, with another nonce", async () => {
    await phone.devices.passwords.come(PASSWORD);
    const { client } = phone.last("link_password");
    phone.devices.newSocket();
    await vi.waitFor(() => expect(phone.said.filter(([name]) => name === "link_password").length).toBe(2));
    expect(phone.last("link_password").client).not.toBe(client);
  });
});

describe("a device that is in", SLOW, () => {
  const list = (...ids: string[]) => ({ counter: 7, devices: ids.map((one) => ({ device: one, here: true, at: casa })) });
  let desk: ReturnType<typeof device>;

  beforeEach(async () => {
    desk = device();
    desk.known.push("desk");
    desk.store.set({ me: { address: ADDRESS, display: "N\u00faria", device: "desk" } });
    desk.answers.devices = list("desk");
    await desk.devices.list();
  });

  it("sets the password, signed with the counter of the account, and takes it away", async () => {
    const set = desk.devices.passwords.set(PASSWORD);
    await vi.waitFor(() => expect(desk.last("password")).toBeDefined(), 20_000);
    const { counter, secret, signature } = desk.last("password") as unknown as { counter: number; secret: PasswordSecret; signature: string };
    expect(counter).toBe(7);
    expect(signature).toBe(`signed:truca-password-1\nnuria@casa\n7\n${secret.salt}\n600000\n${secret.stored}\n${secret.server}\n`);
    await desk.hear("account_changed", { counter: 8 });
    expect(await set).toBeNull();
    const gone = desk.devices.passwords.set(null);
    await vi.waitFor(() => expect(desk.said.filter(([name]) => name === "password").length).toBe(2));
    expect(desk.last("password")).toEqual({ counter: 7, signature: "signed:truca-password-1\nnuria@casa\n7\n" });
    await desk.hear("link_ended", { request: "R", reason: "home_away" });
    expect(await gone).toBe("home_away");
  });

  it("says that a device was added, until the person says that it was them", async () => {
    expect(desk.store.state.added).toEqual([]);
    desk.answers.devices = list("desk", "thief");
    await desk.hear("account_changed", { counter: 8 });
    expect(desk.store.state.added.map((one) => one.device)).toEqual(["thief"]);
    await desk.devices.known();
    await desk.hear("account_changed", { counter: 9 });
    expect(desk.store.state.added).toEqual([]);
  });
});
