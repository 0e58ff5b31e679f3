// The way in by a password, and setting one from a device that is in. What is
// typed stays in this page: see password.ts.
import type { Identity } from "./identity";
import { answerTo, newSecret, prepared } from "./password";
import type { Store } from "./state";
import { base64url } from "./wire/bytes";
import { WireError, type LinkSalt, type Person } from "./wire/messages";
import { passwordText } from "./wire/texts";
import type { InboundMessage, Profile, Wire } from "./wire/wire";

/** Home has had a new password and said nothing for so long: it is away, or the way to it is. */
const PATIENCE_MS = 20_000;

const codeOf = (error: unknown): string => (error instanceof WireError ? error.code : "error");

export class Passwords {
  /** Of the exchange that is under way. */
  private typed = "";
  private client = "";
  private answer = "";
  /** Who waits for a password to be set. */
  private done: ((code: string | null) => void) | null = null;

  constructor(
    private readonly store: Store,
    private readonly wire: Wire,
    private readonly identity: Identity,
    private readonly enter: (profile: Profile) => void,
  ) {}

  // The new device.

  open(person: Person): void {
    this.store.set({ linking: { step: "password", person, busy: false, problem: null } });
  }

  async come(typed: string): Promise<void> {
    const { linking } = this.store.state;
    if (linking?.step !== "password" || linking.busy) return;
    const password = prepared(typed);
    if (password === null) return this.failed("empty");
    this.typed = password;
    await this.begin(linking.person);
  }

  private async begin(person: Person): Promise<void> {
    this.client = base64url(crypto.getRandomValues(new Uint8Array(16)));
    this.answer = "";
    this.store.set({ linking: { step: "password", person, busy: true, problem: null } });
    try {
      await this.wire.early("link_password", { address: person.address, key: this.identity.key, client: this.client });
    } catch (error) {
      // With another socket it is asked again.
      if (codeOf(error) !== "lost") this.failed(codeOf(error));
    }
  }

  /** The node forgot what was asked on the socket before. */
  newSocket(): void {
    const { linking } = this.store.state;
    if (linking?.step === "password" && linking.busy) setTimeout(() => void this.begin(linking.person));
  }

  stopAsking(): void {
    const { linking } = this.store.state;
    this.typed = "";
    if (linking?.step === "password" && linking.busy) void this.wire.early("link_refuse", {}).catch(() => undefined);
  }

  private failed(problem: string): void {
    const { linking } = this.store.state;
    this.typed = "";
    if (linking?.step === "password") this.store.set({ linking: { ...linking, busy: false, problem } });
  }

  private async prove(asked: LinkSalt): Promise<void> {
    const { linking } = this.store.state;
    const { client } = this;
    const at = this.wire.node?.id ?? "";
    if (linking?.step !== "password" || !linking.busy || this.answer) return;
    const { address } = linking.person;
    const { key } = this.identity;
    const made = await answerTo(asked, this.typed, { address, at, key, client });
    if (this.client !== client || !this.typed) return; // given up meanwhile, or begun anew
    if (!made) {
      this.stopAsking();
      return this.failed("false_home");
    }
    this.answer = made.answer;
    await this.wire.early("link_prove", { key, client, server: asked.server, proof: made.proof }).catch(() => undefined);
  }

  private proved(signature: string): void {
    const { linking } = this.store.state;
    if (linking?.step !== "password" || !linking.busy) return;
    if (!this.answer || signature !== this.answer) return this.failed("false_home");
    this.typed = "";
    const { name, display, home } = linking.person;
    this.store.set({ linking: null });
    this.enter({ name, display, home: home.id });
  }

  // The device that is in.

  /** Sets the password, or takes it away; null, or the code of what went wrong. */
  async set(typed: string | null): Promise<string | null> {
    const { devices, me } = this.store.state;
    const password = typed === null ? null : prepared(typed);
    if (!devices || !me || (typed !== null && password === null)) return "error";
    const { counter } = devices;
    try {
      const secret = password === null ? undefined : await newSecret(password);
      const signature = await this.identity.sign(passwordText(me.address, counter, secret));
      const heard = new Promise<string | null>((resolve) => {
        this.done = resolve;
        setTimeout(() => resolve("home_away"), PATIENCE_MS);
      });
      await this.wire.request("password", { counter, ...(secret && { secret }), signature });
      return await heard;
    } catch (error) {
      return codeOf(error);
    } finally {
      this.done = null;
    }
  }

  onMessage(message: InboundMessage): void {
    switch (message.name) {
      case "link_salt":
        return void this.prove(message.body);
      case "link_proved":
        return this.proved(message.body.signature);
      case "link_ended": {
        const { request, reason } = message.body;
        if (request !== undefined) {
          if (reason === "home_away" || reason === "refused") this.done?.(reason);
        } else if (reason === "linked") this.failed("false_home");
        else this.failed(reason);
        return;
      }
      case "account_changed":
        return this.done?.(null);
    }
  }
}
