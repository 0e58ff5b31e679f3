// Signed fingerprints (docs/protocol.md section 4, truca-media-1): a node that
// relays signalling cannot put itself into a call without being seen. It takes
// SDP only as far as its `a=fingerprint:` lines.
import { fromBase64url } from "../wire/bytes";
import { mediaText, type Signer } from "../wire/texts";
import { deviceId } from "../identity";
import type { DescriptionKind, Peer } from "../wire/messages";

/** RFC 8122 section 5, as browsers write it: a hash that none of them refuses, and as many bytes as it has. */
const EXACT = /^a=fingerprint:(sha-256 [0-9A-F]{2}(?::[0-9A-F]{2}){31})$/;

/**
 * The one fingerprint of an SDP; null when there is none or several, and when anything else in it could be read as
 * one. Browsers read more than the grammar has (Firefox takes `a=FINGERPRINT:`, `a= fingerprint:` and
 * `a=fingerprint sha-256 …`), so the word may stand nowhere but in exact lines, and no character may hide it.
 */
export function fingerprintOf(sdp: string): string | null {
  let found: string | null = null;
  for (const line of sdp.split(/\r?\n/)) {
    // a lone CR, NUL and their like end or split a line in some parsers
    if (/[\x00-\x1f\x7f]/.test(line)) return null;
    if (!/fingerprint/i.test(line)) continue;
    const exact = EXACT.exec(line)?.[1];
    if (exact === undefined || (found !== null && found !== exact)) return null;
    found = exact;
  }
  return found;
}

export async function signDescription(
  signer: Signer,
  call: string,
  kind: DescriptionKind,
  sdp: string,
): Promise<string> {
  const fingerprint = fingerprintOf(sdp);
  if (fingerprint === null) throw new Error("an SDP of our own without one fingerprint");
  return signer.sign(mediaText(call, kind, fingerprint));
}

/** Does `key` belong to `device`, and has it signed this SDP for this call? */
export async function verifyDescription(
  peer: Pick<Peer, "key" | "device">,
  call: string,
  kind: DescriptionKind,
  sdp: string,
  signature: string,
): Promise<boolean> {
  const raw = fromBase64url(peer.key);
  const signed = fromBase64url(signature);
  const fingerprint = fingerprintOf(sdp);
  if (!raw || raw.length !== 65 || !signed || signed.length !== 64 || fingerprint === null) return false;
  try {
    if ((await deviceId(raw)) !== peer.device) return false;
    const curve = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("raw", raw, curve, false, ["verify"]);
    const text = new TextEncoder().encode(mediaText(call, kind, fingerprint));
    return await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signed, text);
  } catch {
    return false; // not a point of the curve
  }
}
