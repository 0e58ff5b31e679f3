// Small parts that several views share: the circle of a person, the button
// with an icon, the dialog that keeps the focus. They know no state.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { hue, initials } from "../names";
import { t, type Key } from "../text";
import type { Person } from "../wire/messages";
import { LineBars } from "./icons";

/** A person: initials on a colour of their own, a dot when here. */
export function Avatar({ address, display, here, size }: {
  address: string; display: string; here?: boolean; size?: "big" | "huge";
}) {
  return (
    <span class={`avatar c${hue(address, 8)} ${size ?? ""}`} aria-hidden="true">
      {initials(display)}
      {here !== undefined && <i class={here ? "dot here" : "dot"} />}
    </span>
  );
}

const WAY: Record<NonNullable<Person["quality"]>, [Key, 0 | 1 | 3]> = {
  good: ["wayGood", 3], poor: ["wayPoor", 1], slow: ["waySlow", 1], unreachable: ["wayUnreachable", 0],
};

/** What a call to somebody would be like, before it: bars, and words beside them or for those who hear the page. */
export function Way({ quality, words }: { quality: NonNullable<Person["quality"]>; words?: boolean }) {
  const [key, level] = WAY[quality];
  return (
    <span class="way" data-testid="way" data-quality={quality} title={t(key)}>
      <LineBars level={level} />
      <span class={words ? "soft small" : "visually-hidden"}>{t(key)}</span>
    </span>
  );
}

/** So long after something else stood there, a tap may still be meant for that. */
const CALM_MS = 700;

/** Whether `what` is on the screen for long enough that a tap is meant for it: two taps on *Answer* do not hang up. */
export function useCalm(what: string | boolean): boolean {
  const [calm, setCalm] = useState<string | boolean | null>(null);
  useEffect(() => {
    const timer = setTimeout(() => setCalm(what), CALM_MS);
    return () => clearTimeout(timer);
  }, [what]);
  return calm === what;
}

/** What a button is like that must not be tapped yet: it keeps its looks and the focus, and does nothing. */
export const calmly = (calm: boolean, act: () => void) => ({ "aria-disabled": !calm, onClick: () => calm && act() });

export function RoundButton({ label, kind, pressed, testid, onClick, children, caption, disabled, calm = true, badge }: {
  label: string; kind?: "go" | "stop" | "plain"; pressed?: boolean; testid: string; onClick: () => void;
  children: ComponentChildren; caption?: string; disabled?: boolean; calm?: boolean; badge?: number;
}) {
  return (
    <span class="round-wrap">
      <button
        type="button" class={`round ${kind ?? "plain"}`} aria-label={label} title={label} disabled={disabled}
        aria-pressed={pressed} data-testid={testid} {...calmly(calm, onClick)}
      >
        {children}
        {badge ? <b class="badge" aria-hidden="true">{badge}</b> : null}
      </button>
      {caption && <span class="caption" aria-hidden="true">{caption}</span>}
    </span>
  );
}

/** A wish that is on or off, and what it means. */
export function Switch({ on, words, means, testid, set }: { on: boolean; words: Key; means: Key; testid: string; set: (on: boolean) => void }) {
  return (
    <label class="switch">
      <input type="checkbox" role="switch" checked={on} data-testid={testid} onChange={(event) => set(event.currentTarget.checked)} />
      <span>{t(words)}<span class="small">{t(means)}</span></span>
    </label>
  );
}

const FOCUSABLE = "button:not([disabled]), input, summary, a[href], [tabindex='0']";

/** Keeps the focus inside, gives it back at the end, closes on Esc. */
export function Dialog({ label, class: kind, testid, onClose, role, children }: {
  label: string; class: string; testid: string; onClose: () => void; role?: "alertdialog"; children: ComponentChildren;
}) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const first = box.current?.querySelector<HTMLElement>("[data-autofocus]") ?? box.current;
    first?.focus();
    return () => before?.focus?.();
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      onClose();
    } else if (event.key === "Tab" && box.current) {
      // what is folded away has no place on the screen
      const all = [...box.current.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((one) => one.getClientRects().length);
      const first = all[0];
      const last = all[all.length - 1];
      const edge = event.shiftKey ? first : last;
      if ([edge, box.current, document.body].includes(document.activeElement as HTMLElement)) {
        event.preventDefault();
        (event.shiftKey ? last : first)?.focus();
      }
    }
  };
  // A button that is switched off while it has the focus loses it, and the keys go to the body
  useEffect(() => {
    const lost = (event: KeyboardEvent) => event.target === document.body && onKeyDown(event);
    document.addEventListener("keydown", lost);
    return () => document.removeEventListener("keydown", lost);
  });
  return (
    <div class="veil" onClick={(event) => event.target === event.currentTarget && role !== "alertdialog" && onClose()}>
      <div
        ref={box} class={`sheet ${kind}`} role={role ?? "dialog"} aria-modal="true" aria-label={label}
        tabIndex={-1} data-testid={testid} onKeyDown={onKeyDown}
      >
        {children}
      </div>
    </div>
  );
}

/** Is there room for two columns? */
export function useWide(): boolean {
  const query = matchMedia("(min-width: 900px)");
  const [wide, setWide] = useState(query.matches);
  useEffect(() => {
    const changed = () => setWide(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return wide;
}

const two = (n: number): string => String(n).padStart(2, "0");

export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** A clock that counts up, or stands still at `until`. */
export function Timer({ since, until }: { since: number; until: number | null }) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (until !== null) return;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [until]);
  return <span class="timer" role="timer">{duration((until ?? Date.now()) - since)}</span>;
}
