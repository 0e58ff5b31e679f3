// The controller between wire, calls and views: what a message means to the
// person, and what a tap means to the wire. It draws nothing and knows no
// socket; `main.tsx` gives it both.
import { Calls, type MicDecision } from "./calls";
import type { CallStats } from "./call/stats";
import type { Identity } from "./identity";
import { nameFrom } from "./names";
import { applyPeople } from "./people";
import type { Actions, Store } from "./state";
import { WireError, type IceServer, type Media } from "./wire/messages";
import { Wire, type InboundMessage, type WireEnv, type WireEvents } from "./wire/wire";

const WINDOW = 200;
const WAITING_MS = 600;
const TOAST_MS = 6_000;
const FULL_MS = 5_000;

export class App implements Actions {
  readonly wire: Wire;
  private ice: IceServer[] = [];
  private readonly calls: Calls;
  private waitingTimer: ReturnType<typeof setTimeout> | undefined;
  private toastTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly identity: Identity,
    env: Omit<WireEnv, "signer">,
  ) {
    this.wire = new Wire({ ...env, signer: identity }, this.wireEvents());
    const ask: Wire["request"] = (name, body) => this.wire.request(name, body);
    this.calls = new Calls(store, identity, { ask, signer: identity, ice: () => this.ice }, (text) => this.toast(text));
  }

  async start(): Promise<void> {
    const profile = (await this.identity.profile()) ?? null;
    this.store.set({ page: profile ? "home" : "name", lasting: this.identity.lasting });
    this.wire.watch("", WINDOW);
    this.wire.start(profile);
  }

  stats = async (): Promise<CallStats | undefined> => this.calls.current?.stats();

  /** The page closes: say so at once. */
  leave(): void {
    this.calls.current?.hangUp();
    this.wire.signOut();
  }

  // What the person does.

  enter(display: string, name?: string): void {
    this.store.set({ signingIn: true, nameProblem: null });
    this.wire.signIn({ name: name ?? nameFrom(display, Math.random), display });
  }

  search(text: string): void {
    this.store.set({ search: text });
    this.wire.watch(text.trim().toLowerCase().slice(0, 48), WINDOW);
  }

  select(address: string | null): void {
    this.store.set({ selected: address, settings: false });
  }

  settings(open: boolean): void {
    this.store.set({ settings: open });
  }

  async rename(display: string): Promise<string | null> {
    const { me } = this.store.state;
    if (!me) return null;
    try {
      await this.wire.request("profile", { display });
    } catch (error) {
      return error instanceof WireError ? error.code : "error";
    }
    this.store.set({ me: { ...me, display } });
    await this.identity.saveProfile({ name: me.address.split("@")[0] ?? "", display });
    return null;
  }

  async report(address: string, reason: string): Promise<string | null> {
    try {
      await this.wire.request("report", { address, reason });
      return null;
    } catch (error) {
      return error instanceof WireError ? error.code : "error";
    }
  }

  call(address: string, media: Media): void {
    this.calls.call(address, media);
  }

  answer(media: Media): void {
    this.calls.answer(media);
  }

  decline(): void {
    this.calls.decline();
  }

  hangUp(): void {
    this.calls.hangUp();
  }

  leaveStage(): void {
    this.calls.leaveStage();
  }

  mute(muted: boolean): void {
    this.calls.current?.mute(muted);
  }

  camera(on: boolean): void {
    void this.calls.current?.setCamera(on);
  }

  say(text: string): void {
    void this.calls.current?.say(text);
  }

  micAnswer(how: MicDecision): void {
    this.calls.micAnswer(how);
  }

  trustDevice(): void {
    const { newDevice } = this.store.state;
    if (newDevice) void this.identity.pin(newDevice.address, newDevice.device);
    this.store.set({ newDevice: null });
  }

  useHere(): void {
    this.wire.comeBack();
  }

  // What the wire says.

  private wireEvents(): WireEvents {
    return {
      state: (wire) => {
        this.store.set({ wire });
        const away = wire === "connecting" || wire === "signing";
        clearTimeout(this.waitingTimer);
        if (!away) this.store.set({ waiting: false });
        else if (!this.store.state.waiting) {
          this.waitingTimer = setTimeout(() => this.store.set({ waiting: true }), WAITING_MS);
        }
      },
      hello: (hello) => this.store.set({ node: hello.node.name }),
      signedIn: (me) => {
        this.ice = me.ice;
        const { address, display, device } = me;
        this.store.set({ me: { address, display, device }, page: "home", signingIn: false, nameProblem: null });
        void this.identity.saveProfile({ name: address.split("@")[0] ?? "", display });
        this.calls.newSession();
      },
      refused: (error) => {
        const { me } = this.store.state;
        if (error.code === "full" && me) {
          // Somebody leaves sooner or later; a call goes on meanwhile.
          this.store.set({ waiting: true });
          setTimeout(() => this.enter(me.display, me.address.split("@")[0]), FULL_MS);
          return;
        }
        const typed = this.wire.profileName ?? "";
        const problem = { code: error.code, name: typed, ...(error.suggest ? { suggest: error.suggest } : {}) };
        this.store.set({ page: "name", signingIn: false, nameProblem: problem });
      },
      ice: (servers) => {
        this.ice = servers;
      },
      resumed: () => this.calls.resumed(),
      restorable: () => this.calls.restorable(),
      restored: (call, found) => this.calls.restored(call, found),
      message: (message) => this.onMessage(message),
    };
  }

  private onMessage(message: InboundMessage): void {
    switch (message.name) {
      case "people": {
        const { people, total } = this.store.state;
        return this.store.set(applyPeople({ people: people ?? [], total }, message.body));
      }
      case "nodes":
        return this.store.set({ nodes: message.body.alive });
      default:
        return this.calls.onMessage(message);
    }
  }

  private toast(toast: string): void {
    clearTimeout(this.toastTimer);
    this.store.set({ toast });
    this.toastTimer = setTimeout(() => this.store.set({ toast: "" }), TOAST_MS);
  }
}
