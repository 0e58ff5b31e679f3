// What the page has to tell: the router is away, a device is new, the
// microphone is missing, a call was missed.
import type { Actions, State } from "../state";
import type { MediaProblem } from "../call/media";
import { shortDevice } from "../devices";
import { t, type Key } from "../text";
import { MicIcon } from "./icons";
import { Dialog } from "./parts";

export function Banner({ state, act }: { state: State; act: Actions }) {
  const talking = state.call !== null && state.call.state !== "ended";
  return (
    <div role="status" class="banner-place">
      {state.wire === "replaced" && (
        <div class="banner" data-testid="banner" data-state={state.wire}>
          {t("bannerReplaced")}
          <button type="button" class="text-button" data-testid="use-here" onClick={() => act.useHere()}>{t("useHere")}</button>
        </div>
      )}
      {state.waiting && (
        <div class="banner" data-testid="banner" data-state={state.wire}>
          <i class="spin" aria-hidden="true" />
          {talking ? t("bannerCall") : t("bannerWaiting")}
        </div>
      )}
    </div>
  );
}

/** Somebody else may have come in as this person: said until it is answered. */
export function Added({ state, act }: { state: State; act: Actions }) {
  const { added } = state;
  const first = added[0];
  if (!first) return null;
  return (
    <div class="warn" role="alert" data-testid="added" data-device={first.device}>
      <p>{t("deviceAdded", { device: added.map((one) => shortDevice(one.device)).join(", ") })}</p>
      <button type="button" class="text-button" data-testid="added-mine" onClick={() => act.addedKnown()}>{t("deviceAddedMe")}</button>{" "}
      <button type="button" class="text-button" data-testid="added-show" onClick={() => act.settings(true)}>{t("deviceAddedShow")}</button>
    </div>
  );
}

export function Toast({ state }: { state: State }) {
  return <div role="status" class="toast-place">{state.toast && <div class="toast" data-testid="toast">{state.toast}</div>}</div>;
}

export function NewDevice({ state, act, address }: { state: State; act: Actions; address: string }) {
  const { newDevice } = state;
  if (!newDevice || newDevice.address !== address) return null;
  return (
    <div class="warn" role="alert" data-testid="new-device">
      <p>{t("pinChanged", { name: newDevice.display })}</p>
      <button type="button" class="text-button" onClick={() => act.trustDevice()}>{t("pinTrust", { name: newDevice.display })}</button>
    </div>
  );
}

const MIC_WORDS: Record<MediaProblem, Key> = { refused: "micRefused", none: "micNone", busy: "micBusy" };
export const CAMERA_WORDS: Record<MediaProblem, Key> = { refused: "cameraRefused", none: "cameraNone", busy: "cameraBusy" };

export function MicQuestion({ problem, act }: { problem: MediaProblem; act: Actions }) {
  return (
    <Dialog label={t("noMicTitle")} class="question" role="alertdialog" testid="mic-question" onClose={() => act.micAnswer("cancel")}>
      <span class="medal"><MicIcon off /></span>
      <h2>{t("noMicTitle")}</h2>
      <p>{t(MIC_WORDS[problem])}</p>
      <button type="button" class="wide-button" data-autofocus data-testid="mic-again" onClick={() => act.micAnswer("again")}>{t("tryAgain")}</button>
      <button type="button" class="wide-button quiet" data-testid="mic-listen" onClick={() => act.micAnswer("listen")}>{t("listenOnly")}</button>
      <button type="button" class="text-button" data-testid="mic-cancel" onClick={() => act.micAnswer("cancel")}>{t("cancel")}</button>
    </Dialog>
  );
}
