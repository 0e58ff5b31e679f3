// One RTCPeerConnection and its negotiation: perfect negotiation (RFC 8829
// section 4.1.10.2, the callee is the polite peer), trickled candidates kept
// until their description, media added later, ICE restarted when it is dead.
//
// It knows no wire, no signature and no person: descriptions and candidates
// come in through methods and leave through events, in order. Nobody is heard
// and nothing is sent before DTLS has shown the certificate that the other
// side's description names; this page's own changes to a description are made
// before it leaves, or after it was read.
import type { Candidate, DescriptionKind } from "../wire/messages";
import { STEPS, type Step } from "./adapt";
import { goesTo, NotGenuine, tookIt } from "./certificate";
import { Channel, type Word } from "./channel";
import { nothing, type OwnMedia } from "./media";
import { thinAudio } from "./opus";
import { fingerprintOf } from "./signing";

export type Trickled = Omit<Candidate, "call">;

export interface ConnectionEvents {
  description(kind: DescriptionKind, sdp: string): void;
  candidate(candidate: Trickled): void;
  /** What arrives now: the stream stays the same, `video` says if it has pictures. */
  remote(stream: MediaStream, video: boolean): void;
  /** Media flows (again). */
  up(): void;
  /** Media has stopped flowing. */
  down(): void;
  /** Media goes to another certificate than the description's. */
  notGenuine(): void;
  /** The other page says so, by the way of the media. */
  heard(word: Word): void;
}

export interface Sending {
  /** How large a picture; null: none. */
  step: Step | null;
  /** Little sound to the other side. */
  thin: boolean;
  /** Little sound is wanted from it. */
  wantThin: boolean;
}

const PATIENCE_MS = 2_500;
const RETRY_MS = 8_000;

export class Connection {
  readonly pc: RTCPeerConnection;
  readonly remote = new MediaStream();
  readonly channel: Channel;
  private sending: Sending = { step: STEPS[0] ?? null, thin: false, wantThin: false };
  private limits: Promise<void> = Promise.resolve();
  private readonly unlimited = new Set<RTCRtpSender>();
  private making = false;
  /** An offer is due as soon as one can be made. */
  private due = false;
  /** How often this side has wanted something else; how much of it was in its last offer, and in one that was answered. */
  private wishes = 1;
  private asked = 0;
  private answered = 0;
  private ignoring = false;
  private started = false;
  private alive = false;
  /** It was said that media flows. */
  private up = false;
  private closed = false;
  /** The fingerprint in every description of the other side. */
  private theirs: string | null = null;
  /** DTLS has shown it. Until then: */
  private trusted = false;
  /** … what would be sent, */
  private readonly held = new Map<RTCRtpSender, MediaStreamTrack>();
  /** … and what would be heard and seen. */
  private readonly arrived = new Set<MediaStreamTrack>();
  private own: OwnMedia = nothing();
  private early: Trickled[] = [];
  private restartTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    /** The servers to use, as they are when it is asked: what relaying is granted by changes. */
    private readonly ice: () => RTCConfiguration,
    private readonly polite: boolean,
    private readonly events: ConnectionEvents,
  ) {
    this.pc = new RTCPeerConnection(this.configuration());
    const { pc } = this;
    this.channel = new Channel(pc, (word) => this.events.heard(word));
    pc.onicecandidate = ({ candidate }) => {
      this.events.candidate({
        candidate: candidate?.candidate ?? "",
        mid: candidate?.sdpMid ?? "0",
        mline: candidate?.sdpMLineIndex ?? 0,
      });
    };
    pc.ontrack = ({ track }) => {
      this.arrived.add(track);
      this.tellRemote();
    };
    pc.onnegotiationneeded = () => {
      // what the other side has refused is not asked for again: browsers would, for ever
      if (this.started && this.wishes > this.answered) void this.offer();
    };
    pc.onconnectionstatechange = () => this.judge();
    pc.oniceconnectionstatechange = () => this.judge();
  }

  /** The caller's first offer. */
  async begin(own: OwnMedia, video: boolean): Promise<void> {
    const { pc } = this;
    this.own = own;
    this.add("audio", own.audio);
    if (video) this.add("video", own.video);
    this.asked = this.wishes;
    await pc.setLocalDescription(await pc.createOffer());
    this.emit();
  }

  /** The caller's first offer was answered. */
  async accepted(sdp: string): Promise<void> {
    this.started = true;
    await this.apply("answer", sdp);
  }

  /** The first offer, at the callee: all that can be done with it before there is media of our own. */
  async offered(sdp: string): Promise<void> {
    await this.take("offer", sdp);
    await this.flush();
  }

  /** The callee's answer to it. */
  async answer(own: OwnMedia): Promise<void> {
    const { pc } = this;
    this.own = own;
    for (const transceiver of pc.getTransceivers()) {
      const track = transceiver.receiver.track.kind === "audio" ? own.audio : own.video;
      if (track) await this.give(transceiver, track);
    }
    this.started = true;
    await pc.setLocalDescription(await pc.createAnswer());
    this.emit();
    this.tellRemote();
    if (this.due) void this.offer();
  }

  /** A later description of the other side. */
  async describe(kind: DescriptionKind, sdp: string): Promise<void> {
    const { pc } = this;
    const collision = kind === "offer" && (this.making || pc.signalingState !== "stable");
    this.ignoring = !this.polite && collision;
    if (this.ignoring) return;
    if (kind === "answer" && pc.signalingState !== "have-local-offer") return;
    if (collision) await pc.setLocalDescription({ type: "rollback" });
    await this.apply(kind, sdp);
    if (kind === "offer") {
      // It has said what we want as well.
      this.due = false;
      await pc.setLocalDescription(await pc.createAnswer());
      this.emit();
      this.tellRemote();
    }
  }

  /** What is sent from now on. Sound has its form from the descriptions: another form is another offer. */
  shape(sending: Sending): void {
    const old = this.sending;
    this.sending = sending;
    if (sending.step !== old.step) this.limitVideo();
    if (sending.thin === old.thin && sending.wantThin === old.wantThin) return;
    if (this.started) void this.offer();
    else this.due = this.pc.signalingState === "have-remote-offer";
  }

  async candidate(candidate: Trickled): Promise<void> {
    if (this.closed) return;
    if (!this.pc.remoteDescription) {
      this.early.push(candidate);
      return;
    }
    try {
      await this.pc.addIceCandidate({
        candidate: candidate.candidate,
        sdpMid: candidate.mid ?? null,
        sdpMLineIndex: candidate.mline ?? null,
      });
    } catch (error) {
      // A candidate for an offer that was ignored, or one that this
      // browser cannot use: the others go on.
      if (!this.ignoring) console.debug("candidate not used", error);
    }
  }

  /** Shows this picture to the other side, or none. */
  async setVideo(track: MediaStreamTrack | null): Promise<void> {
    this.wishes++;
    const known = this.pc.getTransceivers().find(
      (one) => one.receiver.track.kind === "video" && one.direction !== "stopped",
    );
    if (!known) {
      if (track) this.add("video", track);
    } else if (track) {
      await this.give(known, track);
    } else {
      this.held.delete(known.sender);
      await known.sender.replaceTrack(null);
      known.direction = "recvonly";
    }
  }

  /** The network may be another one: find a new path when media is dead. */
  revive(): void {
    if (this.started && !this.alive) this.restart();
  }

  /** The network is another one, whatever the old path still seems to be: it stays in use until a new one is found. */
  renew(): void {
    if (!this.started || this.closed) return;
    try {
      this.pc.setConfiguration(this.configuration());
    } catch (error) {
      // The servers that it has may well do.
      console.debug("servers not changed", error);
    }
    this.wishes++;
    this.pc.restartIce?.();
  }

  /** Says the unanswered offer again: the other side may never have had it. */
  repeatOffer(): void {
    if (this.started && this.pc.signalingState === "have-local-offer") this.emit();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.restartTimer);
    const { pc } = this;
    pc.onicecandidate = pc.ontrack = pc.onnegotiationneeded = null;
    pc.onconnectionstatechange = pc.oniceconnectionstatechange = null;
    pc.close();
  }

  private add(kind: "audio" | "video", track: MediaStreamTrack | null): void {
    // addTrack and not addTransceiver: when both sides add at once, the one
    // that rolls back finds its track again in the other's media section.
    if (!track) return void this.pc.addTransceiver(kind, { direction: "recvonly" });
    const sender = this.pc.addTrack(track, this.own.stream);
    if (!this.trusted) {
      this.held.set(sender, track);
      void sender.replaceTrack(null);
    }
    this.limit(sender, kind);
  }

  private async give(transceiver: RTCRtpTransceiver, track: MediaStreamTrack): Promise<void> {
    transceiver.direction = "sendrecv";
    if (this.trusted) await transceiver.sender.replaceTrack(track);
    else this.held.set(transceiver.sender, track);
    this.limit(transceiver.sender, track.kind);
  }

  private limitVideo(): void {
    for (const { sender, receiver } of this.pc.getTransceivers()) if (receiver.track.kind === "video") this.limit(sender, "video");
  }

  /** Sound before pictures, and no more pictures than the line can carry. One after the other: a sender has one set. */
  private limit(sender: RTCRtpSender, kind: string): void {
    if (this.unlimited.has(sender)) return;
    this.unlimited.add(sender);
    this.limits = this.limits.then(async () => {
      this.unlimited.delete(sender);
      const parameters = sender.getParameters();
      const encoding = parameters.encodings?.[0];
      if (!encoding) return;
      const { step } = this.sending;
      if (kind === "audio") encoding.priority = encoding.networkPriority = "high";
      else {
        encoding.priority = encoding.networkPriority = "low";
        encoding.active = step !== null;
        if (step) {
          encoding.maxBitrate = step.bits;
          encoding.maxFramerate = step.rate;
          encoding.scaleResolutionDownBy = step.scale;
        }
      }
      await sender.setParameters(parameters);
    }).catch(() => undefined);
  }

  private async offer(): Promise<void> {
    const { pc } = this;
    if (this.closed) return;
    this.due = this.making || pc.signalingState !== "stable";
    if (this.due) return;
    try {
      this.making = true;
      this.asked = this.wishes;
      const offer = await pc.createOffer();
      if (pc.signalingState !== "stable") return;
      await pc.setLocalDescription(offer);
      this.emit();
    } catch (error) {
      console.debug("no offer", error);
    } finally {
      this.making = false;
    }
  }

  private async apply(kind: DescriptionKind, sdp: string): Promise<void> {
    await this.take(kind, sdp);
    if (kind === "answer") this.answered = this.asked;
    await this.flush();
    this.tellRemote();
    this.limitVideo(); // a browser may have made its sender anew
    if (kind === "answer" && this.due) void this.offer();
  }

  /** What the other side wants to hear, and less where the line carries less. It keeps its certificate to the end. */
  private async take(kind: DescriptionKind, sdp: string): Promise<void> {
    const { thin, wantThin } = this.sending;
    const fingerprint = fingerprintOf(sdp);
    if (fingerprint === null || fingerprint !== (this.theirs ?? fingerprint)) throw new NotGenuine();
    this.theirs = fingerprint;
    await this.pc.setRemoteDescription({ type: kind, sdp: thin ? thinAudio(sdp, wantThin) : sdp });
    if (!tookIt(this.pc, fingerprint)) throw new NotGenuine();
  }

  private async prove(): Promise<void> {
    const { pc, theirs } = this;
    const genuine = theirs !== null && (await goesTo(pc, theirs).catch(() => false));
    if (this.closed) return;
    if (!genuine) return this.events.notGenuine();
    if (!this.trusted) this.trust();
    if (!this.alive || this.up) return;
    this.up = true;
    this.events.up();
  }

  private trust(): void {
    this.trusted = true;
    for (const [sender, track] of this.held) {
      sender.replaceTrack(track).catch((error: unknown) => console.debug("not sent", error));
    }
    this.held.clear();
    this.tellRemote();
  }

  private async flush(): Promise<void> {
    const early = this.early;
    this.early = [];
    for (const candidate of early) await this.candidate(candidate);
  }

  private emit(): void {
    const description = this.pc.localDescription;
    if (this.closed || !description) return;
    const { type, sdp } = description;
    this.events.description(type as DescriptionKind, this.sending.wantThin ? thinAudio(sdp, true) : sdp);
  }

  private tellRemote(): void {
    if (this.closed || !this.trusted) return;
    const heard = this.remote.getTracks();
    for (const track of this.arrived) if (!heard.includes(track)) this.remote.addTrack(track);
    const video = this.pc.getTransceivers().some(
      ({ receiver, currentDirection }) =>
        receiver.track.kind === "video" && (currentDirection === "sendrecv" || currentDirection === "recvonly"),
    );
    this.events.remote(this.remote, video);
  }

  private judge(): void {
    const { pc } = this;
    if (this.closed) return;
    // Older Firefox has only the ICE state.
    const state = pc.connectionState ?? pc.iceConnectionState;
    if (state === "connected" || (state as string) === "completed") {
      clearTimeout(this.restartTimer);
      this.restartTimer = undefined;
      if (!this.alive) {
        this.alive = true;
        void this.prove();
      }
    } else if (state === "disconnected" || state === "failed") {
      this.alive = false;
      if (this.up) {
        this.up = false;
        this.events.down();
      }
      if (state === "failed") this.restartIn(this.polite ? PATIENCE_MS : 0);
      else this.restartIn(this.polite ? 2 * PATIENCE_MS : PATIENCE_MS);
    }
  }

  private configuration(): RTCConfiguration {
    // The callee's servers are asked as soon as its connection is made, while the microphone is opened.
    return { ...this.ice(), bundlePolicy: "max-bundle", iceCandidatePoolSize: this.polite ? 1 : 0 };
  }

  private restartIn(ms: number): void {
    clearTimeout(this.restartTimer);
    this.restartTimer = setTimeout(() => this.restart(), ms);
  }

  private restart(): void {
    if (this.closed || this.alive) return;
    this.renew();
    this.restartIn(RETRY_MS);
  }
}
