// The controller between wire, calls and views: what a message means to the
// person, and what a tap means to the wire. It draws nothing and knows no
// socket; `main.tsx` gives it both.
import { Calls, type MicDecision } from "./calls";
import type { CallStats } from "./call/stats";
import { Devices } from "./devices";
import type { Identity } from "./identity";
import { nameFrom } from "./names";
import { applyPeople } from "./people";
import type { Actions, Store } from "./state";
import { WireError, type IceServer, type Media, type Person } from "./wire/messages";
import { Wire, type InboundMessage, type Profile, type WireEnv, type WireEvents } from "./wire/wire";

const WINDOW = 200;
const WAITING_MS = 600;
const TOAST_MS = 6_000;
const AGAIN_MS = 5_000;
/** A router goes through everybody for each search: letters that come quickly are one. */
const TYPING_MS = 150;

export class App implements Actions {
  readonly wire: Wire;
  private ice: IceServer[] = [];
  private readonly calls: Calls;
  private readonly devices: Devices;
  private profile: Profile | null = null;
  private waitingTimer: ReturnType<typeof setTimeout> | undefined;
  private toastTimer: ReturnType<typeof setTimeout> | undefined;
  private typingTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly identity: Identity,
    env: Omit<WireEnv, "signer">,
  ) {
    this.wire = new Wire({ ...env, signer: identity }, this.wireEvents());
    this.devices = new Devices(store, this.wire, identity, (profile) => this.signIn(profile), (text) => this.toast(text));
    const ask: Wire["request"] = (name, body) => this.wire.request(name, body);
    this.calls = new Calls(store, identity, { ask, signer: identity, address: () => store.state.me?.address ?? "", ice: () => this.servers(), saves: () => store.state.save, broken: () => this.wire.nudge() }, (text) => this.toast(text));
  }

  async start(): Promise<void> {
    const profile = (await this.identity.profile()) ?? null;
    this.profile = profile;
    const [hide, save] = [await this.identity.wish("hide"), await this.identity.wish("save")];
    this.store.set({ page: profile ? "home" : "name", lasting: this.identity.lasting, hide, save });
    this.wire.watch("", WINDOW);
    this.wire.start(profile);
  }

  private servers(): RTCConfiguration {
    return { iceServers: this.ice, iceTransportPolicy: this.store.state.hide ? "relay" : "all" };
  }

  private useServers(servers: IceServer[]): void {
    this.ice = servers;
    this.store.set({ canHide: servers.some(({ credential }) => credential) });
  }

  stats = async (): Promise<CallStats | undefined> => this.calls.current?.stats();

  /** This device is in another network. */
  moved(): void {
    this.wire.nudge();
    this.calls.current?.moved();
  }

  /** The page closes: say so at once. */
  leave(): void {
    this.calls.current?.hangUp();
    this.wire.signOut();
  }

  // What the person does.

  enter(display: string, name?: string): void {
    this.signIn({ name: name ?? nameFrom(display, Math.random), display });
  }

  private signIn(profile: Profile): void {
    this.profile = profile;
    this.store.set({ signingIn: true, nameProblem: null });
    this.wire.signIn(profile);
  }

  search(text: string): void {
    this.store.set({ search: text });
    clearTimeout(this.typingTimer);
    this.typingTimer = setTimeout(() => this.wire.watch(text.trim().toLowerCase().slice(0, 48), WINDOW), TYPING_MS);
  }

  select(address: string | null): void {
    this.store.set({ selected: address, settings: false });
  }

  settings(open: boolean): void {
    this.store.set({ settings: open });
    if (open) void this.devices.list();
  }

  link(open: boolean): void {
    if (open) this.devices.open();
    else this.devices.close();
  }

  linkFind(text: string): void {
    void this.devices.find(text);
  }

  linkAs(person: Person): void {
    this.devices.pick(person);
  }

  linkBy(way: "device" | "password", person: Person): void {
    if (way === "device") void this.devices.choose(person);
    else this.devices.passwords.open(person);
  }

  linkPassword(typed: string): void {
    void this.devices.passwords.come(typed);
  }

  setPassword(typed: string | null): Promise<string | null> {
    return this.devices.passwords.set(typed);
  }

  addedKnown(): void {
    void this.devices.known();
  }

  askedShow(): void {
    void this.devices.show();
  }

  askedAnswer(yes: boolean): void {
    void this.devices.answer(yes);
  }

  revoke(device: string): Promise<string | null> {
    return this.devices.revoke(device);
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
    this.keepProfile(me.address, display);
    return null;
  }

  hideAddress(hide: boolean): void {
    this.store.set({ hide });
    void this.identity.setWish("hide", hide);
  }

  saveData(save: boolean): void {
    this.store.set({ save });
    void this.identity.setWish("save", save);
    this.calls.saveData(save);
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
      hello: (hello) => {
        this.store.set({ node: hello.node.name });
        this.devices.newSocket();
      },
      signedIn: (me) => {
        this.useServers(me.ice);
        const { address, display, device } = me;
        this.store.set({ me: { address, display, device }, page: "home", signingIn: false, nameProblem: null, unkept: me.created });
        this.keepProfile(address, display);
        this.calls.newSession();
        void this.devices.list();
      },
      refused: (error) => {
        const { me } = this.store.state;
        const { profile } = this;
        // Somebody leaves sooner or later; a node that has just started learns of other homes' people soon.
        const passing = (error.code === "full" && me) || (error.code === "no_such_person" && profile?.home);
        if (passing && profile) {
          this.store.set({ waiting: true });
          setTimeout(() => this.profile === profile && this.wire.signIn(profile), AGAIN_MS);
          return;
        }
        const typed = this.wire.profileName ?? "";
        // It had this name, so it is not somebody else's: the device was taken out.
        const code = error.code === "name_taken" && profile?.home ? "taken_out" : error.code;
        const problem = { code, name: typed, ...(error.suggest ? { suggest: error.suggest } : {}) };
        this.store.set({ page: "name", signingIn: false, nameProblem: problem });
      },
      ice: (servers) => {
        this.useServers(servers);
        this.calls.current?.otherServers();
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
      case "kept":
        return this.store.set({ unkept: false });
      case "link_asked":
      case "link_shown":
      case "link_opened":
      case "link_ended":
      case "link_salt":
      case "link_proved":
      case "account_changed":
        return void this.devices.onMessage(message);
      default:
        return this.calls.onMessage(message);
    }
  }

  private keepProfile(address: string, display: string): void {
    const [name = "", home = ""] = address.split("@");
    this.profile = { name, display, home };
    void this.identity.saveProfile(this.profile);
  }

  private toast(toast: string): void {
    clearTimeout(this.toastTimer);
    this.store.set({ toast });
    this.toastTimer = setTimeout(() => this.store.set({ toast: "" }), TOAST_MS);
  }
}
