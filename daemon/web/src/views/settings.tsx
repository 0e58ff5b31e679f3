// Oneself: the name that others see, and what identifies this device.
import { useState } from "preact/hooks";
import { cleanDisplay, displayProblem } from "../names";
import type { Actions, State } from "../state";
import { t } from "../text";
import { SaveSwitch } from "./details";
import { CloseIcon } from "./icons";
import { DeviceList } from "./link";
import { Avatar, Dialog, Switch } from "./parts";
import { PasswordSettings } from "./password";

export function SettingsSheet({ me, state, act }: { me: NonNullable<State["me"]>; state: State; act: Actions }) {
  const [typed, setTyped] = useState(me.display);
  const [said, setSaid] = useState("");
  const save = async (event: Event) => {
    event.preventDefault();
    const display = cleanDisplay(typed);
    const problem = displayProblem(display);
    if (problem) return setSaid(problem === "empty" ? t("nameEmpty") : t("nameLong"));
    const code = await act.rename(display);
    setSaid(code === null ? t("saved") : code === "not_home" ? t("saveNotHome") : t("saveFailed", { code }));
  };
  return (
    <Dialog label={t("settings")} class="card" testid="settings" onClose={() => act.settings(false)}>
      <button type="button" class="corner" aria-label={t("close")} onClick={() => act.settings(false)}><CloseIcon /></button>
      <Avatar address={me.address} display={me.display} size="huge" />
      <form class="settings" onSubmit={save}>
        <label class="field">
          <span>{t("yourName")}</span>
          <input type="text" value={typed} maxLength={96} data-testid="rename-input" onInput={(event) => { setTyped(event.currentTarget.value); setSaid(""); }} />
        </label>
        <p class="small" role="status">{said}</p>
        <button type="submit" class="wide-button" data-testid="rename-submit" disabled={state.wire !== "ready"}>{t("save")}</button>
      </form>
      <SaveSwitch state={state} act={act} />
      {(state.canHide || state.hide) && (
        <Switch on={state.hide} words="hideAddress" means="hideAddressMeans" testid="hide-address" set={(hide) => act.hideAddress(hide)} />
      )}
      <dl class="facts">
        <dt>{t("yourAddress")}</dt><dd>{me.address}</dd>
        <dt>{t("yourDevice")}</dt><dd>{me.device}</dd>
      </dl>
      <DeviceList state={state} me={me} act={act} />
      <PasswordSettings state={state} me={me} act={act} />
      {state.unkept && <p class="note" data-testid="unkept">{t("unkept")}</p>}
      {!state.lasting && <p class="note">{t("notLasting")}</p>}
    </Dialog>
  );
}
