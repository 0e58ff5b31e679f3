// The whole page, put together from the views. It listens to the store and
// holds no state of its own.
import { useEffect, useState } from "preact/hooks";
import type { Actions, Store } from "../state";
import { t } from "../text";
import { IncomingSheet } from "./incoming";
import { AskedSheet, LinkPage } from "./link";
import { BlockedPage, NamePage } from "./name";
import { Added, Banner, MicQuestion, Toast } from "./notices";
import { useWide } from "./parts";
import { PeoplePane } from "./people";
import { PersonCard } from "./person";
import { SettingsSheet } from "./settings";
import { Stage } from "./stage";
import { Mark } from "./icons";

export function Root({ store, act }: { store: Store; act: Actions | null }) {
  const [state, setState] = useState(store.state);
  useEffect(() => {
    setState(store.state);
    return store.listen(() => setState(store.state));
  }, [store]);
  const wide = useWide();

  if (state.page === "insecure" || state.page === "no_rtc") return <BlockedPage why={state.page} />;
  if (state.page === "loading" || !act) return <main class="door"><Mark /></main>;
  // A call outlives a sign-in that a restarted node has refused.
  if (state.page === "name" && !state.call) {
    const door = state.linking ? <LinkPage linking={state.linking} act={act} /> : <NamePage state={state} act={act} />;
    return <><Banner state={state} act={act} />{door}</>;
  }
  const { call, incoming, me } = state;
  return (
    <>
      <Banner state={state} act={act} />
      <Added state={state} act={act} />
      <div class={call ? "home in-call" : "home"}>
        <aside class="side" aria-label={t("people")}><PeoplePane state={state} act={act} /></aside>
        {(wide || call) && (
          <main class="main">
            {call ? <Stage key={call.id} call={call} state={state} act={act} />
              : state.selected ? <PersonCard state={state} act={act} wide />
              : <p class="empty center">{t("pickPerson")}</p>}
          </main>
        )}
      </div>
      {!wide && !call && state.selected && <PersonCard key={state.selected} state={state} act={act} wide={false} />}
      {state.settings && me && <SettingsSheet me={me} state={state} act={act} />}
      {incoming && <IncomingSheet key={incoming.id} call={incoming} state={state} act={act} />}
      {state.asked && !incoming && <AskedSheet key={state.asked.request} asked={state.asked} act={act} />}
      {state.micQuestion && <MicQuestion problem={state.micQuestion} act={act} />}
      <Toast state={state} />
    </>
  );
}
