// The chat beside a call. Lines are text, never markup; nothing is kept.
import { useEffect, useRef, useState } from "preact/hooks";
import type { CallView } from "../call/view";
import type { Actions } from "../state";
import { t } from "../text";
import { CloseIcon, SendIcon } from "./icons";

const LONGEST = 2000;

export function ChatDrawer({ call, act, close }: { call: CallView; act: Actions; close: () => void }) {
  const [text, setText] = useState("");
  const end = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  useEffect(() => end.current?.scrollIntoView({ block: "end" }), [call.chat.length]);
  const send = (event: Event) => {
    event.preventDefault();
    const line = text.trim();
    if (line === "") return;
    act.say(line);
    setText("");
  };
  return (
    <section class="chat" aria-label={t("chat")} data-testid="chat" onKeyDown={(event) => event.key === "Escape" && close()}>
      <header>
        <h3>{t("chat")}</h3>
        <button type="button" class="corner" aria-label={t("close")} onClick={close}><CloseIcon /></button>
      </header>
      <div class="lines" role="log" aria-live="polite" tabIndex={0} aria-label={t("chat")}>
        {call.chat.length === 0 && <p class="empty">{t("chatEmpty")}</p>}
        {call.chat.map((line) => (
          <p key={line.id} class={line.mine ? "bubble mine" : "bubble"} data-testid="chat-message" data-mine={line.mine ? "true" : "false"} data-state={line.state}>
            {line.text}
            {line.state === "failed" && <small> · {t("chatFailed")}</small>}
          </p>
        ))}
        <div ref={end} />
      </div>
      {call.state !== "ended" && <form onSubmit={send}>
        <input
          ref={input} type="text" value={text} maxLength={LONGEST} placeholder={t("chatInput")} aria-label={t("chatInput")} enterkeyhint="send"
          autocomplete="off" data-testid="chat-input" onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="round small go" aria-label={t("chatSend")} disabled={text.trim() === ""} data-testid="chat-send"><SendIcon /></button>
      </form>}
    </section>
  );
}
