// A scripted node for tests of the wire: sockets without a network, a signer
// without a key. It answers nothing by itself.
import { vi } from "vitest";
import type { SocketLike } from "../wire/socket";
import type { Signer } from "../wire/texts";
import { Wire, type InboundMessage, type WireEvents, type WireState } from "../wire/wire";
import type { RestoreCall, WireError } from "../wire/messages";

export type Fields = Record<string, unknown> & { id: number };

export class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;
  readonly sent: { name: string; body: Fields }[] = [];

  send(text: string): void {
    const [name, body] = Object.entries(JSON.parse(text) as Record<string, Fields>)[0]!;
    this.sent.push({ name, body });
  }

  close(): void {
    this.closed = true;
  }

  say(name: string, body: unknown): void {
    this.onmessage?.({ data: JSON.stringify({ [name]: body }) });
  }

  hello(): void {
    this.onopen?.();
    this.say("hello", { version: 1, node: { id: "node", name: "casa", boot: 7 }, challenge: "dare", trucad: "0", resume_s: 30 });
  }

  named(name: string): Fields[] {
    return this.sent.filter((one) => one.name === name).map((one) => one.body);
  }

  last(name: string): Fields {
    const all = this.named(name);
    const found = all[all.length - 1];
    if (!found) throw new Error(`no ${name} was sent, only ${this.sent.map((one) => one.name).join(", ")}`);
    return found;
  }
}

export class FakeSigner implements Signer {
  readonly key = "KEY";
  counter = 0;
  async sign(text: string): Promise<string> {
    return "signed:" + text.trimEnd().split("\n").join("|");
  }
  async nextCounter(): Promise<number> {
    return (this.counter += 2);
  }
  async raiseCounter(least: number): Promise<void> {
    this.counter = Math.max(this.counter, least - 2);
  }
}

export const settle = () => vi.advanceTimersByTimeAsync(0);

/** A wire with everything that it says written down. */
export function wired() {
  const sockets: FakeSocket[] = [];
  const states: WireState[] = [];
  const messages: InboundMessage[] = [];
  const refusals: WireError[] = [];
  const restored: [string, boolean][] = [];
  const seen = { resumed: 0, signedIn: 0, calls: [] as RestoreCall[], ice: 0 };
  const signer = new FakeSigner();
  const events: WireEvents = {
    state: (state) => states.push(state),
    hello: () => undefined,
    signedIn: () => void seen.signedIn++,
    refused: (error) => refusals.push(error),
    message: (message) => messages.push(message),
    ice: () => void seen.ice++,
    resumed: () => void seen.resumed++,
    restorable: () => seen.calls,
    restored: (call, found) => restored.push([call, found]),
  };
  const connect = () => {
    const socket = new FakeSocket();
    sockets.push(socket);
    return socket;
  };
  const timers = { set: (run: () => void, ms: number) => setTimeout(run, ms), clear: (it: unknown) => clearTimeout(it as number) };
  const wire = new Wire({ connect, timers, random: () => 1, signer }, events);
  const socket = () => sockets[sockets.length - 1]!;

  /** Up to `ready`, as Núria. */
  const signIn = async () => {
    wire.start({ name: "nuria", display: "Núria" });
    socket().hello();
    await settle();
    acceptSignIn();
    await settle();
    return socket();
  };
  const acceptSignIn = (token = "T1") =>
    socket().say("signed_in", {
      id: socket().last("sign_in").id, address: "nuria@node", display: "Núria", device: "dev", token, created: true, ice: [],
    });
  /** The socket dies; another one is opened and greeted. */
  const reconnect = async () => {
    socket().onclose?.();
    await vi.advanceTimersByTimeAsync(250);
    socket().hello();
    await settle();
    return socket();
  };
  return { wire, sockets, socket, states, messages, refusals, restored, seen, signer, signIn, acceptSignIn, reconnect };
}
