// A second device: the way in for somebody who has a name already, the question
// on the device that is in, and the list of one's devices. They know no wire.
import { useState } from "preact/hooks";
import { shortDevice } from "../devices";
import type { Actions, Asked, Linking, State } from "../state";
import { t, type Key } from "../text";
import type { Person } from "../wire/messages";
import { Mark, PhoneIcon } from "./icons";
import { whoIs } from "../names";
import { Avatar, Dialog } from "./parts";
import { PasswordDoor } from "./password";

const WORDS: Record<string, Key> = {
  refused: "link_refused", expired: "link_expired", nobody: "link_nobody", home_away: "link_home_away",
  full: "link_full", banned: "nameBanned", cancelled: "link_expired", elsewhere: "link_expired",
  wrong_password: "link_wrong_password", too_often: "link_too_often", no_password: "link_no_password",
  false_home: "link_false_home", empty: "passwordEmpty",
};

const wordsFor = (problem: string, person: Person): string =>
  t(WORDS[problem] ?? "nameFailed", { code: problem, node: person.home.name });

export function LinkPage({ linking, act }: { linking: Linking; act: Actions }) {
  return (
    <main class="door">
      <Mark />
      <div class="door-card" data-testid="link">
        <Step linking={linking} act={act} />
        <button type="button" class="text-button" data-testid="link-back" onClick={() => act.link(false)}>{t("back")}</button>
      </div>
    </main>
  );
}

function Step({ linking, act }: { linking: Linking; act: Actions }) {
  switch (linking.step) {
    case "find":
      return <Find linking={linking} act={act} />;
    case "how":
      return <How person={linking.person} act={act} />;
    case "ask":
      return <Ask linking={linking} act={act} />;
    case "password": {
      const { problem, person } = linking;
      // one that took too long to work out is no answer of another device
      const words = problem && (problem === "expired" ? t("passwordLate") : wordsFor(problem, person));
      return <PasswordDoor linking={linking} words={words} act={act} />;
    }
  }
}

/** Two ways in, for somebody who has a password. */
function How({ person, act }: { person: Person; act: Actions }) {
  return (
    <>
      <h1>{person.display}</h1>
      <p>{t("linkHow")}</p>
      <button type="button" class="wide-button" data-testid="link-by-password" onClick={() => act.linkBy("password", person)}>{t("linkByPassword")}</button>
      <button type="button" class="wide-button quiet" data-testid="link-by-device" onClick={() => act.linkBy("device", person)}>{t("linkByDevice")}</button>
    </>
  );
}

function Find({ linking, act }: { linking: Linking & { step: "find" }; act: Actions }) {
  const [typed, setTyped] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (typed.trim()) act.linkFind(typed);
  };
  return (
    <>
      <h1>{t("linkTitle")}</h1>
      <p class="soft">{t("linkHint")}</p>
      <form class="settings" onSubmit={submit}>
        <label class="field">
          <span class="visually-hidden">{t("linkLabel")}</span>
          <input type="text" maxLength={48} value={typed} placeholder={t("linkLabel")} autocomplete="username" enterkeyhint="search" data-testid="link-name" onInput={(event) => setTyped(event.currentTarget.value)} />
        </label>
        <button type="submit" class="wide-button" data-testid="link-find">{t("linkFind")}</button>
      </form>
      <div role="status">
        {linking.problem && <p class="problem">{t("nameFailed", { code: linking.problem })}</p>}
        {linking.found?.length === 0 && <p class="problem" data-testid="link-nobody">{t("linkNone")}</p>}
      </div>
      {linking.found && linking.found.length > 0 && (
        <ul class="choices">
          {linking.found.map((person) => <li key={person.address}><Choice person={person} act={act} /></li>)}
        </ul>
      )}
    </>
  );
}

function Choice({ person, act }: { person: Person; act: Actions }) {
  return (
    <button type="button" class="row" data-testid="link-choice" data-address={person.address} onClick={() => act.linkAs(person)}>
      <Avatar address={person.address} display={person.display} />
      <span class="row-words">
        <span class="row-name">{person.display}</span>
        <span class="soft small">{whoIs(person.address, person.home)}</span>
      </span>
    </button>
  );
}

function Ask({ linking, act }: { linking: Linking & { step: "ask" }; act: Actions }) {
  const { person, number, problem } = linking;
  if (problem) {
    return (
      <>
        <h1>{person.display}</h1>
        <p class="problem" role="alert" data-testid="link-problem" data-code={problem}>{wordsFor(problem, person)}</p>
        <button type="button" class="wide-button" data-testid="link-again" onClick={() => act.linkBy("device", person)}>{t("tryAgain")}</button>
      </>
    );
  }
  return (
    <>
      <h1>{person.display}</h1>
      {number === null
        ? <p data-testid="link-wait">{t("linkWait", { name: person.display })}</p>
        : <><p>{t("linkNumber")}</p><p class="number" role="status" data-testid="link-number">{number}</p></>}
    </>
  );
}

export function AskedSheet({ asked, act }: { asked: Asked; act: Actions }) {
  return (
    <Dialog label={t("askedTitle")} class="question" role="alertdialog" testid="asked" onClose={() => act.askedAnswer(false)}>
      <span class="medal"><PhoneIcon /></span>
      <h2>{t("askedTitle")}</h2>
      {!asked.taken && <p>{t("askedText", { node: asked.at.name })}</p>}
      {asked.taken && asked.number === null && <p>{t("nameWait")}</p>}
      {asked.number !== null && <><p>{t("askedSame")}</p><p class="number" data-testid="asked-number">{asked.number}</p></>}
      {asked.taken
        ? <button type="button" class="wide-button" disabled={asked.number === null} data-testid="asked-yes" onClick={() => act.askedAnswer(true)}>{t("askedYes")}</button>
        : <button type="button" class="wide-button" data-testid="asked-me" onClick={() => act.askedShow()}>{t("askedMe")}</button>}
      <button type="button" class="wide-button quiet" data-autofocus data-testid="asked-no" onClick={() => act.askedAnswer(false)}>{t("askedNo")}</button>
    </Dialog>
  );
}

export function DeviceList({ state, me, act }: { state: State; me: NonNullable<State["me"]>; act: Actions }) {
  const [asking, setAsking] = useState<string | null>(null);
  const [said, setSaid] = useState("");
  const devices = state.devices?.devices ?? [];
  const revoke = async (device: string) => {
    setAsking(null);
    const code = await act.revoke(device);
    setSaid(code === null ? t("deviceGone") : t("saveFailed", { code }));
  };
  return (
    <section class="devices" aria-label={t("devices")}>
      <h3>{t("devices")}</h3>
      <ul>
        {devices.map((one) => (
          <li key={one.device} data-testid="device" data-device={one.device}>
            <span class="row-words">
              <span>{one.device === me.device ? t("yourDevice") : t("deviceOther", { id: shortDevice(one.device) })}</span>
              <span class="soft small">{!one.at ? t("deviceNever") : one.here ? t("at", { node: one.at.name }) : t("deviceLast", { node: one.at.name })}</span>
            </span>
            {one.device !== me.device && (asking === one.device
              ? <button type="button" class="text-button" data-testid="device-sure" onClick={() => void revoke(one.device)}>{t("deviceSure")}</button>
              : <button type="button" class="text-button" data-testid="device-remove" onClick={() => setAsking(one.device)}>{t("deviceRemove")}</button>)}
          </li>
        ))}
      </ul>
      <p class="small" role="status">{said || t("deviceHint")}</p>
    </section>
  );
}
