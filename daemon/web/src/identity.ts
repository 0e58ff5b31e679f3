// Who this browser is: a P-256 key that cannot be taken out of it, the counter
// of its attachments, the name it uses here, and the devices of other people
// as they were seen first. It talks to no socket.
import { base32, base64url } from "./wire/bytes";
import type { Profile } from "./wire/wire";
import type { Signer } from "./wire/texts";
import type { Store } from "./storage";

/** `first`: nobody was known; `known`; `changed`: others are known, not this. */
export type PinVerdict = "first" | "known" | "changed";

const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGN = { name: "ECDSA", hash: "SHA-256" };

/** Keys, camera and microphone exist only in a secure context. */
export const isSecure = (): boolean =>
  globalThis.isSecureContext !== false && typeof globalThis.crypto?.subtle === "object";

export async function deviceId(rawKey: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", rawKey);
  return base32(new Uint8Array(hash).subarray(0, 16));
}

/** A call id: 16 random bytes. */
export const newCallId = (): string => base32(crypto.getRandomValues(new Uint8Array(16)));

export class Identity implements Signer {
  private constructor(
    private readonly store: Store,
    private readonly pair: CryptoKeyPair,
    readonly key: string,
    readonly device: string,
    /** False when the browser forgets everything as it closes. */
    readonly lasting: boolean,
  ) {}

  static async open(store: Store, lasting: boolean): Promise<Identity> {
    let pair = await store.get<CryptoKeyPair>("key");
    if (!pair) {
      const made = await crypto.subtle.generateKey(CURVE, false, ["sign", "verify"]);
      // Another tab may have been quicker: its key stays.
      pair = await store.update<CryptoKeyPair>("key", (old) => old ?? made);
    }
    const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    return new Identity(store, pair, base64url(raw), await deviceId(raw), lasting);
  }

  async sign(text: string): Promise<string> {
    const bytes = new TextEncoder().encode(text);
    return base64url(new Uint8Array(await crypto.subtle.sign(SIGN, this.pair.privateKey, bytes)));
  }

  nextCounter(): Promise<number> {
    // Two at a time: c says `here`, c + 1 says `gone`.
    return this.store.update<number>("counter", (old) => (old ?? 0) + 2);
  }

  async raiseCounter(least: number): Promise<void> {
    await this.store.update<number>("counter", (old) => Math.max(old ?? 0, least - 2));
  }

  profile(): Promise<Profile | undefined> {
    return this.store.get<Profile>("profile");
  }

  saveProfile(profile: Profile): Promise<void> {
    return this.store.set("profile", profile);
  }

  /** `hide`: those who are called may not see this device's address. `save`: sound only, and little of it. */
  async wish(name: "hide" | "save"): Promise<boolean> {
    return (await this.store.get<boolean>(name)) ?? false;
  }

  setWish(name: "hide" | "save", value: boolean): Promise<void> {
    return this.store.set(name, value);
  }

  /** Which of the account's own devices this one was not told of yet. Of an account that is new here, none. */
  async unknownDevices(address: string, devices: readonly string[]): Promise<string[]> {
    const known = await this.store.update<string[]>("own:" + address, (old) => old ?? [...devices]);
    return devices.filter((one) => !known.includes(one));
  }

  /** The person has seen these. */
  async knowDevices(address: string, devices: readonly string[]): Promise<void> {
    await this.store.update<string[]>("own:" + address, (old) => [...new Set([...(old ?? []), ...devices])]);
  }

  async checkPin(address: string, device: string): Promise<PinVerdict> {
    const known = (await this.store.get<string[]>("pin:" + address)) ?? [];
    if (known.length === 0) return "first";
    return known.includes(device) ? "known" : "changed";
  }

  async pin(address: string, device: string): Promise<void> {
    await this.store.update<string[]>("pin:" + address, (old) =>
      old?.includes(device) ? old : [...(old ?? []), device],
    );
  }
}
