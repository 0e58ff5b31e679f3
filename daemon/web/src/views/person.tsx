// One person: who, where, and the two ways to call. A sheet on a phone, a pane
// where there is room.
import { useState } from "preact/hooks";
import { isHere, type Actions, type State } from "../state";
import { t } from "../text";
import { whoIs } from "../names";
import type { Person } from "../wire/messages";
import { CameraIcon, CloseIcon, PhoneIcon } from "./icons";
import { Avatar, Dialog, Way } from "./parts";

export function PersonCard({ state, act, wide }: { state: State; act: Actions; wide: boolean }) {
  const person = state.people?.find((one) => one.address === state.selected);
  if (!person) return null;
  const close = () => act.select(null);
  const body = <CardBody person={person} act={act} close={close} />;
  if (!wide) {
    return <Dialog label={person.display} class="card" testid="person-card" onClose={close}>{body}</Dialog>;
  }
  return (
    <section class="card pane-card" aria-label={person.display} data-testid="person-card" onKeyDown={(event) => event.key === "Escape" && close()}>
      {body}
    </section>
  );
}

function CardBody({ person, act, close }: { person: Person; act: Actions; close: () => void }) {
  const here = isHere(person);
  const places = person.at.filter((node) => node.alive !== false).map((node) => node.name);
  return (
    <>
      <button type="button" class="corner" aria-label={t("close")} onClick={close}><CloseIcon /></button>
      <Avatar address={person.address} display={person.display} here={here} size="huge" />
      <h2 class="who">{person.display}</h2>
      <p class="soft">{here ? t("at", { node: places.join(", ") }) : t("lastAt", { node: person.home.name })}</p>
      <p class="soft small">{whoIs(person.address, person.home)}</p>
      <p class="soft small address">{person.address}</p>
      {here && person.quality && <p class="way-line"><Way quality={person.quality} words /></p>}
      {!here && <p class="note">{t("personAway", { name: person.display })}</p>}
      <div class="two">
        <button type="button" class="wide-button" data-autofocus disabled={!here} data-testid="call-audio" onClick={() => act.call(person.address, "audio")}>
          <PhoneIcon />{t("callAudio")}
        </button>
        <button type="button" class="wide-button quiet" disabled={!here} data-testid="call-video" onClick={() => act.call(person.address, "video")}>
          <CameraIcon />{t("callVideo")}
        </button>
      </div>
      {!person.you && <Report person={person} act={act} />}
    </>
  );
}

/** Tells the router's owner about this person. */
function Report({ person, act }: { person: Person; act: Actions }) {
  const [typed, setTyped] = useState("");
  const [said, setSaid] = useState("");
  const send = async (event: Event) => {
    event.preventDefault();
    const reason = typed.trim();
    if (!reason) return;
    const code = await act.report(person.address, reason);
    setSaid(code === null ? t("reportSent") : t("saveFailed", { code }));
    if (code === null) setTyped("");
  };
  return (
    <details class="report">
      <summary class="soft small" data-testid="report">{t("report")}</summary>
      <form class="settings" onSubmit={send}>
        <label class="field">
          <span>{t("reportLabel")}</span>
          <input type="text" value={typed} maxLength={120} data-testid="report-input" onInput={(event) => { setTyped(event.currentTarget.value); setSaid(""); }} />
        </label>
        <p class="small" role="status">{said || t("reportHint", { name: person.display })}</p>
        <button type="submit" class="wide-button quiet" data-testid="report-submit">{t("reportSend")}</button>
      </form>
    </details>
  );
}
