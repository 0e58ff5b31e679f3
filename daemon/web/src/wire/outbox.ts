// Requests that wait for their answer. It gives out ids, which only grow, and
// remembers what must be said again after a resume. It sends nothing itself.
import { WireError } from "./messages";

export interface Sent {
  id: number;
  readonly name: string;
  readonly body: Record<string, unknown>;
  readonly resolve: (answer: Record<string, unknown>) => void;
  readonly reject: (error: WireError) => void;
}

/** These belong to one socket: after a reconnection they mean nothing. */
const ONE_SOCKET: ReadonlySet<string> = new Set(["sign_in", "resume", "find", "link", "link_open", "link_refuse"]);

export class Outbox {
  private last = 0;
  private readonly held = new Map<number, Sent>();

  nextId(): number {
    return ++this.last;
  }

  add(
    name: string,
    body: Record<string, unknown>,
    resolve: (answer: Record<string, unknown>) => void,
    reject: (error: WireError) => void,
  ): Sent {
    const sent = { id: this.nextId(), name, body, resolve, reject };
    this.held.set(sent.id, sent);
    return sent;
  }

  get(id: number): Sent | undefined {
    return this.held.get(id);
  }

  resolve(id: number, answer: Record<string, unknown>): void {
    const sent = this.held.get(id);
    this.held.delete(id);
    sent?.resolve(answer);
  }

  reject(id: number, error: WireError): void {
    const sent = this.held.get(id);
    this.held.delete(id);
    sent?.reject(error);
  }

  /** The node did these; only its answer was lost. */
  handledUpTo(id: number): void {
    for (const sent of this.waiting()) {
      if (sent.id <= id) this.resolve(sent.id, {});
    }
  }

  /** What has to be said again, in order. */
  waiting(): Sent[] {
    return [...this.held.values()]
      .filter((sent) => !ONE_SOCKET.has(sent.name))
      .sort((a, b) => a.id - b.id);
  }

  /** Gives it the next id; false when it was answered meanwhile. */
  renew(sent: Sent): boolean {
    if (!this.held.delete(sent.id)) return false;
    sent.id = this.nextId();
    this.held.set(sent.id, sent);
    return true;
  }

  failCall(call: string): void {
    for (const sent of this.waiting()) {
      if (sent.body.call === call) {
        this.reject(sent.id, new WireError("no_such_call", "the call did not survive"));
      }
    }
  }

  failAll(error: WireError): void {
    for (const id of [...this.held.keys()]) this.reject(id, error);
  }

  /** A new socket: what belonged to the old one is void. */
  newSocket(): void {
    for (const sent of this.discard((one) => ONE_SOCKET.has(one.name))) {
      sent.reject(new WireError("lost", "the socket is gone"));
    }
  }

  /** A new session: calls are asked for again, from the start. */
  newSession(): void {
    this.discard((sent) => sent.name === "restore");
  }

  private discard(which: (sent: Sent) => boolean): Sent[] {
    const gone = [...this.held.values()].filter(which);
    for (const sent of gone) this.held.delete(sent.id);
    return gone;
  }
}
