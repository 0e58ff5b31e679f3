// The messages of the page wire, as docs/protocol.md names them: types only.
// Nothing here sends, checks or remembers anything.

export type Media = "audio" | "video";
export type DescriptionKind = "offer" | "answer";

export interface NodeRef {
  id: string;
  name: string;
  alive?: boolean;
}

export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
}

export interface Hello {
  version: number;
  node: NodeRef & { boot: number };
  challenge: string;
  trucad: string;
  resume_s: number;
}

export interface SignedIn {
  id: number;
  address: string;
  display: string;
  device: string;
  token: string;
  created: boolean;
  ice: IceServer[];
}

export interface Person {
  address: string;
  name: string;
  display: string;
  home: NodeRef;
  at: NodeRef[];
  /** What a call there would be like; not there while nobody knows, or at this router. */
  quality?: "good" | "poor" | "slow" | "unreachable";
  devices: string[];
  you?: boolean;
  /** A new device is let in by a password. */
  password?: boolean;
}

export interface People {
  watch: number;
  reset?: boolean;
  total: number;
  here: number;
  people: Person[];
  gone: string[];
  order?: string[];
}

/** The other end of a call: who, with which device, at which node. */
export interface Peer {
  address: string;
  display: string;
  /** Where the account lives. */
  home?: NodeRef;
  node: NodeRef;
  device: string;
  key: string;
}

/** All that is signed of a description; `from` and `to` are addresses. */
export interface Description {
  call: string;
  kind: DescriptionKind;
  /** Grows with each description of this call by this device. */
  number: number;
  from: string;
  to: string;
  sdp: string;
}

export interface Described {
  media: Media;
  number: number;
  sdp: string;
  signature: string;
}

export interface Incoming extends Described {
  n: number;
  call: string;
  from: Peer;
  glare: boolean;
}

export interface Accepted extends Described {
  n: number;
  call: string;
  by: Peer;
}

export interface Describe extends Described {
  n: number;
  call: string;
  kind: DescriptionKind;
}

export interface Candidate {
  call: string;
  candidate: string;
  mid?: string | null;
  mline?: number | null;
}

/** A device of the person's own. */
export interface OwnDevice {
  device: string;
  at?: NodeRef;
  here: boolean;
}

export interface Devices {
  counter: number;
  devices: OwnDevice[];
  /** The account has a password. */
  password?: boolean;
}

/** What home keeps of a password. */
export interface PasswordSecret {
  salt: string;
  iterations: number;
  stored: string;
  server: string;
}

/** How to stretch a password, and home's nonce. */
export interface LinkSalt {
  server: string;
  salt: string;
  iterations: number;
}

/** A new device asks to be let in. */
export interface LinkAsked {
  request: string;
  at: NodeRef;
  key: string;
  commit: string;
}

export type LinkEnd =
  | "linked" | "refused" | "cancelled" | "expired" | "nobody" | "home_away" | "elsewhere" | "full"
  | "wrong_password" | "too_often" | "no_password";

export interface RestoreCall {
  call: string;
  caller: boolean;
  peer: { address: string; device: string; node: string };
}

export type EndReason =
  | "rejected" | "no_media" | "busy" | "cancelled" | "timed_out" | "hung_up"
  | "failed" | "answered_elsewhere" | "glare" | "unreachable" | "left" | "not_genuine";

/** What the node may tell the page besides answers and housekeeping. */
export interface Inbound {
  people: People;
  nodes: { alive: number };
  incoming: Incoming;
  ringing: { n: number; call: string };
  accepted: Accepted;
  candidate: Candidate & { n: number };
  connected: { n: number; call: string };
  describe: Describe;
  message: { n: number; call: string; text: string };
  ended: { n: number; call: string; reason: EndReason };
  peer: { n: number; call: string; state: "lost" | "back" };
  link_asked: LinkAsked;
  link_shown: { nonce: string };
  link_opened: { request: string; nonce: string };
  link_ended: { request?: string; reason: LinkEnd };
  link_salt: LinkSalt;
  link_proved: { signature: string };
  account_changed: { counter: number };
  kept: Record<never, never>;
}

export const INBOUND: ReadonlySet<string> = new Set<keyof Inbound>([
  "people", "nodes", "incoming", "ringing", "accepted", "candidate",
  "connected", "describe", "message", "ended", "peer",
  "link_asked", "link_shown", "link_opened", "link_ended", "link_salt", "link_proved", "account_changed", "kept",
]);

/** What the page may ask, without the `id` that the wire adds. */
export interface Requests {
  profile: { display: string };
  report: { address: string; reason: string };
  sign_out: Record<never, never>;
  invite: Described & { call: string; to: string };
  accept: Described & { call: string };
  candidate: Candidate;
  connected: { call: string };
  describe: Described & { call: string; kind: DescriptionKind };
  message: { call: string; text: string };
  reject: { call: string; reason: "rejected" | "no_media" | "not_genuine" };
  cancel: { call: string };
  hang_up: { call: string; reason: "hung_up" | "failed" | "not_genuine" };
  devices: Record<never, never>;
  telephones: Record<never, never>;
  revoke: { device: string; counter: number; signature: string };
  password: { counter: number; secret?: PasswordSecret; signature: string };
  link_show: { request: string; nonce: string };
  link_confirm: { request: string; signature: string };
  link_refuse: { request: string };
}

/** What a page that has not signed in may ask. */
export interface EarlyRequests {
  find: { text: string };
  link: { address: string; key: string; commit: string };
  link_open: { nonce: string };
  link_password: { address: string; key: string; client: string };
  link_prove: { key: string; client: string; server: string; proof: string };
  link_refuse: { request?: string };
}

/** A request was refused, or could not be asked any more (`lost`). */
export class WireError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly suggest?: string,
    readonly counter?: number,
  ) {
    super(message);
    this.name = "WireError";
  }
}
