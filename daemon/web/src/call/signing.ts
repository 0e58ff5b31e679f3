// Signed descriptions (docs/protocol.md section 4, truca-media-2): what crosses
// the routers is believed when the other device signed it, all of it, for this
// call and once. And the one fingerprint of it, which the certificate that
// media goes to must have. It takes SDP only as far as `a=fingerprint:`.
import { base64url, fromBase64url } from "../wire/bytes";
import { mediaText, type Signer } from "../wire/texts";
import { deviceId } from "../identity";
import type { Description, Peer } from "../wire/messages";

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
    // a lone CR, NUL and their like end or split a line in some parsers; half a character is hashed as another
    if (/[^\x20-\x7e]/.test(line)) return null;
    if (!/fingerprint/i.test(line)) continue;
    const exact = EXACT.exec(line)?.[1];
    if (exact === undefined || (found !== null && found !== exact)) return null;
    found = exact;
  }
  return found;
}

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

async function signedText({ sdp, ...what }: Description): Promise<string> {
  return mediaText(what, base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", bytesOf(sdp)))));
}

export async function signDescription(signer: Signer, description: Description): Promise<string> {
  if (fingerprintOf(description.sdp) === null) throw new Error("an SDP of our own without one fingerprint");
  return signer.sign(await signedText(description));
}

/** Does `key` belong to `device`, has it signed just this, and can what is signed be read in one way only? */
export async function verifyDescription(
  peer: Pick<Peer, "key" | "device">,
  description: Description,
  signature: string,
): Promise<boolean> {
  const raw = fromBase64url(peer.key);
  const signed = fromBase64url(signature);
  if (!raw || raw.length !== 65 || !signed || signed.length !== 64) return false;
  if (fingerprintOf(description.sdp) === null || !Number.isSafeInteger(description.number)) return false;
  try {
    if ((await deviceId(raw)) !== peer.device) return false;
    const curve = { name: "ECDSA", namedCurve: "P-256" };
    const key = await crypto.subtle.importKey("raw", raw, curve, false, ["verify"]);
    const text = bytesOf(await signedText(description));
    return await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signed, text);
  } catch {
    return false; // not a point of the curve
  }
}
