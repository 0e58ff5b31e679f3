// A peer connection without media: it keeps the signalling state and writes
// down what was asked of it. For tests of the negotiation only.

type State = "stable" | "have-local-offer" | "have-remote-offer" | "closed";

export const FINGERPRINT = `sha-256 ${Array<string>(32).fill("0E").join(":")}`;

/** What DTLS shows of the other side, when it is not what its description says. */
export interface Shown {
  /** `RTCDtlsTransport.getRemoteCertificates`. */
  certificates?: ArrayBuffer[];
  /** In getStats: as in a description. */
  fingerprint?: string;
}

class FakeChannel {
  readyState = "connecting";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly sent: string[] = [];
  send(text: string): void {
    this.sent.push(text);
  }
  open(): void {
    this.readyState = "open";
    this.onopen?.();
  }
}

export class FakePeer {
  static made: FakePeer[] = [];
  signalingState: State = "stable";
  connectionState = "new";
  iceConnectionState = "new";
  localDescription: { type: string; sdp: string } | null = null;
  remoteDescription: { type: string; sdp: string } | null = null;
  onicecandidate: unknown = null;
  ontrack: unknown = null;
  onnegotiationneeded: (() => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  oniceconnectionstatechange: (() => void) | null = null;
  readonly log: string[] = [];
  readonly channel = new FakeChannel();
  private count = 0;

  constructor(readonly config: { bundlePolicy?: string }) {
    FakePeer.made.push(this);
  }
  setConfiguration(config: RTCConfiguration): void {
    this.log.push("servers " + (config.iceServers ?? []).map(({ urls }) => urls).join());
  }
  getSenders(): never[] {
    return [];
  }
  createDataChannel(): FakeChannel {
    return this.channel;
  }
  /** Certificates by the transport, or by the report; by neither when it is undefined. */
  shown: Shown | undefined = undefined;
  /** Reads descriptions in this way, as a browser with a parser of its own would. */
  reads: (sdp: string) => string = (sdp) => sdp;
  readonly sender = {
    track: null as unknown,
    replaceTrack: async (track: unknown) => {
      this.log.push(track ? "send" : "hold");
      this.sender.track = track;
    },
    getParameters: () => ({}),
  };
  get sctp(): unknown {
    const { certificates } = this.shown ?? {};
    return certificates ? { transport: { getRemoteCertificates: () => certificates } } : null;
  }
  async getStats() {
    const [fingerprintAlgorithm, fingerprint] = (this.shown?.fingerprint ?? "").split(" ");
    const report = new Map<string, unknown>([["T", { id: "T", type: "transport", ...(fingerprint && { remoteCertificateId: "C" }) }]]);
    if (fingerprint) report.set("C", { id: "C", type: "certificate", fingerprintAlgorithm, fingerprint });
    return report;
  }
  getTransceivers(): never[] {
    return [];
  }
  addTrack(track: unknown): unknown {
    this.log.push("add track");
    this.sender.track = track;
    return this.sender;
  }
  addTransceiver(kind: string): void {
    this.log.push("add " + kind);
  }
  async createOffer() {
    return { type: "offer", sdp: `a=fingerprint:${FINGERPRINT}\r\nown ${++this.count}` };
  }
  async createAnswer() {
    return { type: "answer", sdp: `a=fingerprint:${FINGERPRINT}\r\nown ${++this.count}` };
  }
  async setLocalDescription(description: { type: string; sdp: string }) {
    this.log.push("local " + description.type);
    if (description.type === "rollback") this.signalingState = "stable";
    else {
      this.localDescription = description;
      this.signalingState = description.type === "offer" ? "have-local-offer" : "stable";
    }
  }
  async setRemoteDescription(description: { type: string; sdp: string }) {
    this.log.push("remote " + description.type);
    this.remoteDescription = { ...description, sdp: this.reads(description.sdp) };
    this.signalingState = description.type === "offer" ? "have-remote-offer" : "stable";
  }
  async addIceCandidate({ candidate }: { candidate: string }) {
    this.log.push("candidate " + candidate);
  }
  restartIce(): void {
    this.log.push("restart");
  }
  close(): void {
    this.signalingState = "closed";
  }
  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

class FakeStream {
  private readonly tracks: unknown[] = [];
  addTrack(track: unknown): void {
    this.tracks.push(track);
  }
  getAudioTracks(): unknown[] {
    return this.tracks;
  }
  getVideoTracks(): never[] {
    return [];
  }
  getTracks(): unknown[] {
    return this.tracks;
  }
}

export function installFakes(): void {
  FakePeer.made = [];
  Object.assign(globalThis, { RTCPeerConnection: FakePeer, MediaStream: FakeStream });
}

export const peer = (): FakePeer => FakePeer.made[FakePeer.made.length - 1]!;
