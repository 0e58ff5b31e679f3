// The call: the other one large, oneself small, and the buttons under one's
// thumb. It draws a `CallView`; the call itself is in `call/`.
import { useEffect, useRef, useState } from "preact/hooks";
import type { CallView, Ending } from "../call/view";
import { startRing } from "../ring";
import type { Actions, State } from "../state";
import { t } from "../text";
import { ChatDrawer } from "./chat";
import { LEVEL, LineSheet, pausedWords, QUALITY } from "./details";
import { CameraIcon, ChatIcon, HangUpIcon, LineBars, MicIcon, PhoneIcon } from "./icons";
import { CAMERA_WORDS, NewDevice } from "./notices";
import { Avatar, calmly, RoundButton, Timer, useCalm } from "./parts";

export function Stage({ call, state, act }: { call: CallView; state: State; act: Actions }) {
  const [chat, setChat] = useState(false);
  const [line, setLine] = useState(false);
  const [read, setRead] = useState(0);
  const over = call.state === "ended";
  const calm = useCalm(`${call.id} ${over}`);
  const lines = call.chat.filter((line) => !line.mine).length;
  const talking = call.state === "connected" || call.state === "reconnecting";
  const accepted = talking || call.state === "connecting";
  const paused = accepted ? pausedWords(call) : null;
  const shown = call.remoteVideo && !call.mine.save && !call.theirs.save && !call.theirs.weak;
  useEffect(() => {
    if (chat) setRead(lines);
  }, [chat, lines]);
  const box = useRef<HTMLElement>(null);
  useEffect(() => box.current?.focus(), []);
  useWakeLock(!over);
  useEffect(() => (call.state === "ringing" ? startRing("ringback") : undefined), [call.state]);

  return (
    <section
      ref={box} tabIndex={-1} class={`stage ${shown ? "with-video" : ""} ${chat ? "with-chat" : ""}`} aria-label={call.display}
      data-testid="stage" data-state={call.state} data-reason={call.reason ?? undefined} data-call={call.id}
    >
      <div class="picture">
        <Picture stream={call.remote} label={t("remoteVideo", { name: call.display })} class={shown ? "remote" : "remote unseen"} />
        {!shown && (
          <div class="portrait">
            <div class={call.state === "ringing" || call.state === "calling" ? "pulse" : ""}>
              <Avatar address={call.address} display={call.display} size="huge" />
            </div>
          </div>
        )}
        <div class="words">
          <h2 class="who">{call.display}</h2>
          <p class="soft small" data-testid="stage-who">{call.who}</p>
          <p class="state" role="status" aria-live="polite">{stateWords(call)}</p>
          {call.connectedAt !== null && (
            <p class="line">
              <Timer since={call.connectedAt} until={call.endedAt} />
              {call.quality && !over && (
                <button type="button" class="line-button" data-testid="quality" data-quality={call.quality} aria-haspopup="dialog"
                  aria-label={t("lineMore", { line: t(QUALITY[call.quality]) })} title={t(QUALITY[call.quality])} onClick={() => setLine(true)}
                ><LineBars level={LEVEL[call.quality]} /></button>
              )}
            </p>
          )}
          {paused && <p class="soft small" role="status" data-testid="paused" data-mine={call.mine.save ? "save" : call.mine.weak ? "weak" : "no"}>{paused}</p>}
          {call.peerLost && !over && <p class="soft small" role="status">{t("peerLost")}</p>}
          {call.cameraProblem && !over && <p class="soft small" role="status">{t(CAMERA_WORDS[call.cameraProblem])}</p>}
        </div>
        {call.camera && <Picture stream={call.own} label={t("ownVideo")} class={call.mine.weak || call.mine.save || call.theirs.save ? "own paused" : "own"} muted />}
      </div>
      {!over && <NewDevice state={state} act={act} address={call.address} />}
      {line && !over && <LineSheet call={call} state={state} act={act} close={() => setLine(false)} />}
      {chat && <ChatDrawer call={call} act={act} close={() => setChat(false)} />}
      {over ? (
        <div class="controls ended">
          {call.outgoing && (
            <button type="button" class="wide-button" data-testid="call-again"
              {...calmly(calm, () => { act.leaveStage(); act.call(call.address, call.media); })}
            >
              <PhoneIcon />{t("callAgain")}
            </button>
          )}
          <CloseButton calm={calm} onClick={() => act.leaveStage()} />
        </div>
      ) : (
        <div class="controls" role="toolbar" aria-label={call.display}>
          <RoundButton
            label={!call.hasMic && accepted ? t("noMic") : call.muted ? t("unmute") : t("mute")} pressed={call.muted} testid="mute"
            disabled={!call.hasMic} onClick={() => act.mute(!call.muted)}
          ><MicIcon off={call.muted || (!call.hasMic && accepted)} /></RoundButton>
          <RoundButton
            label={call.camera ? t("cameraOff") : t("cameraOn")} pressed={call.camera} testid="camera" disabled={!accepted}
            onClick={() => act.camera(!call.camera)}
          ><CameraIcon off={!call.camera} /></RoundButton>
          <RoundButton
            label={lines > read ? t("chatNew", { count: lines - read }) : t("chat")} pressed={chat} testid="chat-toggle" disabled={!accepted}
            badge={chat ? 0 : lines - read} onClick={() => setChat(!chat)}
          ><ChatIcon /></RoundButton>
          <RoundButton label={t("hangup")} kind="stop" testid="hangup" calm={calm} onClick={() => act.hangUp()}><HangUpIcon /></RoundButton>
        </div>
      )}
    </section>
  );
}

function CloseButton({ calm, onClick }: { calm: boolean; onClick: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  return (
    <button ref={button} type="button" class="wide-button quiet" data-testid="stage-close" {...calmly(calm, onClick)}
      onKeyDown={(event) => event.key === "Escape" && onClick()}>{t("close")}</button>
  );
}

function stateWords(call: CallView): string {
  switch (call.state) {
    case "calling": return call.hasMic ? t("calling") : t("asking");
    case "ringing": return t("ringing");
    case "connecting": return t("connecting");
    case "reconnecting": return t("reconnecting");
    case "ended": return t(`end_${call.reason ?? "hung_up"}` satisfies `end_${Ending}`, { name: call.display });
    default: return call.connectedAt === null ? "" : t("connected");
  }
}

/** A video element that plays a stream; sound comes from it as well. */
function Picture({ stream, label, class: kind, muted }: { stream: MediaStream | null; label: string; class: string; muted?: boolean }) {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (!video || video.srcObject === stream) return;
    video.srcObject = stream;
    video.play().catch(() => undefined); // plays at the next tap where it must
  });
  return <video ref={element} class={kind} aria-label={label} aria-hidden={kind.includes("unseen") ? "true" : undefined} autoPlay playsInline muted={muted} />;
}

/** The screen stays on while one talks, where the browser can do that. */
function useWakeLock(wanted: boolean): void {
  useEffect(() => {
    if (!wanted || !("wakeLock" in navigator)) return;
    let lock: WakeLockSentinel | null = null;
    let over = false;
    const ask = () => {
      if (document.visibilityState !== "visible") return;
      navigator.wakeLock.request("screen").then((got) => {
        if (over) void got.release();
        else lock = got;
      }, () => undefined);
    };
    ask();
    document.addEventListener("visibilitychange", ask);
    return () => {
      over = true;
      document.removeEventListener("visibilitychange", ask);
      void lock?.release();
    };
  }, [wanted]);
}
