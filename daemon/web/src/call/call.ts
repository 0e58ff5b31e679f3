// One call as its person sees it: from ringing to its end, with chat, mute and
// camera. It joins the wire's requests, the signatures and the connection.
//
// A dropped socket changes nothing here: media is peer to peer, and the wire
// says later what could not be said. It draws nothing and asks for no device
// but the camera.
import { whoIs } from "../names";
import { Adapter, STEPS } from "./adapt";
import { NotGenuine } from "./certificate";
import { NOTHING_SAID } from "./channel";
import { Connection, type Trickled } from "./connection";
import { closeMedia, nothing, openCamera, type OwnMedia } from "./media";
import { signDescription, verifyDescription } from "./signing";
import { callStats, lineBetween, NO_STATS, quality, type CallStats } from "./stats";
import type { CallView, ChatLine, Ending } from "./view";
import type { Signer } from "../wire/texts";
import type {
  Accepted, Describe, Described, Description, DescriptionKind, Incoming, Media, Peer, Requests, RestoreCall,
} from "../wire/messages";

export interface CallEnv {
  ask<K extends keyof Requests>(name: K, body: Requests[K]): Promise<void>;
  signer: Signer;
  /** This account's own address. */
  address(): string;
  ice(): RTCConfiguration;
  /** The person wants to save data. */
  saves(): boolean;
  changed(call: Call): void;
  /** The path of media broke: the network may be another one. */
  broken(): void;
}

const CONNECT_MS = 30_000;
const DEAD_MS = 60_000;
const STATS_MS = 1_000;
/** The line is judged over so many looks. */
const LOOKS = 6;

export class Call {
  view: CallView;
  peer: Peer | null = null;
  private own: OwnMedia = nothing();
  private connection: Connection | null = null;
  private outgoing: Promise<void> = Promise.resolve();
  private incoming: Promise<void> = Promise.resolve();
  private early: Trickled[] = [];
  private invited: Incoming | null = null;
  private said = false;
  private accepted = false;
  private chatCount = 0;
  /** The numbers of the last descriptions, ours and the other side's. */
  private lastSaid = 0;
  private lastHeard = 0;
  private readonly adapter = new Adapter();
  private looks: CallStats[] = [];
  private limit: ReturnType<typeof setTimeout> | undefined;
  private statsTimer: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly id: string,
    private readonly env: CallEnv,
    who: { address: string; display: string; who: string; from: string },
    media: Media,
    outgoing: boolean,
  ) {
    this.view = {
      id, outgoing, media, ...who, state: outgoing ? "calling" : "incoming", reason: null,
      connectedAt: null, endedAt: null, own: this.own.stream, remote: null, muted: false, hasMic: false,
      camera: false, cameraProblem: null, remoteVideo: false, peerLost: false,
      mine: { ...NOTHING_SAID, save: env.saves() }, theirs: NOTHING_SAID, quality: null, stats: NO_STATS, line: null, chat: [],
    };
  }

  get over(): boolean {
    return this.view.state === "ended";
  }

  /** Ours, and nobody has accepted it yet. */
  get inviting(): boolean {
    return this.view.outgoing && !this.accepted;
  }

  get invitationSaid(): boolean {
    return this.said;
  }

  /** What to tell a node that has forgotten the call; null when it cannot go on. */
  get restorable(): RestoreCall | null {
    if (!this.accepted || !this.peer || this.over) return null;
    const { address, device, node } = this.peer;
    return { call: this.id, caller: this.view.outgoing, peer: { address, device, node: node.id } };
  }

  // The caller.

  async invite(media: OwnMedia): Promise<void> {
    if (this.over) return closeMedia(media);
    this.take(media);
    this.connect(false);
    await this.guard(() => this.connection?.begin(media, this.view.media === "video"));
  }

  ringing(): void {
    if (this.view.state === "calling") this.change({ state: "ringing" });
  }

  onAccepted(message: Accepted): void {
    if (this.accepted || this.over) return;
    this.accepted = true;
    this.peer = message.by;
    // a router may not say that somebody else has answered
    const { address: called } = this.view;
    const { address, display, home, node } = message.by;
    this.change({ state: "connecting", display, who: whoIs(address, home), from: node.name });
    this.limitConnecting();
    this.receive(async () => {
      if (address !== called) throw new NotGenuine();
      if (await this.isNews("answer", message)) await this.connection?.accepted(message.sdp);
    });
  }

  // The callee.

  /** The invitation: is it genuine? */
  async ring(message: Incoming): Promise<boolean> {
    this.invited = message;
    this.peer = message.from;
    return this.isGenuine("offer", message);
  }

  /** The person has said yes: what needs no microphone is done while it is opened. Nothing is told to the caller. */
  prepare(): void {
    const { invited } = this;
    if (!invited || this.over || this.connection) return;
    const connection = this.connect(true);
    for (const candidate of this.early.splice(0)) void connection.candidate(candidate);
    this.receive(async () => {
      // Again, since in a glare the answer may come before the first check.
      if (await this.isNews("offer", invited)) await connection.offered(invited.sdp);
    });
  }

  async answer(media: OwnMedia): Promise<void> {
    if (!this.invited || this.over) return closeMedia(media);
    this.take(media);
    this.accepted = true;
    this.change({ state: "connecting" });
    this.limitConnecting();
    this.prepare();
    this.receive(() => this.connection?.answer(media));
    await this.incoming;
  }

  decline(reason: "rejected" | "no_media" | "not_genuine"): void {
    this.request("reject", { call: this.id, reason });
    this.end(reason);
  }

  // Both.

  onCandidate(candidate: Trickled): void {
    if (!this.connection) this.early.push(candidate);
    else this.receive(async () => this.connection?.candidate(candidate));
  }

  onDescribe(message: Describe): void {
    this.receive(async () => {
      if (await this.isNews(message.kind, message)) await this.connection?.describe(message.kind, message.sdp);
    });
  }

  onPeer(state: "lost" | "back"): void {
    this.change({ peerLost: state === "lost" });
    if (state === "back") this.signallingBack(true);
  }

  /** Signalling works again; `lossy` when something said may never have arrived. */
  signallingBack(lossy: boolean): void {
    if (lossy) this.connection?.repeatOffer();
    this.connection?.revive();
  }

  /** This device is in another network. */
  moved(): void {
    this.connection?.renew();
  }

  /** The node has other servers: its ways into the mesh changed, and a path that broke may be found by them. */
  otherServers(): void {
    if (this.view.state === "reconnecting") this.connection?.revive();
  }

  onMessage(text: string): void {
    this.addChat({ id: ++this.chatCount, mine: false, text, state: "sent" });
  }

  async say(text: string): Promise<void> {
    const line: ChatLine = { id: ++this.chatCount, mine: true, text, state: "sending" };
    this.addChat(line);
    const state = await this.env.ask("message", { call: this.id, text }).then(
      () => "sent" as const,
      () => "failed" as const,
    );
    this.change({ chat: this.view.chat.map((one) => (one.id === line.id ? { ...one, state } : one)) });
  }

  mute(muted: boolean): void {
    if (this.own.audio) this.own.audio.enabled = !muted;
    this.change({ muted });
  }

  async setCamera(on: boolean): Promise<void> {
    const old = this.own.video;
    if (!on) {
      this.change({ camera: false });
      await this.connection?.setVideo(null);
      this.dropVideo(old);
      return;
    }
    const got = await openCamera();
    if (typeof got === "string" || this.over) {
      if (typeof got !== "string") got.stop();
      else this.change({ cameraProblem: got });
      return;
    }
    this.dropVideo(old);
    this.own.video = got;
    this.own.stream.addTrack(got);
    this.change({ camera: true, cameraProblem: null, media: "video" });
    await this.connection?.setVideo(got);
  }

  /** Sound only, and little of it, both ways; or everything again. */
  saveData(save: boolean): void {
    this.change({ mine: { ...this.view.mine, save } });
    this.steer();
  }

  hangUp(): void {
    if (this.over) return;
    this.sayOver("hung_up");
    this.end(this.accepted ? "hung_up" : "cancelled");
  }

  end(reason: Ending): void {
    if (this.over) return;
    clearTimeout(this.limit);
    clearInterval(this.statsTimer);
    this.connection?.close();
    closeMedia(this.own);
    this.change({ state: "ended", reason, endedAt: Date.now(), camera: false, remoteVideo: false, remote: null });
  }

  /** Ends without a word and leaves the devices open for the call that replaces this one. */
  handOver(): OwnMedia {
    const media = this.own;
    this.own = nothing();
    this.end("glare");
    return media;
  }

  async stats(): Promise<CallStats> {
    return this.connection && !this.over ? callStats(this.connection.pc) : this.view.stats;
  }

  private connect(polite: boolean): Connection {
    this.connection = new Connection(this.env.ice, polite, {
      description: (kind, sdp) => this.send(async () => this.tell(kind, sdp)),
      candidate: (candidate) => this.send(async () => {
        this.request("candidate", { call: this.id, ...candidate });
      }),
      remote: (remote, remoteVideo) => this.change({ remote, remoteVideo }),
      up: () => this.up(),
      down: () => this.down(),
      notGenuine: () => void this.guard(() => Promise.reject(new NotGenuine("certificate"))),
      heard: (theirs) => {
        const { save, weak } = this.view.theirs;
        if (theirs.save === save && theirs.weak === weak) return;
        this.change({ theirs });
        this.steer();
      },
    });
    this.steer();
    return this.connection;
  }

  private async tell(kind: DescriptionKind, sdp: string): Promise<void> {
    const number = ++this.lastSaid;
    const description: Description = { call: this.id, kind, number, from: this.env.address(), to: this.view.address, sdp };
    const signature = await signDescription(this.env.signer, description);
    if (this.over) return;
    const media = this.view.camera ? "video" as const : "audio" as const;
    const described = { call: this.id, media, number, sdp, signature };
    if (this.said) return this.request("describe", { ...described, kind });
    this.said = true;
    if (this.view.outgoing) {
      const { media, address } = this.view;
      this.request("invite", { ...described, media, to: address });
    } else this.request("accept", described);
  }

  /** Asks; a refusal of what the call stands on ends it. */
  private request<K extends keyof Requests>(name: K, body: Requests[K]): void {
    this.env.ask(name, body).catch((error: { code?: string }) => {
      const { code } = error;
      if (code === "no_such_call" && name !== "candidate") this.end("lost");
      else if (name !== "invite" && name !== "accept") console.debug(name, code);
      else if (code === "not_here" || code === "no_such_person" || code === "too_many_calls") this.end(code);
      else this.end("error");
    });
  }

  /** What leaves keeps its order although signing takes time. */
  private send(job: () => Promise<void>): void {
    this.outgoing = this.outgoing.then(() => this.guard(job));
  }

  /** One after the other, since each changes the connection. */
  private receive(job: () => Promise<void> | undefined): void {
    this.incoming = this.incoming.then(() => this.guard(job));
  }

  private async guard(job: () => Promise<void> | undefined): Promise<void> {
    if (this.over) return;
    try {
      await job();
    } catch (error) {
      console.debug("call failed", error);
      if (this.over) return;
      const reason = error instanceof NotGenuine ? "not_genuine" : "failed";
      this.sayOver(reason);
      this.end(reason);
    }
  }

  /** The word that ends a call depends on how far it has come. */
  private sayOver(reason: "hung_up" | "failed" | "not_genuine"): void {
    const call = this.id;
    if (this.accepted && this.said) this.request("hang_up", { call, reason });
    else if (!this.view.outgoing) this.request("reject", { call, reason: reason === "not_genuine" ? reason : "rejected" });
    else if (this.said) this.request("cancel", { call });
  }

  private async isGenuine(kind: DescriptionKind, { number, sdp, signature }: Described): Promise<boolean> {
    const { peer, env } = this;
    // what we have said ourselves is no word of the other side
    if (!peer || peer.key === env.signer.key) return false;
    return verifyDescription(peer, { call: this.id, kind, number, from: peer.address, to: env.address(), sdp }, signature);
  }

  /** Fails when it is not genuine; what was said before, or before something later, is passed over. */
  private async isNews(kind: DescriptionKind, described: Described): Promise<boolean> {
    if (!(await this.isGenuine(kind, described))) throw new NotGenuine(kind);
    if (described.number <= this.lastHeard) return false;
    this.lastHeard = described.number;
    return true;
  }

  private take(media: OwnMedia): void {
    this.own = media;
    this.change({
      own: media.stream, hasMic: media.audio !== null, camera: media.video !== null, cameraProblem: media.cameraProblem,
    });
  }

  private up(): void {
    clearTimeout(this.limit);
    if (this.view.connectedAt === null) this.request("connected", { call: this.id });
    this.change({ state: "connected", connectedAt: this.view.connectedAt ?? Date.now() });
    this.statsTimer ??= setInterval(() => void this.measure(), STATS_MS);
  }

  private down(): void {
    this.looks = [];
    this.adapter.newPath();
    this.change({ state: "reconnecting", quality: null, line: null });
    this.env.broken();
    this.limitTo(DEAD_MS);
  }

  private limitConnecting(): void {
    this.limitTo(CONNECT_MS);
  }

  private limitTo(ms: number): void {
    clearTimeout(this.limit);
    this.limit = setTimeout(() => {
      this.sayOver("failed");
      this.end("failed");
    }, ms);
  }

  private async measure(): Promise<void> {
    if (this.view.state !== "connected" || !this.connection) return;
    const stats = await callStats(this.connection.pc);
    if (this.view.state !== "connected") return;
    const before = this.looks[0] ?? stats;
    this.looks = [...this.looks, stats].slice(-LOOKS);
    const { camera, mine, theirs } = this.view;
    this.adapter.look(stats.at, stats, camera && !mine.save && !theirs.save);
    this.steer();
    const line = before === stats ? null : lineBetween(before, stats);
    const paused = this.view.mine.weak || theirs.weak;
    this.change({ stats, line, quality: paused ? "poor" : line && quality(line, stats.roundTripMs) });
  }

  /** Sends what the line carries and both people want, and says why when that is no picture. */
  private steer(): void {
    const { camera, mine, theirs } = this.view;
    const { level, thin, paused } = this.adapter.plan;
    const none = mine.save || theirs.save;
    const weak = camera && paused && !none;
    if (weak !== mine.weak) this.change({ mine: { ...mine, weak } });
    this.connection?.shape({ step: none ? null : STEPS[level] ?? null, thin: thin || mine.save, wantThin: mine.save });
    this.connection?.channel.say(this.view.mine);
  }

  private dropVideo(track: MediaStreamTrack | null): void {
    if (!track) return;
    track.stop();
    this.own.stream.removeTrack(track);
    if (this.own.video === track) this.own.video = null;
  }

  private addChat(line: ChatLine): void {
    this.change({ chat: [...this.view.chat, line].slice(-200) });
  }

  private change(part: Partial<CallView>): void {
    this.view = { ...this.view, ...part };
    this.env.changed(this);
  }
}
