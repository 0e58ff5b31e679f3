// One person, several devices: how a new one is let in by one that is in, from
// both sides, and the list of them. What two devices show each other is a
// number that no router between them can make equal (docs/protocol.md section 5).
import { deviceId, type Identity } from "./identity";
import { Passwords } from "./passwords";
import { t } from "./text";
import { base64url, fromBase64url } from "./wire/bytes";
import {
  WireError, type Devices as DeviceList, type LinkEnd, type OwnDevice, type Person,
} from "./wire/messages";
import type { Store } from "./state";
import { linkText, numberText, revokeText } from "./wire/texts";
import type { InboundMessage, Profile, Wire } from "./wire/wire";

const NONCE = 16;

const sha256 = async (bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** The six digits that both devices show. */
export async function numberOf(address: string, key: string, newNonce: string, oldNonce: string): Promise<string> {
  const hash = await sha256(new TextEncoder().encode(numberText(address, key, newNonce, oldNonce)));
  const digits = String(new DataView(hash.buffer).getUint32(0) % 1_000_000).padStart(6, "0");
  return `${digits.slice(0, 3)} ${digits.slice(3)}`;
}

const newNonce = (): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(NONCE));
const codeOf = (error: unknown): string => (error instanceof WireError ? error.code : "error");

export class Devices {
  /** Of the wish that this device has, or has taken up. */
  private nonce = "";
  readonly passwords: Passwords;

  constructor(
    private readonly store: Store,
    private readonly wire: Wire,
    private readonly identity: Identity,
    private readonly enter: (profile: Profile) => void,
    private readonly toast: (text: string) => void,
  ) {
    this.passwords = new Passwords(store, wire, identity, enter);
  }

  // The new device.

  open(): void {
    this.stopAsking();
    this.wire.forgetProfile();
    this.store.set({ linking: { step: "find", found: null, problem: null }, nameProblem: null });
  }

  close(): void {
    this.stopAsking();
    this.store.set({ linking: null });
  }

  private stopAsking(): void {
    const { linking } = this.store.state;
    this.passwords.stopAsking();
    if (linking?.step === "ask" && !linking.problem) void this.wire.early("link_refuse", {}).catch(() => undefined);
  }

  /** That is the person; one who has a password is asked which way. */
  pick(person: Person): void {
    if (person.password) this.store.set({ linking: { step: "how", person } });
    else void this.choose(person);
  }

  async find(text: string): Promise<void> {
    try {
      const answer = await this.wire.early("find", { text: text.trim() });
      this.store.set({ linking: { step: "find", found: (answer.people ?? []) as Person[], problem: null } });
    } catch (error) {
      this.store.set({ linking: { step: "find", found: null, problem: codeOf(error) } });
    }
  }

  async choose(person: Person): Promise<void> {
    const nonce = newNonce();
    this.nonce = base64url(nonce);
    this.store.set({ linking: { step: "ask", person, number: null, problem: null } });
    try {
      const commit = base64url(await sha256(nonce));
      await this.wire.early("link", { address: person.address, key: this.identity.key, commit });
    } catch (error) {
      // With another socket it is asked again.
      if (codeOf(error) !== "lost") this.failed(codeOf(error));
    }
  }

  private failed(problem: string): void {
    const { linking } = this.store.state;
    if (linking?.step === "ask") this.store.set({ linking: { ...linking, number: null, problem } });
  }

  /** The node forgot what was asked on the socket before. */
  newSocket(): void {
    const { linking } = this.store.state;
    // The wire says hello before it is ready to be asked.
    if (linking?.step === "ask" && !linking.problem) setTimeout(() => void this.choose(linking.person));
    this.passwords.newSocket();
    this.store.set({ asked: null });
  }

  private async shown(oldNonce: string): Promise<void> {
    const { linking } = this.store.state;
    if (linking?.step !== "ask" || linking.problem || linking.number) return;
    const { person } = linking;
    const number = await numberOf(person.address, this.identity.key, this.nonce, oldNonce);
    this.store.set({ linking: { ...linking, number } });
    await this.wire.early("link_open", { nonce: this.nonce }).catch(() => undefined);
  }

  private ended(reason: LinkEnd): void {
    const { linking } = this.store.state;
    if (linking?.step !== "ask") return;
    if (reason !== "linked") return this.failed(reason);
    const { name, display, home } = linking.person;
    this.store.set({ linking: null });
    this.enter({ name, display, home: home.id });
  }

  // The device that is in.

  async show(): Promise<void> {
    const { asked } = this.store.state;
    if (!asked || asked.taken) return;
    this.nonce = base64url(newNonce());
    this.store.set({ asked: { ...asked, taken: true } });
    await this.wire.request("link_show", { request: asked.request, nonce: this.nonce }).catch(() => this.dismiss(asked.request));
  }

  async answer(yes: boolean): Promise<void> {
    const { asked, me } = this.store.state;
    if (!asked || !me) return;
    const { request, key, number } = asked;
    try {
      if (yes && number) {
        const signature = await this.identity.sign(linkText(me.address, request, key));
        const point = fromBase64url(key);
        if (point) await this.identity.knowDevices(me.address, [await deviceId(point)]);
        await this.wire.request("link_confirm", { request, signature });
      } else {
        await this.wire.request("link_refuse", { request });
        this.dismiss(request);
      }
    } catch {
      this.dismiss(request);
    }
  }

  private async opened(request: string, nonce: string): Promise<void> {
    const { asked, me } = this.store.state;
    if (asked?.request !== request || !asked.taken || asked.number || !me) return;
    const bytes = fromBase64url(nonce);
    if (!bytes || base64url(await sha256(bytes)) !== asked.commit) {
      this.toast(t("askedFalse"));
      return this.answer(false);
    }
    const number = await numberOf(me.address, asked.key, nonce, this.nonce);
    this.store.set({ asked: { ...asked, number } });
  }

  private dismiss(request: string): void {
    if (this.store.state.asked?.request === request) this.store.set({ asked: null });
  }

  async onMessage(message: InboundMessage): Promise<void> {
    this.passwords.onMessage(message);
    switch (message.name) {
      case "account_changed":
        return this.list();
      case "link_asked":
        return this.store.set({ asked: { ...message.body, number: null, taken: false } });
      case "link_shown":
        return this.shown(message.body.nonce);
      case "link_opened":
        return this.opened(message.body.request, message.body.nonce);
      case "link_ended": {
        const { request, reason } = message.body;
        if (request === undefined) return this.ended(reason);
        if (this.store.state.asked?.request === request) {
          if (reason === "linked") this.toast(t("askedDone"));
          else if (this.store.state.asked.taken) this.toast(t("askedOver"));
        } else if (reason === "home_away") this.toast(t("link_home_away"));
        this.dismiss(request);
        if (reason === "linked" && this.store.state.settings) return this.list();
      }
    }
  }

  // All of them.

  async list(): Promise<void> {
    try {
      const answer = await this.wire.ask("devices", {});
      const devices = answer as unknown as DeviceList;
      this.store.set({ devices });
      const { me } = this.store.state;
      if (!me) return;
      const added = await this.identity.unknownDevices(me.address, devices.devices.map((one) => one.device));
      this.store.set({ added: devices.devices.filter((one) => added.includes(one.device)) });
    } catch {
      // The sheet says who one is all the same.
    }
  }

  /** The person knows of the devices that were added. */
  async known(): Promise<void> {
    const { added, me } = this.store.state;
    this.store.set({ added: [] });
    if (me) await this.identity.knowDevices(me.address, added.map((one) => one.device));
  }

  /** Takes a device out; null, or the code of what went wrong. */
  async revoke(device: OwnDevice["device"]): Promise<string | null> {
    const { devices, me } = this.store.state;
    if (!devices || !me) return "error";
    try {
      const signature = await this.identity.sign(revokeText(me.address, device, devices.counter));
      await this.wire.request("revoke", { device, counter: devices.counter, signature });
    } catch (error) {
      return codeOf(error);
    }
    this.store.set({ devices: { ...devices, devices: devices.devices.filter((one) => one.device !== device) } });
    return null;
  }
}

/** Short enough to tell two devices apart by eye. */
export const shortDevice = (device: string): string => device.slice(0, 4);
