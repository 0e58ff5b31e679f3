// Numbers of a running call from getStats: for the mark that says how good the
// line is, for its details, for what decides how much is sent, for tests. It
// reads and subtracts; `quality` is the one judgement.

export interface Pair {
  /** Kinds of candidates, as far as the other side's description knows better than a check. */
  local: string;
  remote: string;
  /** How this end reaches its relay: "udp", "tcp" or "tls". */
  relay: string | null;
}

export interface Picture {
  width: number;
  height: number;
  rate: number;
}

/** As counted since the call began, or as it is now. */
export interface CallStats {
  /** When, in ms, by the browser's clock. */
  at: number;
  /** Grows while sound arrives. */
  audioFrames: number;
  /** Part of it that was made up, since nothing had come. */
  concealed: number;
  videoFrames: number;
  framesDecoded: number;
  pair: Pair | null;
  lost: number;
  received: number;
  /** Packets that we sent, and those of them that the other side says it misses. */
  sent: number;
  lostThere: number;
  /** Bytes of the path in use, with the headers of UDP and IPv4. */
  bytesIn: number;
  bytesOut: number;
  roundTripMs: number | null;
  jitterMs: number | null;
  /** What the browser believes the way out can carry, in bits a second. */
  available: number | null;
  pictureIn: Picture | null;
  pictureOut: Picture | null;
  codecs: string[];
}

export type Quality = "good" | "fair" | "poor";

/** What the line did between two looks: shares of 1, kilobits a second. */
export interface Line {
  lostIn: number;
  lostOut: number;
  down: number;
  up: number;
}

export const NO_STATS: CallStats = {
  at: 0, audioFrames: 0, concealed: 0, videoFrames: 0, framesDecoded: 0, pair: null, lost: 0, received: 0,
  sent: 0, lostThere: 0, bytesIn: 0, bytesOut: 0, roundTripMs: null, jitterMs: null, available: null,
  pictureIn: null, pictureOut: null, codecs: [],
};

/** Headers of IPv4 (20) and UDP (8), which getStats leaves out. */
const HEADERS = 28;

type Entry = Record<string, unknown>;
const number = (value: unknown): number => (typeof value === "number" ? value : 0);
const ms = (seconds: unknown): number | null => (typeof seconds === "number" ? seconds * 1000 : null);

/** Reads a report; takes entries so that a test can make one. `sdp` is the other side's description. */
export function readStats(entries: Iterable<Entry>, sdp = ""): CallStats {
  const byId = new Map<string, Entry>();
  for (const entry of entries) byId.set(String(entry.id), entry);
  const out: CallStats = { ...NO_STATS, codecs: [] };
  const codec = (entry: Entry) => {
    const name = String(byId.get(String(entry.codecId))?.mimeType ?? "").split("/")[1];
    if (name && !out.codecs.includes(name)) out.codecs.push(name);
  };
  let pair: Entry | undefined;
  for (const entry of byId.values()) {
    out.at = Math.max(out.at, number(entry.timestamp));
    if (entry.type === "inbound-rtp") {
      out.lost += Math.max(0, number(entry.packetsLost));
      out.received += number(entry.packetsReceived);
      codec(entry);
      if (entry.kind === "audio") {
        out.audioFrames += number(entry.totalSamplesReceived) || number(entry.packetsReceived);
        out.concealed += number(entry.concealedSamples);
        out.jitterMs = ms(entry.jitter);
      } else if (entry.kind === "video") {
        out.framesDecoded += number(entry.framesDecoded);
        out.videoFrames += number(entry.framesReceived) || number(entry.framesDecoded);
        out.pictureIn = picture(entry);
      }
    } else if (entry.type === "outbound-rtp") {
      out.sent += number(entry.packetsSent);
      codec(entry);
      if (entry.kind === "video" && entry.active !== false) out.pictureOut = picture(entry);
    } else if (entry.type === "remote-inbound-rtp") {
      out.lostThere += Math.max(0, number(entry.packetsLost));
      out.roundTripMs = ms(entry.roundTripTime) ?? out.roundTripMs;
    } else if (entry.type === "transport" && entry.selectedCandidatePairId) {
      pair = byId.get(String(entry.selectedCandidatePairId)) ?? pair;
    } else if (entry.type === "candidate-pair" && !pair && entry.nominated && entry.state === "succeeded") {
      pair = entry;
    }
  }
  if (!pair) return out;
  const local = byId.get(String(pair.localCandidateId));
  const remote = byId.get(String(pair.remoteCandidateId));
  out.pair = {
    local: String(local?.candidateType ?? "unknown"), remote: kindIn(sdp, remote),
    relay: typeof local?.relayProtocol === "string" ? local.relayProtocol : null,
  };
  // Firefox has only what the other side's reports say.
  out.roundTripMs = ms(pair.currentRoundTripTime) ?? out.roundTripMs;
  out.bytesIn = number(pair.bytesReceived) + HEADERS * number(pair.packetsReceived);
  out.bytesOut = number(pair.bytesSent) + HEADERS * number(pair.packetsSent);
  if (typeof pair.availableOutgoingBitrate === "number") out.available = pair.availableOutgoingBitrate;
  return out;
}

function picture(entry: Entry): Picture | null {
  const [width, height] = [number(entry.frameWidth), number(entry.frameHeight)];
  return width ? { width, height, rate: number(entry.framesPerSecond) } : null;
}

/** A check may come before the candidate that it belongs to, which then is "prflx" for ever. */
function kindIn(sdp: string, remote: Entry | undefined): string {
  const kind = String(remote?.candidateType ?? "unknown");
  if (kind !== "prflx" || !remote?.address) return kind;
  const told = ` ${String(remote.address)} ${String(remote.port)} typ `;
  const at = sdp.indexOf(told);
  return at < 0 ? kind : /^\w+/.exec(sdp.slice(at + told.length))?.[0] ?? kind;
}

export async function callStats(pc: RTCPeerConnection): Promise<CallStats> {
  const entries: Entry[] = [];
  (await pc.getStats()).forEach((entry: Entry) => entries.push(entry));
  return readStats(entries, pc.remoteDescription?.sdp);
}

export function lineBetween(before: CallStats, now: CallStats): Line {
  const grown = (key: "lost" | "received" | "sent" | "lostThere" | "bytesIn" | "bytesOut") => Math.max(0, now[key] - before[key]);
  const took = now.at - before.at;
  const rate = (bytes: number) => (took > 0 ? (bytes * 8) / took : 0);
  const [lost, received, sent] = [grown("lost"), grown("received"), grown("sent")];
  return {
    // Silence of one who has been heard is loss; one who has no microphone is silent from the start.
    lostIn: lost + received > 0 ? lost / (received + lost) : now.received > 0 && took > 0 ? 1 : 0,
    lostOut: sent > 0 ? Math.min(1, grown("lostThere") / sent) : 0,
    down: rate(grown("bytesIn")),
    up: rate(grown("bytesOut")),
  };
}

/** How good the line is, both ways. 150 ms one way is good, 400 ms is hardly a conversation (ITU-T G.114). */
export function quality(line: Line, roundTripMs: number | null): Quality {
  const lost = Math.max(line.lostIn, line.lostOut);
  const trip = roundTripMs ?? 0;
  if (lost > 0.08 || trip > 500) return "poor";
  return lost > 0.02 || trip > 300 ? "fair" : "good";
}

/** What carries the call, for words. */
export function pathOf({ local, remote }: Pair): "direct" | "reflexive" | "relayed" {
  if (local === "relay" || remote === "relay") return "relayed";
  return local === "host" && remote === "host" ? "direct" : "reflexive";
}
