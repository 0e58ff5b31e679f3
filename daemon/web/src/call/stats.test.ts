// What getStats says, as numbers; and the words that go with them: what is
// asked of the other side's sound, and what the pages tell each other.
import { describe, expect, it } from "vitest";
import { readWord } from "./channel";
import { thinAudio } from "./opus";
import { lineBetween, NO_STATS, pathOf, quality, readStats } from "./stats";

const report = (remote: Record<string, unknown>) => [
  { id: "c", type: "codec", mimeType: "audio/opus" },
  { id: "a", type: "inbound-rtp", kind: "audio", codecId: "c", packetsReceived: 50, packetsLost: 1, totalSamplesReceived: 48000, concealedSamples: 960, jitter: 0.01 },
  { id: "v", type: "inbound-rtp", kind: "video", packetsReceived: 9, framesDecoded: 7, framesReceived: 8, frameWidth: 320, frameHeight: 240, framesPerSecond: 10 },
  { id: "o", type: "outbound-rtp", kind: "audio", codecId: "c", packetsSent: 100, timestamp: 5_000 },
  { id: "f", type: "remote-inbound-rtp", kind: "audio", packetsLost: 4, roundTripTime: 0.03 },
  { id: "t", type: "transport", selectedCandidatePairId: "p" },
  { id: "p", type: "candidate-pair", localCandidateId: "l", remoteCandidateId: "r", currentRoundTripTime: 0.02, bytesSent: 1_000, packetsSent: 10, bytesReceived: 50, availableOutgoingBitrate: 300_000 },
  { id: "l", type: "local-candidate", candidateType: "relay", relayProtocol: "tcp" },
  { id: "r", type: "remote-candidate", ...remote },
];

describe("numbers of a call", () => {
  it("are read from a report", () => {
    const stats = readStats(report({ candidateType: "host" }));
    expect(stats).toMatchObject({
      at: 5_000, audioFrames: 48000, concealed: 960, framesDecoded: 7, videoFrames: 8, lost: 1, received: 59, sent: 100, lostThere: 4,
      roundTripMs: 20, jitterMs: 10, available: 300_000, bytesOut: 1_280, bytesIn: 50, codecs: ["opus"],
      pictureIn: { width: 320, height: 240, rate: 10 }, pictureOut: null,
    });
    expect(stats.pair).toEqual({ local: "relay", remote: "host", relay: "tcp" });
  });

  it("take the round trip from the other side's reports where the path has none", () => {
    const entries = report({ candidateType: "host" }).map((entry) => ({ ...entry, currentRoundTripTime: undefined }));
    expect(readStats(entries).roundTripMs).toBe(30);
  });

  it("name the other side's candidate as it was told, not as a check met it", () => {
    const met = { candidateType: "prflx", address: "10.13.3.1", port: 49_160 };
    expect(readStats(report(met)).pair?.remote).toBe("prflx");
    expect(readStats(report(met), "a=candidate:1 1 udp 5 10.13.3.1 49160 typ relay raddr 0.0.0.0\r\n").pair?.remote).toBe("relay");
    expect(readStats(report(met), "a=candidate:1 1 udp 5 10.13.3.1 491 typ host\r\n").pair?.remote).toBe("prflx");
  });

  it("are differences on a line", () => {
    const before = { ...NO_STATS, at: 1_000, received: 100, sent: 100 };
    const now = { ...before, at: 3_000, received: 195, lost: 5, sent: 200, lostThere: 10, bytesIn: 10_000, bytesOut: 5_000 };
    expect(lineBetween(before, now)).toEqual({ lostIn: 0.05, lostOut: 0.1, down: 40, up: 20 });
  });

  it("take silence for loss only of one who has been heard", () => {
    const heard = { ...NO_STATS, received: 100 };
    expect(lineBetween(heard, { ...heard, at: 2_000 }).lostIn).toBe(1);
    expect(lineBetween(NO_STATS, { ...NO_STATS, at: 2_000 }).lostIn).toBe(0);
  });

  it("judge the line by loss of either side and by round trip", () => {
    const line = { lostIn: 0, lostOut: 0, down: 0, up: 0 };
    expect(quality(line, 40)).toBe("good");
    expect(quality({ ...line, lostIn: 0.04 }, 40)).toBe("fair");
    expect(quality({ ...line, lostOut: 0.09 }, 40)).toBe("poor");
    expect(quality(line, 400)).toBe("fair");
    expect(quality(line, 600)).toBe("poor");
  });

  it("say which way the call goes", () => {
    const path = (local: string, remote: string) => pathOf({ local, remote, relay: null });
    expect(path("host", "host")).toBe("direct");
    expect(path("host", "srflx")).toBe("reflexive");
    expect(path("relay", "prflx")).toBe("relayed");
    expect(path("srflx", "relay")).toBe("relayed");
  });
});

describe("little sound", () => {
  const sdp = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtcp-fb:111 transport-cc\r\na=ptime:20\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=fmtp:96 x=1\r\n";

  it("is asked for in the description, and nothing else in it changes", () => {
    const thin = thinAudio(sdp);
    expect(thin).toContain("a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1;maxaveragebitrate=12000\r\na=ptime:60\r\na=rtcp-fb:111 transport-cc\r\na=rtpmap:63");
    expect(thin.replace(/^a=(fmtp:111|ptime).*\r\n/gm, "")).toBe(sdp.replace(/^a=(fmtp:111|ptime).*\r\n/gm, ""));
    expect(thinAudio(thin)).toBe(thin);
    expect(thinAudio(sdp, true)).toBe(thin.replace("=12000", "=14000").replace("a=rtcp-fb:111 transport-cc\r\n", "").replace(/a=extmap:3.*\r\n/, ""));
  });

  it("is asked for where the browser had no wish at all", () => {
    const bare = "m=audio 9 X 109\r\na=rtpmap:109 opus/48000/2\r\na=mid:0\r\n";
    expect(thinAudio(bare)).toBe("m=audio 9 X 109\r\na=rtpmap:109 opus/48000/2\r\na=fmtp:109 useinbandfec=1;usedtx=1;maxaveragebitrate=12000\r\na=ptime:60\r\na=mid:0\r\n");
    expect(thinAudio("m=video 9 X 96\r\n")).toBe("m=video 9 X 96\r\n");
  });
});

describe("a word between the pages", () => {
  it("is read as far as it is known", () => {
    expect(readWord('{"save":true,"weak":false,"more":1}')).toEqual({ save: true, weak: false });
    expect(readWord('{"weak":"yes"}')).toEqual({ save: false, weak: false });
  });

  it("is nothing when it is no word", () => {
    for (const data of ["", "null", "[", new ArrayBuffer(4), `{"save":true,"pad":"${"x".repeat(300)}"}`]) expect(readWord(data)).toBeNull();
  });
});
