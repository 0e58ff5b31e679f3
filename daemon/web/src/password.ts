// What a password becomes before anything of it leaves the browser: the page's
// side of SCRAM-SHA-256 (RFC 5802, RFC 7677; docs/protocol.md section 5), and
// which passwords are worth having. It knows no socket and keeps nothing.
import { base64url, fromBase64url } from "./wire/bytes";
import type { LinkSalt, PasswordSecret } from "./wire/messages";
import { authMessage } from "./wire/texts";

/** Of a new password. Who has seen an exchange pays as much for each guess. */
export const ITERATIONS = 600_000;
/** A node that asks for fewer wants to guess cheaply, one that asks for more wants the page to hang. */
const MOST_ITERATIONS = 10_000_000;
export const LEAST_LETTERS = 10;
/** So many different ones, or it is one key pressed again and again. */
const LEAST_DIFFERENT = 6;
const WELL_KNOWN = /^(.{1,4})\1+$|0123456|1234567|password|qwerty|asdfgh|contrasen|contraseñ/;

type Bytes = Uint8Array<ArrayBuffer>;
export type Strength = "short" | "simple" | "fair" | "good";

/** What the keys of a password are, once it is stretched. */
export interface Keys {
  client: Bytes;
  stored: Bytes;
  server: Bytes;
}

const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

/** RFC 8265 section 4.2 (OpaqueString); null when it has what nobody types. */
export function prepared(typed: string): string | null {
  if (typed === "" || /\p{Cc}/u.test(typed)) return null;
  return typed.replace(/\p{Zs}/gu, " ").normalize("NFC");
}

/** What a stranger with a list of words would think of it. `names` are what everybody knows of its owner. */
export function strength(password: string, names: readonly string[]): Strength {
  const letters = [...password];
  if (letters.length < LEAST_LETTERS) return "short";
  const plain = password.toLowerCase();
  const known = names.some((name) => name.length > 2 && plain.split(name.toLowerCase()).join("").length < LEAST_LETTERS);
  if (new Set(letters).size < LEAST_DIFFERENT || WELL_KNOWN.test(plain) || known || /^\d{1,13}$/.test(plain)) return "simple";
  const words = plain.split(/[^\p{L}\p{N}]+/u).filter((word) => word.length > 2).length;
  return words >= 4 || letters.length >= 18 ? "good" : "fair";
}

async function mac(key: Bytes, text: string): Promise<Bytes> {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, utf8(text)));
}

/** Takes a second or several, beside everything else: the browser has a thread for it. */
export async function stretch(password: string, salt: Bytes, iterations: number): Promise<Keys> {
  const typed = await crypto.subtle.importKey("raw", utf8(password), "PBKDF2", false, ["deriveBits"]);
  const salted = new Uint8Array(await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations }, typed, 256));
  const [client, server] = await Promise.all([mac(salted, "Client Key"), mac(salted, "Server Key")]);
  return { client, server, stored: new Uint8Array(await crypto.subtle.digest("SHA-256", client)) };
}

/** What home keeps of a new password. */
export async function newSecret(password: string): Promise<PasswordSecret> {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const { stored, server } = await stretch(password, salt, ITERATIONS);
  return { salt: base64url(salt), iterations: ITERATIONS, stored: base64url(stored), server: base64url(server) };
}

/** `ClientProof`, and the `ServerSignature` that only home can answer with. */
export async function proof(keys: Keys, message: string): Promise<{ proof: string; answer: string }> {
  const [ours, theirs] = await Promise.all([mac(keys.stored, message), mac(keys.server, message)]);
  return { proof: base64url(keys.client.map((byte, at) => byte ^ (ours[at] ?? 0))), answer: base64url(theirs) };
}

/** The same for what home has asked, or null when no home would ask that. */
export async function answerTo(
  asked: LinkSalt, password: string, who: { address: string; at: string; key: string; client: string },
): Promise<{ proof: string; answer: string } | null> {
  const salt = fromBase64url(asked.salt);
  const { iterations } = asked;
  if (salt?.length !== 16 || !(iterations >= ITERATIONS && iterations <= MOST_ITERATIONS)) return null;
  const keys = await stretch(password, salt, iterations);
  return proof(keys, authMessage(who.address, who.at, who.key, who.client, asked.server, salt, iterations));
}
