// What the wire needs from outside, and what it tells: types, and the reading
// of one frame. No behaviour of its own.
import type { Hello, IceServer, Inbound, RestoreCall, SignedIn, WireError } from "./messages";
import type { SocketLike, Timers } from "./socket";
import type { Signer } from "./texts";

export interface Profile {
  name: string;
  display: string;
  /** The node where the account lives; the one that is asked when absent. */
  home?: string;
}

/** What one can say about the wire to a person. */
export type WireState =
  | "off" //        not started, or signed out
  | "connecting" // no socket yet, or none any more
  | "greeted" //    the node has said hello; nobody has signed in
  | "signing" //    sign-in or resume is under way
  | "replaced" //   another tab of this browser signed in; `comeBack` takes the session back
  | "refused" //    the node refused the sign-in; see `refused`
  | "ready";

export interface WireEnv {
  connect(): SocketLike;
  timers: Timers;
  /** From 0 to 1; spreads reconnections of many pages. */
  random(): number;
  signer: Signer;
}

export type InboundMessage = { [K in keyof Inbound]: { name: K; body: Inbound[K] } }[keyof Inbound];

export interface WireEvents {
  state(state: WireState): void;
  hello(hello: Hello): void;
  signedIn(me: SignedIn): void;
  refused(error: WireError): void;
  message(message: InboundMessage): void;
  ice(servers: IceServer[]): void;
  /** The session is the old one again: nothing was missed. */
  resumed(): void;
  /** The old session is gone; which calls go on and can be restored? */
  restorable(): RestoreCall[];
  restored(call: string, found: boolean): void;
}

/** One frame: an object with exactly one member that is an object; else null. */
export function readFrame(text: string): { name: string; body: Record<string, unknown> } | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return null;
  const all = Object.entries(parsed);
  const first = all[0];
  if (all.length !== 1 || !first) return null;
  const [name, body] = first as [string, unknown];
  if (typeof body !== "object" || body === null) return null;
  return { name, body: body as Record<string, unknown> };
}
