// The wire to the node: hello, sign-in, resume, requests and their answers,
// acknowledgements, reconnecting. It survives a dropped socket and a restarted
// node, so that whoever uses it only asks and listens.
//
// It knows no DOM, no clock and no key: the socket factory, timers, random and
// signer are arguments. What a message means to a person is not its business.
import { readFrame, type InboundMessage, type Profile, type WireEnv, type WireEvents, type WireState } from "./env";
import {
  INBOUND, WireError, type EarlyRequests, type Hello, type IceServer, type Requests, type SignedIn,
} from "./messages";
import { Outbox, type Sent } from "./outbox";
import { Link, type SocketLike, type TimerHandle } from "./socket";
import { attachmentText, signInText } from "./texts";

export type { InboundMessage, Profile, WireEnv, WireEvents, WireState } from "./env";

const BACKOFF_FIRST_MS = 200;
const BACKOFF_LAST_MS = 3_000;
const ACK_MS = 400;
const ACK_AT_ONCE = 16;
const TOO_FAST_MS = 1_000;

export class Wire {
  state: WireState = "off";
  node: Hello["node"] | null = null;

  private link: Link | null = null;
  private profile: Profile | null = null;
  private challenge = "";
  private token: string | null = null;
  private seen = 0;
  private unconfirmed = 0;
  private ackTimer: TimerHandle = null;
  private retryTimer: TimerHandle = null;
  private attempt = 0;
  private watched: { text: string; limit: number } | null = null;
  private watchId = 0;
  private readonly outbox = new Outbox();

  constructor(
    private readonly env: WireEnv,
    private readonly events: WireEvents,
  ) {}

  /** The name that was asked for last. */
  get profileName(): string | null {
    return this.profile?.name ?? null;
  }

  start(profile: Profile | null): void {
    this.profile = profile;
    this.open();
  }

  /** Signs in with this name, now or as soon as the node has said hello. */
  signIn(profile: Profile): void {
    this.profile = profile;
    if (this.state === "off") this.open();
    else if (this.state === "greeted" || this.state === "refused") void this.sendSignIn();
  }

  /** Takes the session back from another tab. */
  comeBack(): void {
    if (this.state === "replaced") this.open();
  }

  /** The network may be back, or another one: do not wait for timers. */
  nudge(): void {
    if (this.state === "off" || this.state === "replaced") return;
    if (this.link && !this.link.tired) this.link.probe();
    else this.open();
  }

  request<K extends keyof Requests>(name: K, body: Requests[K]): Promise<void> {
    return this.ask(name, body).then(() => undefined);
  }

  /** The same, with what the node answers. */
  ask<K extends keyof Requests>(name: K, body: Requests[K]): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const sent = this.outbox.add(name, { ...body }, resolve, reject);
      if (this.state === "ready") this.transmit(sent);
    });
  }

  /** Asks on a socket that has not signed in; `lost` when there is none, or when it goes. */
  early<K extends keyof EarlyRequests>(name: K, body: EarlyRequests[K]): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      if (this.state === "greeted" || this.state === "refused") {
        this.transmit(this.outbox.add(name, { ...body }, resolve, reject));
      } else {
        reject(new WireError("lost", "nobody is asked"));
      }
    });
  }

  /** Nobody signs in by itself until `signIn` says so. */
  forgetProfile(): void {
    this.profile = null;
  }

  /** What the page looks at. Kept, and asked again after every reconnection. */
  watch(text: string, limit: number): void {
    this.watched = { text, limit };
    if (this.state === "ready") this.sendWatch();
  }

  /** Ends the session at once; the account stays. */
  signOut(): void {
    if (this.state === "ready") this.sendRaw("sign_out", {});
    this.stop();
  }

  private stop(): void {
    this.link?.drop();
    this.link = null;
    this.forgetSession();
    this.env.timers.clear(this.retryTimer);
    this.outbox.failAll(new WireError("lost", "signed out"));
    this.become("off");
  }

  // The socket.

  private open(): void {
    this.env.timers.clear(this.retryTimer);
    this.retryTimer = null;
    this.link?.drop();
    this.become("connecting");
    let socket: SocketLike;
    try {
      socket = this.env.connect();
    } catch {
      this.retry();
      return;
    }
    this.link = new Link(socket, this.env.timers, {
      message: (text) => this.read(text),
      dead: () => {
        this.link = null;
        this.retry();
      },
      ping: () => this.sendRaw("ping", {}),
    });
  }

  private retry(): void {
    this.env.timers.clear(this.ackTimer);
    this.ackTimer = null;
    this.become("connecting");
    const full = Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * 2 ** this.attempt++);
    const wait = full * (0.75 + 0.25 * this.env.random());
    this.env.timers.clear(this.retryTimer);
    this.retryTimer = this.env.timers.set(() => this.open(), wait);
  }

  private become(state: WireState): void {
    if (this.state === state) return;
    this.state = state;
    this.events.state(state);
  }

  // What the node says.

  private read(text: string): void {
    const frame = readFrame(text);
    if (!frame) return;
    const { name } = frame;
    if (INBOUND.has(name)) this.deliver(frame as unknown as InboundMessage);
    else this.housekeeping(name, frame.body);
  }

  private housekeeping(name: string, body: Record<string, unknown>): void {
    switch (name) {
      case "hello":
        return this.onHello(body as unknown as Hello);
      case "signed_in":
        return this.outbox.resolve(Number(body.id), body);
      case "resumed":
        return this.outbox.resolve(Number(body.id), body);
      case "ok":
      case "found":
      case "devices":
      case "telephones":
        return this.outbox.resolve(Number(body.id), body);
      case "error":
        return this.onError(body);
      case "ice":
        return this.events.ice((body.servers ?? []) as IceServer[]);
      case "bye":
        return this.onBye(String(body.reason));
    }
  }

  private onHello(hello: Hello): void {
    this.challenge = hello.challenge;
    this.node = hello.node;
    this.outbox.newSocket();
    this.events.hello(hello);
    if (this.token !== null) this.sendResume();
    else if (this.profile) void this.sendSignIn();
    else {
      this.attempt = 0;
      this.become("greeted");
    }
  }

  private onError(body: Record<string, unknown>): void {
    const error = new WireError(
      String(body.code),
      String(body.message ?? ""),
      typeof body.suggest === "string" ? body.suggest : undefined,
      typeof body.counter === "number" ? body.counter : undefined,
    );
    const sent = this.outbox.get(Number(body.id));
    if (error.code === "too_fast" && Number(body.id) === this.watchId) {
      this.env.timers.set(() => this.state === "ready" && this.sendWatch(), TOO_FAST_MS);
    } else if (sent && error.code === "too_fast") {
      this.env.timers.set(() => this.again(sent), TOO_FAST_MS);
    } else if (sent && error.code === "not_signed_in" && this.state === "ready") {
      this.forgetSession();
      this.link?.drop();
      this.link = null;
      this.retry();
    } else {
      this.outbox.reject(Number(body.id), error);
    }
  }

  private onBye(reason: string): void {
    if (reason === "signed_out") this.stop();
    else if (reason === "overflow" || reason === "revoked" || reason === "banned") this.forgetSession();
    else if (reason === "replaced") {
      // Another tab has the session now: coming back by ourselves would take it away again, and so on.
      this.forgetSession();
      this.link?.drop();
      this.link = null;
      this.become("replaced");
    }
  }

  private deliver(message: InboundMessage): void {
    if (message.name === "people" && message.body.watch !== this.watchId) return;
    if ("n" in message.body) {
      const { n } = message.body;
      if (n <= this.seen) return; // replayed, and handled before
      this.seen = n;
      this.confirm();
    }
    this.events.message(message);
  }

  private confirm(): void {
    this.unconfirmed += 1;
    if (this.unconfirmed >= ACK_AT_ONCE) this.sendAck();
    else this.ackTimer ??= this.env.timers.set(() => this.sendAck(), ACK_MS);
  }

  private sendAck(): void {
    this.env.timers.clear(this.ackTimer);
    this.ackTimer = null;
    this.unconfirmed = 0;
    if (this.state === "ready") this.sendRaw("ack", { n: this.seen });
  }

  // Signing in.

  private async sendSignIn(): Promise<void> {
    const { link, profile, node, challenge } = this;
    if (!link || !profile || !node) return;
    this.become("signing");
    const { signer } = this.env;
    const { name, display, home = node.id } = profile;
    const address = `${name}@${home}`;
    const counter = await signer.nextCounter();
    const [signature, here, gone] = await Promise.all([
      signer.sign(signInText(node.id, challenge, address)),
      signer.sign(attachmentText(address, node.id, node.boot, counter, "here")),
      signer.sign(attachmentText(address, node.id, node.boot, counter + 1, "gone")),
    ]);
    if (this.link !== link) return; // the socket died meanwhile
    const away = home === node.id ? {} : { home };
    const body = { name, display, ...away, key: signer.key, signature, attachment: { counter, here, gone } };
    const sent = this.outbox.add("sign_in", body, (answer) => {
      if (this.link === link) this.onSignedIn(answer as unknown as SignedIn);
    }, (error) => {
      if (this.link === link) void this.onRefused(error);
    });
    this.transmit(sent);
  }

  private onSignedIn(me: SignedIn): void {
    this.attempt = 0;
    // The next node may be another one.
    if (this.profile) this.profile = { ...this.profile, home: me.address.split("@")[1] ?? "" };
    this.token = me.token;
    this.seen = 0;
    this.unconfirmed = 0;
    this.outbox.newSession();
    this.events.signedIn(me);
    // Calls first: what waits in the outbox may belong to one of them.
    const calls = this.events.restorable();
    let left = calls.length;
    const link = this.link;
    const go = () => {
      if (this.link === link) this.becomeReady();
    };
    if (left === 0) return go();
    for (const call of calls) {
      const done = (found: boolean) => {
        this.events.restored(call.call, found);
        if (!found) this.outbox.failCall(call.call);
        if (--left === 0) go();
      };
      this.transmit(this.outbox.add("restore", { ...call }, () => done(true), () => done(false)));
    }
  }

  private async onRefused(error: WireError): Promise<void> {
    if (error.code === "stale_counter") {
      await this.env.signer.raiseCounter((error.counter ?? 0) + 2);
      await this.sendSignIn();
    } else {
      this.attempt = 0;
      this.become("refused");
      this.events.refused(error);
    }
  }

  private sendResume(): void {
    const { link } = this;
    this.become("signing");
    const body = { token: this.token, seen: this.seen };
    this.transmit(this.outbox.add("resume", body, (answer) => {
      if (this.link !== link) return;
      this.attempt = 0;
      this.token = String(answer.token);
      this.outbox.handledUpTo(Number(answer.handled ?? 0));
      this.events.ice((answer.ice ?? []) as IceServer[]);
      this.becomeReady();
      this.events.resumed();
    }, () => {
      if (this.link !== link) return;
      this.forgetSession();
      if (this.profile) void this.sendSignIn();
      else this.become("greeted");
    }));
  }

  private becomeReady(): void {
    this.become("ready");
    if (this.watched) this.sendWatch();
    for (const sent of this.outbox.waiting()) this.again(sent);
  }

  private forgetSession(): void {
    this.token = null;
    this.seen = 0;
    this.unconfirmed = 0;
    this.env.timers.clear(this.ackTimer);
    this.ackTimer = null;
  }

  // Sending.

  private sendWatch(): void {
    this.watchId = this.sendRaw("watch", { ...this.watched });
  }

  /** Sends what was not done before, with a new id. */
  private again(sent: Sent): void {
    if (!this.outbox.renew(sent)) return;
    if (this.state === "ready") this.transmit(sent);
  }

  private transmit(sent: Sent): void {
    this.link?.send(JSON.stringify({ [sent.name]: { id: sent.id, ...sent.body } }));
  }

  /** A message whose answer nobody waits for. */
  private sendRaw(name: string, body: Record<string, unknown>): number {
    const id = this.outbox.nextId();
    this.link?.send(JSON.stringify({ [name]: { id, ...body } }));
    return id;
  }
}
