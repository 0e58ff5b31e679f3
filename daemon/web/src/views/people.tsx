// The people of the mesh: search, who is here now, who is away. It draws the
// window that the wire gives; it does not sort or search.
import { memo } from "./memo";
import { isHere, type Actions, type State } from "../state";
import { t } from "../text";
import { whoIs } from "../names";
import type { Person } from "../wire/messages";
import { Mark, RouterIcon, SearchIcon } from "./icons";
import { Avatar, Way } from "./parts";

export function PeoplePane({ state, act }: { state: State; act: Actions }) {
  const { me, people } = state;
  const others = people?.filter((person) => !person.you) ?? [];
  const here = others.filter(isHere);
  const away = others.filter((person) => !isHere(person));
  const hidden = people ? state.total - people.length : 0;
  const row = (person: Person) => (
    <Row
      key={person.address} person={person} chosen={person.address === state.selected} select={pick}
      double={others.some((one) => one.display === person.display && one !== person)}
    />
  );
  const pick = (address: string) => act.select(address);

  return (
    <div class="pane">
      <header class="top">
        <Mark />
        <h1>{t("app")}</h1>
        {me && (
          <button type="button" class="me" data-testid="me" data-address={me.address} onClick={() => act.settings(true)}>
            <span class="me-name">{me.display}</span>
            <Avatar address={me.address} display={me.display} here={state.wire === "ready"} />
          </button>
        )}
      </header>
      <label class="search">
        <SearchIcon />
        <span class="visually-hidden">{t("search")}</span>
        <input
          type="search" value={state.search} placeholder={t("search")} maxLength={48} autocomplete="off"
          data-testid="people-search" onInput={(event) => act.search(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Escape" && act.search("")}
        />
      </label>
      <p class="visually-hidden" role="status">{people ? t("countHere", { here: here.length, total: others.length }) : ""}</p>
      <div class="list">
        {here.length > 0 && <Group title={t("hereNow")}>{here.map(row)}</Group>}
        {away.length > 0 && <Group title={t("away")}>{away.map(row)}</Group>}
        {people === null && <p class="empty">{t("loadingPeople")}</p>}
        {people && others.length === 0 && (
          <p class="empty">{state.search ? t("emptySearch") : t("emptyAll")}</p>
        )}
        {hidden > 0 && <p class="empty">{t("morePeople", { count: hidden })}</p>}
      </div>
      <footer class="foot">
        <RouterIcon />
        <span>{state.node}</span>
        {state.nodes !== null && <span class="soft">{state.nodes > 1 ? t("nodesMany", { count: state.nodes }) : t("nodesOne")}</span>}
      </footer>
    </div>
  );
}

function Group({ title, children }: { title: string; children: preact.ComponentChildren }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <ul>{children}</ul>
    </section>
  );
}

const Row = memo(function Row({ person, chosen, double, select }: {
  person: Person; chosen: boolean; double: boolean; select: (address: string) => void;
}) {
  const here = isHere(person);
  const place = here ? t("at", { node: person.at[0]?.name ?? "" }) : t("lastAt", { node: person.home.name });
  return (
    <li>
      <button
        type="button" class={chosen ? "row chosen" : "row"} data-testid="person" data-address={person.address}
        data-here={here ? "true" : "false"} aria-current={chosen ? "true" : undefined} onClick={() => select(person.address)}
      >
        <Avatar address={person.address} display={person.display} here={here} />
        <span class="row-words">
          <span class="row-name">{person.display}</span>
          <span class="soft small">{double ? `${whoIs(person.address, person.home)} · ${place}` : place}</span>
        </span>
        {here && person.quality && <Way quality={person.quality} />}
      </button>
    </li>
  );
}, (old, now) => old.person === now.person && old.chosen === now.chosen && old.double === now.double);
