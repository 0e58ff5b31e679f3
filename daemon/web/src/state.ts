// What the views show, and the smallest store that tells them of changes.
// No logic: `app.ts` decides, the views draw.
import type { CallView } from "./call/view";
import type { MediaProblem } from "./call/media";
import type { Devices, LinkAsked, LinkEnd, Media, OwnDevice, Person } from "./wire/messages";
import type { WireState } from "./wire/wire";

/** Where somebody is who wants in with this device. */
export type Linking =
  | { step: "find"; found: Person[] | null; problem: string | null }
  | { step: "how"; person: Person }
  | { step: "ask"; person: Person; number: string | null; problem: LinkEnd | string | null }
  | { step: "password"; person: Person; busy: boolean; problem: LinkEnd | string | null };

/** A new device that wants in, as this one sees it. */
export interface Asked extends LinkAsked {
  number: string | null;
  taken: boolean;
}

export interface State {
  page: "loading" | "insecure" | "no_rtc" | "name" | "home";
  wire: WireState;
  /** The socket has been away long enough to be mentioned. */
  waiting: boolean;
  node: string;
  nodes: number | null;
  me: { address: string; display: string; device: string } | null;
  lasting: boolean;
  /** The account was made just now, and a power cut would still lose it. */
  unkept: boolean;
  signingIn: boolean;
  nameProblem: { code: string; name: string; suggest?: string } | null;
  search: string;
  people: Person[] | null;
  total: number;
  selected: string | null;
  call: CallView | null;
  incoming: CallView | null;
  /** The microphone is missing: the person decides how to go on. */
  micQuestion: MediaProblem | null;
  /** A device of this person that was not seen before. */
  newDevice: { address: string; display: string; device: string } | null;
  toast: string;
  settings: boolean;
  /** This is a new device of somebody who has a name already. */
  linking: Linking | null;
  /** A new device asks this one to be let in. */
  asked: Asked | null;
  /** The router relays calls, so that it can hide this device's address. */
  canHide: boolean;
  /** The person wants that. */
  hide: boolean;
  /** Sound only, and little of it. */
  save: boolean;
  /** The person's own devices, once they were asked for. */
  devices: Devices | null;
  /** Those of them that were added without this one, and that the person has not seen yet. */
  added: OwnDevice[];
}

export interface Actions {
  enter(display: string, name?: string): void;
  search(text: string): void;
  select(address: string | null): void;
  call(address: string, media: Media): void;
  answer(media: Media): void;
  decline(): void;
  hangUp(): void;
  leaveStage(): void;
  mute(muted: boolean): void;
  camera(on: boolean): void;
  say(text: string): void;
  micAnswer(how: "again" | "listen" | "cancel"): void;
  trustDevice(): void;
  settings(open: boolean): void;
  /** Takes the session back from another tab. */
  useHere(): void;
  rename(display: string): Promise<string | null>;
  /** Calls go through routers only, so that nobody sees this device's address. */
  hideAddress(hide: boolean): void;
  /** Calls with little sound and no pictures, from now on and in the call that goes on. */
  saveData(save: boolean): void;
  /** Opens or leaves the way in for somebody who has a name already. */
  link(open: boolean): void;
  linkFind(text: string): void;
  /** That is who one is; then by which way, and with which password. */
  linkAs(person: Person): void;
  linkBy(way: "device" | "password", person: Person): void;
  linkPassword(typed: string): void;
  /** Sets the password, or takes it away; null, or the code of what went wrong. */
  setPassword(typed: string | null): Promise<string | null>;
  /** The devices that were added are the person's own. */
  addedKnown(): void;
  /** Takes up what a new device asks; then whether its number is the same. */
  askedShow(): void;
  askedAnswer(yes: boolean): void;
  revoke(device: string): Promise<string | null>;
  /** Tells the router's owner about somebody; null, or the code of what went wrong. */
  report(address: string, reason: string): Promise<string | null>;
}

export const START: State = {
  page: "loading", wire: "off", waiting: false, node: "", nodes: null, me: null, lasting: true, unkept: false,
  signingIn: false, nameProblem: null, search: "", people: null, total: 0, selected: null, call: null,
  incoming: null, micQuestion: null, newDevice: null, toast: "", settings: false,
  linking: null, asked: null, canHide: false, hide: false, save: false, devices: null, added: [],
};

export class Store {
  state: State = START;
  private readonly listeners = new Set<() => void>();

  set(part: Partial<State>): void {
    this.state = { ...this.state, ...part };
    for (const listener of this.listeners) listener();
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

export const isHere = (person: Person): boolean => person.at.some((node) => node.alive !== false);
