// The wire's timers: asked of a worker and of the page at once, whichever is
// first. So the socket is kept alive, and a call rings, in a hidden page; and a
// browser that starts no worker still has its own timers.
import type { TimerHandle, Timers } from "./wire/socket";

export function pageTimers(): Timers {
  const waiting = new Map<number, { run: () => void; own: ReturnType<typeof setTimeout> }>();
  let last = 0;
  let worker: Worker | null = null;
  const fire = (id: number) => {
    const found = waiting.get(id);
    if (!found) return;
    waiting.delete(id);
    clearTimeout(found.own);
    found.run();
  };
  try {
    worker = new Worker(new URL("./ticker.worker.ts", import.meta.url));
    worker.onmessage = (event: MessageEvent<number>) => fire(event.data);
    worker.onerror = () => {
      worker = null;
    };
  } catch {
    // The page's own timers must do.
  }
  return {
    set(run, ms): TimerHandle {
      const id = ++last;
      waiting.set(id, { run, own: setTimeout(() => fire(id), ms) });
      worker?.postMessage([id, ms]);
      return id;
    },
    clear(handle) {
      const found = waiting.get(handle as number);
      if (!found) return;
      clearTimeout(found.own);
      waiting.delete(handle as number);
    },
  };
}
