// Two devices of one person, joined by the words of the protocol: what they show
// each other, and what a router between them cannot do.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Devices, numberOf } from "./devices";
import type { Identity } from "./identity";
import { Store } from "./state";
import type { InboundMessage, Profile, Wire } from "./wire/wire";
import type { Person } from "./wire/messages";

const ADDRESS = "nuria@casa";
const casa = { id: "casa", name: "casa", alive: true };
const nuria: Person = { address: ADDRESS, name: "nuria", display: "Núria", home: casa, at: [], devices: [] };

function device(key: string) {
  const store = new Store();
  const said: [string, Record<string, string>][] = [];
  const ask = async (name: string, body: object) => {
    said.push([name, body as Record<string, string>]);
    return {};
  };
  const wire = { early: ask, request: ask, ask, forgetProfile: () => undefined } as unknown as Wire;
  const identity = { key, sign: async (text: string) => "signed:" + text } as unknown as Identity;
  const entered: Profile[] = [];
  const devices = new Devices(store, wire, identity, (profile) => entered.push(profile), () => undefined);
  const last = (name: string) => said.filter(([one]) => one === name).pop()?.[1] ?? {};
  const hear = (name: string, body: object) => devices.onMessage({ name, body } as InboundMessage);
  return { store, said, devices, entered, last, hear };
}

describe("a new device and one that is in", () => {
  let phone: ReturnType<typeof device>;
  let desk: ReturnType<typeof device>;

  beforeEach(async () => {
    phone = device("PHONE");
    desk = device("DESK");
    desk.store.set({ me: { address: ADDRESS, display: "Núria", device: "d" } });
    phone.devices.open();
    await phone.devices.choose(nuria);
    const { key, commit } = phone.last("link");
    await desk.hear("link_asked", { request: "R", at: casa, key, commit });
    await desk.devices.show();
    await phone.hear("link_shown", { nonce: desk.last("link_show").nonce });
  });

  it("show the same number, and the new one comes in with the name of its home", async () => {
    await desk.hear("link_opened", { request: "R", nonce: phone.last("link_open").nonce });
    const { linking } = phone.store.state;
    expect(desk.store.state.asked?.number).toMatch(/^\d{3} \d{3}$/);
    expect(linking?.step === "ask" && linking.number).toBe(desk.store.state.asked?.number);
    await desk.devices.answer(true);
    expect(desk.last("link_confirm")).toEqual({ request: "R", signature: "signed:truca-link-1\nnuria@casa\nR\nPHONE\n" });
    await phone.hear("link_ended", { reason: "linked" });
    expect(phone.entered).toEqual([{ name: "nuria", display: "Núria", home: "casa" }]);
  });

  it("a nonce that is not the one committed to is turned away, and nothing is signed", async () => {
    await desk.hear("link_opened", { request: "R", nonce: "AAAAAAAAAAAAAAAAAAAAAA" });
    expect(desk.store.state.asked).toBeNull();
    expect(desk.said[desk.said.length - 1]?.[0]).toBe("link_refuse");
    await desk.devices.answer(true);
    expect(desk.said.some(([name]) => name === "link_confirm")).toBe(false);
  });

  it("a key that was put in the place of the new one's gives another number", async () => {
    const nonces = [phone.last("link_open").nonce!, desk.last("link_show").nonce!] as const;
    expect(await numberOf(ADDRESS, "PHONE", ...nonces)).not.toBe(await numberOf(ADDRESS, "ROUTER", ...nonces));
  });

  it("with a new socket it is asked again", async () => {
    phone.devices.newSocket();
    await vi.waitFor(() => expect(phone.said.filter(([name]) => name === "link").length).toBe(2));
  });

  it("says why it did not work", async () => {
    await phone.hear("link_ended", { reason: "refused" });
    const { linking } = phone.store.state;
    expect(linking?.step === "ask" && linking.problem).toBe("refused");
  });
});
