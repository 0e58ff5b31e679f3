// The controller between wire, calls and views: what a message means to the
// person, and what a tap means to the wire. It draws nothing and knows no
// socket; `main.tsx` gives it both.
import { Call, type CallEnv } from "./call/call";
import { closeMedia, nothing, openMedia, type OwnMedia } from "./call/media";
import { newCallId, type Identity } from "./identity";
import { nameFrom } from "./names";
import { applyPeople } from "./people";
import { t } from "./text";
import type { Actions, Store } from "./state";
import { WireError, type Accepted, type IceServer, type Incoming, type Media, type RestoreCall } from "./wire/messages";
import { Wire, type InboundMessage, type WireEnv, type WireEvents } from "./wire/wire";

const WINDOW = 200;
const WAITING_MS = 600;
const TOAST_MS = 6_000;
/** How long an ended `glare` call waits for the one that replaces it. */
const GLARE_MS = 5_000;

export class App implements Actions {
  readonly wire: Wire;
  private ice: IceServer[] = [];
  private current: Call | null = null;
  private ring: Call | null = null;
  private micDecision: ((how: "again" | "listen" | "cancel") => void) | null = null;
  private waitingTimer: ReturnType<typeof setTimeout> | undefined;
  private toastTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly callEnv: CallEnv;

  constructor(
    private readonly store: Store,
    private readonly identity: Identity,
    env: Omit<WireEnv, "signer">,
  ) {
    this.wire = new Wire({ ...env, signer: identity }, this.wireEvents());
    this.callEnv = {
      ask: (name, body) => this.wire.request(name, body),
      signer: identity,
      ice: () => this.ice,
      changed: (call) => this.showCall(call),
    };
  }

  async start(): Promise<void> {
    const profile = (await this.identity.profile()) ?? null;
    this.store.set({ page: profile ? "home" : "name", lasting: this.identity.lasting });
    this.wire.watch("", WINDOW);
    this.wire.start(profile);
  }

  currentCall = (): Call | null => this.current;

  /** The page closes: say so at once. */
  leave(): void {
    this.current?.hangUp();
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

  call(address: string, media: Media): void {
    const person = this.store.state.people?.find((one) => one.address === address);
    if (this.current && !this.current.over) return;
    const call = new Call(
      newCallId(),
      this.callEnv,
      { address, display: person?.display ?? address, from: person?.at[0]?.name ?? "" },
      media,
      true,
    );
    this.current = call;
    this.store.set({ selected: null, newDevice: null });
    this.showCall(call);
    void this.withMedia(call, media, (own) => call.invite(own), () => call.hangUp());
  }

  answer(media: Media): void {
    const call = this.ring;
    if (!call) return;
    this.ring = null;
    this.current = call;
    this.store.set({ incoming: null, selected: null });
    this.showCall(call);
    void this.withMedia(call, media, (own) => call.answer(own), () => call.decline("no_media"));
  }

  decline(): void {
    this.ring?.decline("rejected");
  }

  hangUp(): void {
    this.micAnswer("cancel");
    this.current?.hangUp();
  }

  leaveStage(): void {
    if (this.current && !this.current.over) return;
    this.current = null;
    this.store.set({ call: null, newDevice: null });
  }

  mute(muted: boolean): void {
    this.current?.mute(muted);
  }

  camera(on: boolean): void {
    void this.current?.setCamera(on);
  }

  say(text: string): void {
    void this.current?.say(text);
  }

  micAnswer(how: "again" | "listen" | "cancel"): void {
    this.micDecision?.(how);
    this.micDecision = null;
    this.store.set({ micQuestion: null });
  }

  trustDevice(): void {
    const { newDevice } = this.store.state;
    if (newDevice) void this.identity.pin(newDevice.address, newDevice.device);
    this.store.set({ newDevice: null });
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
        // A call that nobody had accepted did not survive the old session.
        this.ring?.end("lost");
        const { current } = this;
        if (current && (current.view.state === "ringing") && !current.restorable) current.end("lost");
      },
      refused: (error) => {
        const typed = this.wire.profileName ?? "";
        const problem = { code: error.code, name: typed, ...(error.suggest ? { suggest: error.suggest } : {}) };
        this.store.set({ page: "name", signingIn: false, nameProblem: problem });
      },
      ice: (servers) => {
        this.ice = servers;
      },
      resumed: () => this.current?.signallingBack(false),
      restorable: (): RestoreCall[] => {
        const call = this.current?.restorable;
        return call ? [call] : [];
      },
      restored: (id, found) => {
        if (this.current?.id !== id) return;
        // Media may go on without the routers; without media it is over.
        if (found) this.current.signallingBack(true);
        else if (this.current.view.state !== "connected") this.current.end("lost");
      },
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
      case "incoming":
        return void this.onIncoming(message.body);
      case "accepted":
        return void this.onAccepted(message.body);
      case "ringing":
        return this.find(message.body.call)?.ringing();
      case "candidate":
        return this.find(message.body.call)?.onCandidate(message.body);
      case "describe":
        return this.find(message.body.call)?.onDescribe(message.body);
      case "message":
        return this.find(message.body.call)?.onMessage(message.body.text);
      case "peer":
        return this.find(message.body.call)?.onPeer(message.body.state);
      case "ended":
        return this.onEnded(message.body.call, message.body.reason);
      case "connected":
        return; // the other side's media flows; our own says so by itself
    }
  }

  private find(id: string): Call | null {
    if (this.ring?.id === id) return this.ring;
    return this.current?.id === id ? this.current : null;
  }

  private async onIncoming(message: Incoming): Promise<void> {
    const { from } = message;
    const who = { address: from.address, display: from.display, from: from.node.name };
    const call = new Call(message.call, this.callEnv, who, message.media, false);
    const { current } = this;
    const ours = current?.view.address === from.address && current.view.outgoing && !current.restorable;
    const glare = message.glare && ours;
    if ((current && !current.over && !glare) || this.ring) {
      call.decline("rejected");
      return;
    }
    if (!glare) this.ring = call; // candidates may follow before the check is done
    else this.current = call;
    if (!(await call.ring(message))) {
      if (this.ring === call) this.ring = null;
      call.decline("rejected");
      this.toast(t("notGenuine", { name: from.display }));
      return;
    }
    await this.checkDevice(call);
    if (call.over) return;
    if (glare && current) {
      const own = current.over ? await openMedia(message.media) : current.handOver();
      await call.answer(own);
    } else this.showCall(call);
  }

  private async onAccepted(message: Accepted): Promise<void> {
    const call = this.find(message.call);
    call?.onAccepted(message);
    if (call) await this.checkDevice(call);
  }

  private onEnded(id: string, reason: Parameters<Call["end"]>[0]): void {
    const call = this.find(id);
    if (!call) return;
    if (call === this.current && reason === "glare") {
      // Its twin comes as `incoming` and takes its place.
      setTimeout(() => call.end("glare"), GLARE_MS);
      return;
    }
    if (call === this.ring && reason !== "answered_elsewhere" && reason !== "glare") {
      this.toast(t("missed", { name: call.view.display }));
    }
    call.end(reason);
  }

  private async checkDevice(call: Call): Promise<void> {
    const { peer } = call;
    if (!peer) return;
    const verdict = await this.identity.checkPin(peer.address, peer.device);
    if (verdict === "first") await this.identity.pin(peer.address, peer.device);
    else if (verdict === "changed") {
      this.store.set({ newDevice: { address: peer.address, display: peer.display, device: peer.device } });
    }
  }

  /** Opens the devices; without a microphone the person decides how to go on. */
  private async withMedia(
    call: Call,
    media: Media,
    go: (own: OwnMedia) => Promise<void>,
    stop: () => void,
  ): Promise<void> {
    for (;;) {
      const own = await openMedia(media);
      if (call.over) return closeMedia(own);
      if (own.audio) return go(own);
      const problem = own.micProblem ?? "none";
      const how = await new Promise<"again" | "listen" | "cancel">((resolve) => {
        this.micDecision = resolve;
        this.store.set({ micQuestion: problem });
      });
      if (how === "listen") return go(own.video ? own : { ...nothing(), cameraProblem: own.cameraProblem });
      closeMedia(own);
      if (how === "cancel" || call.over) return call.over ? undefined : stop();
    }
  }

  private showCall(call: Call): void {
    if (call === this.ring) {
      if (call.over) this.ring = null;
      this.store.set({ incoming: call.over ? null : call.view });
    } else if (call === this.current) {
      if (call.over && this.micDecision) this.micAnswer("cancel");
      this.store.set({ call: call.view });
    }
  }

  private toast(toast: string): void {
    clearTimeout(this.toastTimer);
    this.store.set({ toast });
    this.toastTimer = setTimeout(() => this.store.set({ toast: "" }), TOAST_MS);
  }
}
