// The calls of this page: the one on the stage, the one that rings, and the
// twin when two people call each other at once. It opens the devices and asks
// when the microphone is missing. It knows no socket: `ask` is the wire's.
import { whoIs } from "./names";
import { Call, type CallEnv } from "./call/call";
import { closeMedia, micGranted, nothing, openMedia, type OwnMedia } from "./call/media";
import { newCallId, type Identity } from "./identity";
import { t } from "./text";
import type { Store } from "./state";
import type { Accepted, EndReason, Incoming, Media, RestoreCall } from "./wire/messages";
import type { InboundMessage } from "./wire/wire";

export type MicDecision = "again" | "listen" | "cancel";

/** How long a call that ended by glare waits for its twin. */
const GLARE_MS = 5_000;

export class Calls {
  current: Call | null = null;
  private ring: Call | null = null;
  /** An invitation by the very person whom we are calling. */
  private twin: Call | null = null;
  /** Asked when it rings, since the answer takes its time. */
  private granted: Promise<boolean> = Promise.resolve(false);
  private micDecision: ((how: MicDecision) => void) | null = null;
  private readonly env: CallEnv;

  constructor(
    private readonly store: Store,
    private readonly identity: Identity,
    env: Omit<CallEnv, "changed">,
    private readonly toast: (text: string) => void,
  ) {
    this.env = { ...env, changed: (call) => this.show(call) };
  }

  // What the person does.

  call(address: string, media: Media): void {
    if (this.current && !this.current.over) return;
    const person = this.store.state.people?.find((one) => one.address === address);
    const old = this.current?.view;
    const display = person?.display ?? (old?.address === address ? old.display : address);
    const call = new Call(newCallId(), this.env, { address, display, who: whoIs(address, person?.home), from: person?.at[0]?.name ?? "" }, media, true);
    this.current = call;
    this.store.set({ selected: null, newDevice: null });
    this.show(call);
    void this.withMedia(call, media, (own) => call.invite(own), () => call.hangUp());
  }

  answer(media: Media): void {
    const call = this.ring;
    if (!call) return;
    this.ring = null;
    this.current = call;
    this.store.set({ incoming: null, selected: null });
    this.show(call);
    void this.granted.then((granted) => granted && call.prepare());
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

  saveData(save: boolean): void {
    for (const call of [this.current, this.ring, this.twin]) if (call && !call.over) call.saveData(save);
  }

  micAnswer(how: MicDecision): void {
    this.micDecision?.(how);
    this.micDecision = null;
    this.store.set({ micQuestion: null });
  }

  // What the wire says.

  onMessage(message: InboundMessage): void {
    switch (message.name) {
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
    }
  }

  /** The session is the old one: nothing was missed. */
  resumed(): void {
    this.current?.signallingBack(false);
  }

  /** The session is a new one: what nobody had accepted is gone. */
  newSession(): void {
    this.ring?.end("lost");
    this.twin = null;
    if (this.current?.view.state === "ringing") this.current.end("lost");
  }

  restorable(): RestoreCall[] {
    const call = this.current?.restorable;
    return call ? [call] : [];
  }

  restored(id: string, found: boolean): void {
    if (this.current?.id !== id) return;
    // Media may go on without the routers; without media it is over.
    if (found) this.current.signallingBack(true);
    else if (this.current.view.state !== "connected") this.current.end("lost");
  }

  private find(id: string): Call | null {
    return [this.current, this.ring, this.twin].find((call) => call?.id === id) ?? null;
  }

  private async onIncoming(message: Incoming): Promise<void> {
    const { from } = message;
    const { address, display, home, node } = from;
    const who = { address, display, who: whoIs(address, home), from: node.name };
    const call = new Call(message.call, this.env, who, message.media, false);
    const mutual = this.inviting(from.address) !== null;
    if ((this.current && !this.current.over && !mutual) || this.ring || this.twin) return call.decline("rejected");
    this.granted = micGranted();
    // At once, since candidates may follow before the check is done.
    if (mutual) this.twin = call;
    else this.ring = call;
    if (!(await call.ring(message))) {
      if (this.twin === call) this.twin = null;
      call.decline("not_genuine");
      this.toast(t("notGenuine", { name: from.display }));
      return;
    }
    await this.checkDevice(call);
    if (call.over) return;
    if (this.twin !== call) return this.show(call);
    const mine = this.inviting(from.address);
    // The smaller id goes on; one that was never said needs no verdict.
    if (!mine) this.ringTwin();
    else if (message.glare || !mine.invitationSaid || call.id < mine.id) await this.adopt(mine);
  }

  /** Our own call to this person that nobody has accepted yet. */
  private inviting(address: string): Call | null {
    const { current } = this;
    return current && !current.over && current.inviting && current.view.address === address ? current : null;
  }

  /** The twin goes on in place of our own call, with its devices. */
  private async adopt(mine: Call): Promise<void> {
    const { twin } = this;
    if (!twin) return;
    this.twin = null;
    this.current = twin;
    const handed = mine.handOver();
    await twin.answer(handed.audio || mine.invitationSaid ? handed : await openMedia(mine.view.media));
  }

  private ringTwin(): void {
    const { twin } = this;
    this.twin = null;
    if (!twin || twin.over || this.ring) return;
    this.ring = twin;
    this.show(twin);
  }

  private async onAccepted(message: Accepted): Promise<void> {
    const call = this.find(message.call);
    call?.onAccepted(message);
    if (call) await this.checkDevice(call);
  }

  private onEnded(id: string, reason: EndReason): void {
    const call = this.find(id);
    if (!call) return;
    if (call === this.twin) {
      this.twin = null;
    } else if (call === this.current && reason === "glare") {
      if (this.twin) void this.adopt(call);
      else setTimeout(() => call.end("glare"), GLARE_MS);
      return;
    } else if (call === this.ring && reason !== "answered_elsewhere" && reason !== "glare") {
      this.toast(t("missed", { name: `${call.view.display} (${call.view.who})` }));
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
      const how = await new Promise<MicDecision>((resolve) => {
        this.micDecision = resolve;
        this.store.set({ micQuestion: problem });
      });
      if (call.over) return closeMedia(own);
      if (how === "listen") return go(own.video ? own : { ...nothing(), cameraProblem: own.cameraProblem });
      closeMedia(own);
      if (how === "cancel") return stop();
    }
  }

  private show(call: Call): void {
    if (call === this.ring) {
      if (call.over) this.ring = null;
      this.store.set({ incoming: call.over ? null : call.view });
    } else if (call === this.current) {
      if (call.over && this.micDecision) this.micAnswer("cancel");
      this.store.set({ call: call.view });
      if (call.over) this.ringTwin();
    }
  }
}
