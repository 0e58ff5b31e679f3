// Numbers of a running call from getStats: for tests, for support, and for the
// mark that says how good the line is. It judges by loss and round trip only.

export interface CallStats {
  /** Grows while sound arrives. */
  audioFrames: number;
  videoFrames: number;
  framesDecoded: number;
  /** Kinds of candidates, and how this end reaches its relay: "udp" or "tcp". */
  pair: { local: string; remote: string; relay: string | null } | null;
  lost: number;
  received: number;
  roundTripMs: number | null;
  jitterMs: number | null;
}

export type Quality = "good" | "fair" | "poor";

export const NO_STATS: CallStats = {
  audioFrames: 0, videoFrames: 0, framesDecoded: 0, pair: null,
  lost: 0, received: 0, roundTripMs: null, jitterMs: null,
};

type Entry = Record<string, unknown>;
const number = (value: unknown): number => (typeof value === "number" ? value : 0);

/** Reads a report; takes entries so that a test can make one. */
export function readStats(entries: Iterable<Entry>): CallStats {
  const byId = new Map<string, Entry>();
  for (const entry of entries) byId.set(String(entry.id), entry);
  const out = { ...NO_STATS };
  let pair: Entry | undefined;
  for (const entry of byId.values()) {
    if (entry.type === "inbound-rtp") {
      out.lost += Math.max(0, number(entry.packetsLost));
      out.received += number(entry.packetsReceived);
      if (entry.kind === "audio") {
        out.audioFrames += number(entry.totalSamplesReceived) || number(entry.packetsReceived);
        out.jitterMs = number(entry.jitter) * 1000;
      } else if (entry.kind === "video") {
        out.framesDecoded += number(entry.framesDecoded);
        out.videoFrames += number(entry.framesReceived) || number(entry.framesDecoded);
      }
    } else if (entry.type === "transport" && entry.selectedCandidatePairId) {
      pair = byId.get(String(entry.selectedCandidatePairId)) ?? pair;
    } else if (entry.type === "candidate-pair" && !pair && entry.nominated && entry.state === "succeeded") {
      pair = entry;
    }
  }
  if (pair) {
    const type = (id: unknown) => String(byId.get(String(id))?.candidateType ?? "unknown");
    const relay = byId.get(String(pair.localCandidateId))?.relayProtocol;
    out.pair = {
      local: type(pair.localCandidateId), remote: type(pair.remoteCandidateId),
      relay: typeof relay === "string" ? relay : null,
    };
    if (pair.currentRoundTripTime !== undefined) out.roundTripMs = number(pair.currentRoundTripTime) * 1000;
  }
  return out;
}

export async function callStats(pc: RTCPeerConnection): Promise<CallStats> {
  const entries: Entry[] = [];
  (await pc.getStats()).forEach((entry: Entry) => entries.push(entry));
  return readStats(entries);
}

/** How good the line was between two looks at it. */
export function quality(before: CallStats, now: CallStats): Quality {
  const received = now.received - before.received;
  const lost = Math.max(0, now.lost - before.lost);
  const share = received + lost > 0 ? lost / (received + lost) : 1;
  const trip = now.roundTripMs ?? 0;
  if (share > 0.08 || trip > 500) return "poor";
  return share > 0.02 || trip > 250 ? "fair" : "good";
}
