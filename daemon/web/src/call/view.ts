// What a view may know of a call: types only. The call itself is in `call.ts`.
import type { EndReason, Media } from "../wire/messages";
import type { MediaProblem } from "./media";
import type { Word } from "./channel";
import type { CallStats, Line, Quality } from "./stats";

export type CallState = "incoming" | "calling" | "ringing" | "connecting" | "connected" | "reconnecting" | "ended";

/** Why it is over: what the node says, and what the page finds itself. */
export type Ending = EndReason | "not_here" | "no_such_person" | "too_many_calls" | "lost" | "error";

export interface ChatLine {
  id: number;
  mine: boolean;
  text: string;
  state: "sending" | "sent" | "failed";
}

/** All that a view needs; a new object at every change. */
export interface CallView {
  id: string;
  outgoing: boolean;
  media: Media;
  address: string;
  display: string;
  /** Who exactly: `nuria@casa`. */
  who: string;
  from: string;
  state: CallState;
  reason: Ending | null;
  connectedAt: number | null;
  endedAt: number | null;
  own: MediaStream;
  remote: MediaStream | null;
  muted: boolean;
  hasMic: boolean;
  camera: boolean;
  cameraProblem: MediaProblem | null;
  remoteVideo: boolean;
  peerLost: boolean;
  /** What we tell the other side about our picture, and it about its own. */
  mine: Word;
  theirs: Word;
  quality: Quality | null;
  stats: CallStats;
  line: Line | null;
  chat: ChatLine[];
}
