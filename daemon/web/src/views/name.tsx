// The first page: "what is your name?", and the pages for when nothing can
// start at all. They know no wire.
import { useEffect, useRef, useState } from "preact/hooks";
import { cleanDisplay, displayProblem } from "../names";
import { t } from "../text";
import type { Actions, State } from "../state";
import { Mark } from "./icons";

export function NamePage({ state, act }: { state: State; act: Actions }) {
  const [typed, setTyped] = useState(state.me?.display ?? "");
  const [wrong, setWrong] = useState<"empty" | "long" | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const problem = state.nameProblem;
  useEffect(() => input.current?.focus(), [problem]);

  const submit = (event: Event) => {
    event.preventDefault();
    const display = cleanDisplay(typed);
    const found = displayProblem(display);
    setWrong(found);
    if (found) input.current?.focus();
    else act.enter(display);
  };
  const message = wrong === "empty" ? t("nameEmpty") : wrong === "long" ? t("nameLong") : problem && wordsFor(problem);
  const suggest = problem?.suggest;

  return (
    <main class="door">
      <Mark />
      <form class="door-card" onSubmit={submit} noValidate>
        <h1>{t("nameTitle")}</h1>
        <p class="soft">{t("nameHint")}</p>
        <label class="field">
          <span class="visually-hidden">{t("nameLabel")}</span>
          <input
            ref={input} type="text" name="name" autocomplete="nickname" maxLength={96} value={typed} enterkeyhint="go"
            placeholder={t("nameLabel")} aria-invalid={message ? "true" : "false"} aria-describedby="name-error"
            data-testid="name-input"
            onInput={(event) => { setTyped(event.currentTarget.value); setWrong(null); }}
          />
        </label>
        <p id="name-error" class="problem" role="alert" data-testid="name-error" hidden={!message}>{message}</p>
        {suggest && !wrong && (
          <button type="button" class="wide-button quiet" data-testid="name-suggest" onClick={() => act.enter(cleanDisplay(typed) || suggest, suggest)}>
            {t("nameUse", { name: suggest })}
          </button>
        )}
        {problem?.code === "name_taken" && !wrong && (
          <button type="button" class="wide-button quiet" data-testid="name-me" onClick={() => { act.link(true); act.linkFind(`${problem.name}@${state.node}`); }}>
            {t("nameMe")}
          </button>
        )}
        <button type="submit" class="wide-button" disabled={state.signingIn} data-testid="name-submit">
          {state.signingIn ? t("nameWait") : t("nameGo")}
        </button>
        <button type="button" class="text-button" data-testid="link-open" onClick={() => act.link(true)}>{t("linkOpen")}</button>
        {!state.lasting && <p class="note">{t("notLasting")}</p>}
      </form>
      <p class="soft small">{state.node ? t("nameAt", { node: state.node }) : " "}</p>
    </main>
  );
}

function wordsFor(problem: NonNullable<State["nameProblem"]>): string {
  if (problem.code === "name_taken") return t("nameTaken", { name: problem.name });
  if (problem.code === "taken_out") return t("nameTakenOut", { name: problem.name });
  if (problem.code === "full") return t("nameFull");
  if (problem.code === "banned") return t("nameBanned");
  return t("nameFailed", { code: problem.code });
}

/** Nothing can start: says why, and what helps. */
export function BlockedPage({ why }: { why: "insecure" | "no_rtc" }) {
  const address = `https://${location.hostname}:8443/`;
  return (
    <main class="door">
      <Mark />
      <div class="door-card">
        <h1>{why === "insecure" ? t("insecureTitle") : t("noRtcTitle")}</h1>
        <p>{why === "insecure" ? t("insecureText") : t("noRtcText")}</p>
        {why === "insecure" && <a class="wide-button" href={address}>{address}</a>}
      </div>
    </main>
  );
}
