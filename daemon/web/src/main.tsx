// The way in: checks what the browser can do, opens the identity, gives the
// controller its socket and its clock, and draws. Nothing else touches them.
import { render } from "preact";
import { App } from "./app";
import { NO_STATS, type CallStats } from "./call/stats";
import { Identity, isSecure } from "./identity";
import { Store } from "./state";
import { memoryStore, openStore } from "./storage";
import { language } from "./text";
import { pageTimers } from "./timers";
import { Root } from "./views/root";
import type { SocketLike } from "./wire/socket";
import "./style.css";

declare global {
  interface Window {
    /** For tests and for support; numbers only. */
    truca?: { stats(): Promise<CallStats>; state(): unknown };
  }
}

const store = new Store();
const place = document.getElementById("app")!;
document.documentElement.lang = language;

function connect(): SocketLike {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(`${scheme}//${location.host}/ws`) as unknown as SocketLike;
}

async function openIdentity(): Promise<Identity> {
  try {
    return await Identity.open(await openStore(), true);
  } catch {
    // Private windows of some browsers keep nothing: it works until closed.
    return Identity.open(memoryStore(), false);
  }
}

async function start(): Promise<void> {
  render(<Root store={store} act={null} />, place);
  if (!isSecure()) return store.set({ page: "insecure" });
  if (typeof RTCPeerConnection === "undefined") return store.set({ page: "no_rtc" });

  const app = new App(store, await openIdentity(), {
    connect,
    timers: pageTimers(),
    random: Math.random,
  });
  render(<Root store={store} act={app} />, place);

  addEventListener("online", () => app.moved());
  // Another access point: not every browser tells. Some tell of each new guess of the speed too.
  const { connection } = navigator as { connection?: EventTarget & { type?: string } };
  let kind = connection?.type;
  connection?.addEventListener?.("change", () => {
    if (kind === connection.type) return app.wire.nudge();
    kind = connection.type;
    app.moved();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") app.wire.nudge();
  });
  // Leaving for good: others see it at once, not after 30 s.
  addEventListener("pagehide", (event) => {
    if (!event.persisted) app.leave();
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) app.wire.nudge();
  });

  window.truca = {
    stats: async () => (await app.stats()) ?? NO_STATS,
    state: () => {
      const { page, wire, me, node, nodes, call, incoming } = store.state;
      return { page, wire, me, node, nodes, call: call && { id: call.id, state: call.state, reason: call.reason, connectedAt: call.connectedAt }, incoming: incoming?.id ?? null };
    },
  };
  await app.start();
}

void start();
