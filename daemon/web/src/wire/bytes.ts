// Bytes as the protocol writes them: base64url without padding for keys and
// signatures, lower-case base32 for ids. Pure functions.

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

function encode(bytes: Uint8Array, alphabet: string, bits: number): string {
  let out = "";
  let held = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    held += 8;
    while (held >= bits) {
      held -= bits;
      out += alphabet[(value >> held) & ((1 << bits) - 1)];
    }
    value &= (1 << held) - 1;
  }
  if (held > 0) out += alphabet[(value << (bits - held)) & ((1 << bits) - 1)];
  return out;
}

export const base64url = (bytes: Uint8Array): string => encode(bytes, BASE64URL, 6);
export const base32 = (bytes: Uint8Array): string => encode(bytes, BASE32, 5);

/** The bytes of unpadded base64url, or null when it is not that. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> | null {
  if (text.length % 4 === 1) return null;
  const out = new Uint8Array((text.length * 6) >> 3);
  let held = 0;
  let value = 0;
  let at = 0;
  for (const letter of text) {
    const digit = BASE64URL.indexOf(letter);
    if (digit < 0) return null;
    value = ((value << 6) | digit) & 0xfff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[at++] = (value >> held) & 0xff;
    }
  }
  return out;
}
