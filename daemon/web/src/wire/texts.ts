// The texts that are signed (docs/protocol.md section 4). The first line keeps
// a signature made for one purpose from being used for another.
import type { Description, PasswordSecret } from "./messages";

const lines = (...all: string[]): string => all.map((line) => line + "\n").join("");

export const signInText = (node: string, challenge: string, address: string): string =>
  lines("truca-sign-in-1", node, challenge, address);

export const attachmentText = (
  address: string,
  node: string,
  boot: number,
  counter: number,
  status: "here" | "gone",
): string => lines("truca-attachment-1", address, node, String(boot), String(counter), status);

/** `from` describes, to the account `to`; `hash` is SHA-256 of the SDP, base64url. */
export const mediaText = ({ call, kind, number, from, to }: Omit<Description, "sdp">, hash: string): string =>
  lines("truca-media-2", call, kind, String(number), from, to, hash);

export const linkText = (address: string, request: string, key: string): string =>
  lines("truca-link-1", address, request, key);

export const revokeText = (address: string, device: string, counter: number): string =>
  lines("truca-revoke-1", address, device, String(counter));

/** Without a secret there is to be no password any more. */
export const passwordText = (address: string, counter: number, secret?: PasswordSecret): string =>
  lines("truca-password-1", address, String(counter)) +
  (secret ? lines(secret.salt, String(secret.iterations), secret.stored, secret.server) : "");

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

/** What both ends of a sign-in by password sign (RFC 5802 section 3), bound to this device's key and this node. */
export const authMessage = (
  address: string, at: string, key: string, client: string, server: string, salt: Uint8Array, iterations: number,
): string => {
  const binding = base64(new TextEncoder().encode("p=truca-device,," + lines(address, at, key)));
  return `n=${address},r=${client},r=${client}${server},s=${base64(salt)},i=${iterations},c=${binding},r=${client}${server}`;
};

/** What two devices hash to the number that both show. */
export const numberText = (address: string, key: string, newNonce: string, oldNonce: string): string =>
  lines("truca-number-1", address, key, newNonce, oldNonce);

/** What signs for this device. The wire never sees the key itself. */
export interface Signer {
  /** The public point, base64url. */
  readonly key: string;
  sign(text: string): Promise<string>;
  /** A counter c such that c and c + 1 were never used; persisted first. */
  nextCounter(): Promise<number>;
  /** Makes the next counter at least `least`. */
  raiseCounter(least: number): Promise<void>;
}
