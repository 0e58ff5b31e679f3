// One socket's life: opened, alive, found dead. It knows that a socket which
// says nothing for 15 s must be asked (`ping`), and that 5 s without an answer
// mean it is dead. It knows no message but that, and does not reconnect.

/** What the wire needs of a WebSocket; a browser's fits as it is. */
export interface SocketLike {
  send(text: string): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
}

export type TimerHandle = unknown;

export interface Timers {
  set(run: () => void, ms: number): TimerHandle;
  clear(handle: TimerHandle): void;
}

export const OPEN_MS = 8_000;
export const SILENCE_MS = 15_000;
export const ANSWER_MS = 5_000;
/** After a nudge (the network changed) an answer must come sooner. */
export const NUDGED_ANSWER_MS = 1_500;
/** A socket that is not open by then when the network changed was asked for on the old one. */
export const TIRED_MS = 1_000;

export interface LinkEvents {
  message(text: string): void;
  /** Once: closed by the other side, or given up. */
  dead(): void;
  /** It is time to send a `ping`. */
  ping(): void;
}

export class Link {
  private over = false;
  private open = false;
  /** Has not opened for a while. */
  tired = false;
  private heardTimer: TimerHandle = null;
  private saidTimer: TimerHandle = null;
  private deadTimer: TimerHandle = null;

  constructor(
    private readonly socket: SocketLike,
    private readonly timers: Timers,
    private readonly events: LinkEvents,
  ) {
    this.expect(OPEN_MS);
    timers.set(() => (this.tired = !this.open), TIRED_MS);
    socket.onopen = () => {
      this.open = true;
    };
    socket.onmessage = (event) => {
      if (this.over) return;
      this.open = true;
      this.heard();
      if (typeof event.data === "string") this.events.message(event.data);
    };
    socket.onclose = () => this.end();
  }

  send(text: string): void {
    if (this.over || !this.open) return;
    // The node closes a socket that was silent for 45 s, so silence of
    // our own counts as well as that of the other side.
    this.socket.send(text);
    this.said();
  }

  /** The network may have changed: ask at once whether the socket lives. */
  probe(): void {
    if (this.over || !this.open) return;
    this.events.ping();
    this.expect(NUDGED_ANSWER_MS);
  }

  /** Closes without an event. */
  drop(): void {
    this.over = true;
    this.clear();
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    try {
      this.socket.close();
    } catch {
      // A socket that never opened may refuse; it is dropped anyway.
    }
  }

  private heard(): void {
    this.timers.clear(this.deadTimer);
    this.deadTimer = null;
    this.timers.clear(this.heardTimer);
    this.heardTimer = this.timers.set(() => this.ask(), SILENCE_MS);
  }

  private said(): void {
    this.timers.clear(this.saidTimer);
    this.saidTimer = this.timers.set(() => this.ask(), SILENCE_MS);
  }

  private ask(): void {
    if (this.over || this.deadTimer !== null) return;
    this.expect(ANSWER_MS);
    this.events.ping();
  }

  private expect(ms: number): void {
    this.timers.clear(this.deadTimer);
    this.deadTimer = this.timers.set(() => this.end(), ms);
  }

  private end(): void {
    if (this.over) return;
    this.drop();
    this.events.dead();
  }

  private clear(): void {
    this.timers.clear(this.heardTimer);
    this.timers.clear(this.saidTimer);
    this.timers.clear(this.deadTimer);
    this.heardTimer = this.saidTimer = this.deadTimer = null;
  }
}
