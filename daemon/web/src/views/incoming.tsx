// Somebody rings: who, from where, and the ways to answer. The sound is made
// in `ring.ts`.
import { useEffect } from "preact/hooks";
import type { CallView } from "../call/view";
import type { Actions, State } from "../state";
import { startRing } from "../ring";
import { t } from "../text";
import { CameraIcon, HangUpIcon, PhoneIcon } from "./icons";
import { NewDevice } from "./notices";
import { Avatar, Dialog, RoundButton, useCalm } from "./parts";

export function IncomingSheet({ call, state, act }: { call: CallView; state: State; act: Actions }) {
  useEffect(() => startRing("incoming"), []);
  useEffect(() => {
    const before = document.title;
    document.title = `☎ ${call.display}`;
    return () => {
      document.title = before;
    };
  }, []);
  const calm = useCalm(call.id);
  const what = call.media === "video" ? t("incomingVideo") : t("incomingAudio");
  return (
    <Dialog label={`${call.display} ${what}`} class="incoming" role="alertdialog" testid="incoming" onClose={() => act.decline()}>
      <div class="pulse"><Avatar address={call.address} display={call.display} size="huge" /></div>
      <h2 class="who" data-testid="incoming-from" data-address={call.address}>{call.display}</h2>
      <p class="soft small" data-testid="incoming-who">{call.who}</p>
      <p>{what}</p>
      <p class="soft">{t("from", { node: call.from })}</p>
      <NewDevice state={state} act={act} address={call.address} />
      <div class="answers">
        <RoundButton label={t("decline")} caption={t("decline")} kind="stop" testid="decline" calm={calm} onClick={() => act.decline()}><HangUpIcon /></RoundButton>
        <RoundButton label={t("answerVideo")} caption={t("answerVideo")} testid="answer-video" calm={calm} onClick={() => act.answer("video")}><CameraIcon /></RoundButton>
        <RoundButton label={t("answer")} caption={t("answer")} kind="go" testid="answer" calm={calm} onClick={() => act.answer("audio")}><PhoneIcon /></RoundButton>
      </div>
    </Dialog>
  );
}
