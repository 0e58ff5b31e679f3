// Whose certificate media goes to: as the browser serialises what it took for
// the other side's description, and as DTLS has seen it. What was signed is
// compared with both (docs/protocol.md section 4, "what a page believes").
import { fingerprintOf } from "./signing";

/** What came in the other side's name is not its own. */
export class NotGenuine extends Error {}

/** An `RTCDtlsTransport`, which older browsers have not got, or not all of it. */
type Transport = { getRemoteCertificates?(): ArrayBuffer[] };

/** A certificate may be told of a little after the connection: so often and so long one looks again. */
const LOOKS = 40;
const PAUSE_MS = 50;

function transportsOf(pc: RTCPeerConnection): Set<Transport> {
  const ends = pc.getTransceivers().flatMap(({ sender, receiver }) => [sender.transport, receiver.transport]);
  return new Set([pc.sctp?.transport, ...ends].filter((one): one is RTCDtlsTransport => !!one));
}

/**
 * The fingerprints of every certificate that the other side has shown, as the browser tells of them in one way or
 * another; empty when it tells of none.
 */
export async function shownCertificates(pc: RTCPeerConnection): Promise<Set<string>> {
  const found = new Set<string>();
  for (const transport of transportsOf(pc)) {
    const [der] = transport.getRemoteCertificates?.() ?? [];
    if (der) found.add(spelt(new Uint8Array(await crypto.subtle.digest("SHA-256", der))));
  }
  const byId = new Map<string, Record<string, unknown>>();
  (await pc.getStats()).forEach((entry: Record<string, unknown>) => byId.set(String(entry.id), entry));
  for (const { type, remoteCertificateId } of byId.values()) {
    if (type !== "transport" || remoteCertificateId === undefined) continue;
    const certificate = byId.get(String(remoteCertificateId));
    // what cannot be compared is not the same
    found.add(`${String(certificate?.fingerprintAlgorithm)} ${String(certificate?.fingerprint)}`);
  }
  return found;
}

function spelt(hash: Uint8Array): string {
  return `sha-256 ${[...hash].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(":")}`;
}

/** Does the browser read the other side's description as we did? */
export const tookIt = (pc: RTCPeerConnection, fingerprint: string): boolean =>
  fingerprintOf(pc.remoteDescription?.sdp ?? "") === fingerprint;

/**
 * Is it this certificate that media goes to, and no other? A browser that tells of no certificate (an older Firefox)
 * has compared it itself, with what `tookIt` has read.
 */
export async function goesTo(pc: RTCPeerConnection, fingerprint: string): Promise<boolean> {
  const tells = () => [...transportsOf(pc)].some((one) => one.getRemoteCertificates !== undefined);
  let shown = await shownCertificates(pc);
  for (let look = 0; look < LOOKS && shown.size === 0 && tells(); look++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    shown = await shownCertificates(pc);
  }
  if (shown.size === 0 && tells()) return false;
  return tookIt(pc, fingerprint) && [...shown].every((one) => one === fingerprint);
}
