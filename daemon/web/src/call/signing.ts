// Signed fingerprints (docs/protocol.md section 4, truca-media-1): a node that
// relays signalling cannot put itself into a call without being seen. It knows
// SDP only as far as its `a=fingerprint:` lines.
import { fromBase64url } from "../wire/bytes";
import { mediaText, type Signer } from "../wire/texts";
import { deviceId } from "../identity";
import type { DescriptionKind, Peer } from "../wire/messages";

/** The one fingerprint of an SDP; null when there is none, or several. */
export function fingerprintOf(sdp: string): string | null {
  const all = [...sdp.matchAll(/^a=fingerprint:(.*?)\r?$/gm)].map((match) => match[1] ?? "");
  const first = all[0];
  return first !== undefined && first !== "" && all.every((one) => one === first) ? first : null;
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
