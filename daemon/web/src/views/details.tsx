// What the line is like: a word for everybody, numbers for who wants them, and
// the switch that saves data. It draws what `call/` has measured.
import type { CallView } from "../call/view";
import { pathOf, type Pair, type Picture, type Quality } from "../call/stats";
import type { Actions, State } from "../state";
import { t, type Key } from "../text";
import { CloseIcon, LineBars } from "./icons";
import { Dialog, Switch } from "./parts";

export const LEVEL: Record<Quality, 1 | 2 | 3> = { good: 3, fair: 2, poor: 1 };
export const QUALITY: Record<Quality, Key> = { good: "qualityGood", fair: "qualityFair", poor: "qualityPoor" };
const MEANS: Record<Quality, Key> = { good: "lineGoodMeans", fair: "lineFairMeans", poor: "linePoorMeans" };

/** Why there is no picture; null when there is, or when nobody wants one. */
export function pausedWords(call: CallView): string | null {
  const { mine, theirs, display } = call;
  if (mine.save) return t("pausedSave");
  if (theirs.save) return t("pausedSaveTheirs", { name: display });
  if (mine.weak) return t("pausedWeak");
  return theirs.weak ? t("pausedWeakTheirs", { name: display }) : null;
}

export function LineSheet({ call, state, act, close }: { call: CallView; state: State; act: Actions; close: () => void }) {
  const { quality, line, stats, mine, theirs } = call;
  const { pair } = stats;
  const ms = (value: number | null) => (value === null ? NONE : `${Math.round(value)} ms`);
  const both = (show: (value: number) => string, down?: number, up?: number) =>
    down === undefined || up === undefined ? NONE : t("factBoth", { down: show(down), up: show(up) });
  const facts: [Key, string][] = [
    ["factTrip", ms(stats.roundTripMs)],
    ["factJitter", ms(stats.jitterMs)],
    ["factLost", both(percent, line?.lostIn, line?.lostOut)],
    ["factRate", both((rate) => `${Math.round(rate)} kb/s`, line?.down, line?.up)],
    ["factIn", picture(call.remoteVideo && !theirs.weak && !theirs.save && !mine.save ? stats.pictureIn : null)],
    ["factOut", picture(call.camera && !mine.weak && !mine.save && !theirs.save ? stats.pictureOut : null)],
    ["factCodecs", stats.codecs.join(", ") || NONE],
    ["factPath", pair ? pathWords(pair, state.node, call.from) : NONE],
  ];
  if (pair?.local === "relay") facts.push(["factRelay", (pair.relay ?? "udp").toUpperCase()]);
  const label = quality ? t(QUALITY[quality]) : t("reconnecting");
  return (
    <Dialog label={label} class="card line-sheet" testid="line-sheet" onClose={close}>
      <button type="button" class="corner" aria-label={t("close")} onClick={close}><CloseIcon /></button>
      <span class="medal">{quality && <LineBars level={LEVEL[quality]} />}</span>
      <h2>{label}</h2>
      <p class="soft">{pausedWords(call) ?? (quality ? t(MEANS[quality]) : "")}</p>
      <SaveSwitch state={state} act={act} />
      <dl class="facts pairs">
        {facts.map(([key, value]) => <div key={key} data-testid={key}><dt>{t(key)}</dt><dd>{value}</dd></div>)}
      </dl>
      <button type="button" class="wide-button quiet" data-autofocus data-testid="line-close" onClick={close}>{t("close")}</button>
    </Dialog>
  );
}

export function SaveSwitch({ state, act }: { state: State; act: Actions }) {
  return <Switch on={state.save} words="saveData" means="saveDataMeans" testid="save-data" set={(on) => act.saveData(on)} />;
}

const NONE = "–";

const percent = (share: number): string => `${(share * 100).toFixed(share > 0 && share < 0.01 ? 1 : 0)} %`;

/** A relay is the router's at which its side is signed in. */
function pathWords(pair: Pair, here: string, there: string): string {
  const path = pathOf(pair);
  if (path !== "relayed") return t(path === "direct" ? "pathDirect" : "pathReflexive");
  return t("pathRelayed", { node: [pair.local === "relay" ? here : "", pair.remote === "relay" ? there : ""].filter(Boolean).join(" + ") });
}

function picture(it: Picture | null): string {
  return it ? `${it.width}×${it.height} · ${Math.round(it.rate)}/s` : t("factNone");
}
