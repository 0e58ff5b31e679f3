// The password: the way in by it, and the part of one's settings that sets it.
// They know no wire, and keep what is typed no longer than the form is open.
import { useEffect, useRef, useState } from "preact/hooks";
import { prepared, strength, type Strength } from "../password";
import type { Actions, Linking, State } from "../state";
import { t, type Key } from "../text";

const STRENGTH: Record<Strength, Key> = {
  short: "passwordShort", simple: "passwordSimple", fair: "passwordFair", good: "passwordGood",
};

/** A field with a switch to show what is typed. The name goes with it for password managers. */
function Field({ name, fresh, typed, onInput, describedby, problem }: {
  name: string; fresh: boolean; typed: string; onInput: (typed: string) => void; describedby: string; problem?: string | null;
}) {
  const [shown, setShown] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), [problem]);
  return (
    <>
      <input class="visually-hidden" type="text" name="username" autocomplete="username" value={name} readOnly tabIndex={-1} aria-hidden="true" />
      <label class="field">
        <span>{fresh ? t("passwordNew") : t("password")}</span>
        <input
          ref={input} type={(shown ? "text" : "password") as "password"} name="password" autocomplete={fresh ? "new-password" : "current-password"}
          autocapitalize="off" spellcheck={false} maxLength={256} value={typed} enterkeyhint="go"
          aria-describedby={describedby} aria-invalid={problem ? "true" : "false"} data-testid="password-input" onInput={(event) => onInput(event.currentTarget.value)}
        />
      </label>
      <label class="switch">
        <input type="checkbox" checked={shown} data-testid="password-show" onChange={(event) => setShown(event.currentTarget.checked)} />
        <span>{t("passwordShow")}</span>
      </label>
    </>
  );
}

export function PasswordDoor({ linking, words, act }: { linking: Linking & { step: "password" }; words: string | null; act: Actions }) {
  const [typed, setTyped] = useState("");
  const { person, busy, problem } = linking;
  const submit = (event: Event) => {
    event.preventDefault();
    act.linkPassword(typed);
  };
  return (
    <>
      <h1>{person.display}</h1>
      <form class="settings" onSubmit={submit}>
        <Field name={person.name} fresh={false} typed={typed} onInput={setTyped} describedby="password-said" problem={problem} />
        <p id="password-said" class={words ? "problem" : "small"} role={words ? "alert" : "status"} data-testid="password-said" data-code={problem ?? ""}>
          {busy ? <><i class="spin inline" aria-hidden="true" /> {t("passwordWait")}</> : words ?? t("passwordTrust")}
        </p>
        <button type="submit" class="wide-button" disabled={busy} data-testid="password-go">{t("nameGo")}</button>
      </form>
      <button type="button" class="text-button" data-testid="link-by-device" onClick={() => act.linkBy("device", person)}>{t("linkByDevice")}</button>
    </>
  );
}

export function PasswordSettings({ state, me, act }: { state: State; me: NonNullable<State["me"]>; act: Actions }) {
  const [doing, setDoing] = useState<"nothing" | "typing" | "removing" | "saving">("nothing");
  const [typed, setTyped] = useState("");
  const [said, setSaid] = useState("");
  if (!state.devices) return null;
  const has = state.devices.password === true;
  const name = me.address.split("@")[0] ?? "";
  const names = [name, me.display];
  const found = typed ? strength(prepared(typed) ?? "", names) : null;

  const save = async (password: string | null) => {
    setDoing("saving");
    setSaid(t("passwordWait"));
    const code = await act.setPassword(password);
    setDoing(code === null ? "nothing" : password === null ? "nothing" : "typing");
    if (code === null) setTyped("");
    setSaid(code === null ? t(password === null ? "passwordGone" : "passwordSaved") : code === "home_away"
      ? t("passwordAway") : t("saveFailed", { code }));
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (found === "fair" || found === "good") void save(typed);
    else setSaid(t(STRENGTH[found ?? "short"]));
  };
  const open = (what: "nothing" | "typing" | "removing") => {
    setDoing(what);
    setTyped("");
    setSaid("");
  };
  return (
    <section class="devices" aria-label={t("password")} data-testid="password" data-set={has}>
      <h3>{t("password")}</h3>
      <p class="small">{has ? t("passwordIs") : t("passwordWhy")}</p>
      {doing === "typing" || (doing === "saving" && typed)
        ? (
          <form class="settings" onSubmit={submit}>
            <Field name={name} fresh typed={typed} onInput={(now) => { setTyped(now); setSaid(""); }} describedby="password-strength" />
            <p id="password-strength" class="small" role="status" data-testid="password-strength" data-strength={found ?? ""}>
              {found ? t(STRENGTH[found]) : t("passwordHint")}
            </p>
            <button type="submit" class="wide-button" disabled={doing === "saving" || state.wire !== "ready"} data-testid="password-save">{t("save")}</button>
            <button type="button" class="text-button" disabled={doing === "saving"} onClick={() => open("nothing")}>{t("cancel")}</button>
          </form>
        )
        : (
          <div class="two">
            <button type="button" class="wide-button quiet" disabled={doing === "saving"} data-testid="password-set" onClick={() => open("typing")}>{has ? t("passwordChange") : t("passwordSet")}</button>
            {has && (doing === "removing"
              ? <button type="button" class="wide-button quiet" data-testid="password-sure" onClick={() => void save(null)}>{t("passwordSure")}</button>
              : <button type="button" class="wide-button quiet" disabled={doing === "saving"} data-testid="password-remove" onClick={() => open("removing")}>{t("passwordRemove")}</button>)}
          </div>
        )}
      <p class="small" role="status" data-testid="password-result">{said}</p>
    </section>
  );
}
