// The pure parts that views stand on: the window on people, words.
import { describe, expect, it } from "vitest";
import { applyPeople } from "./people";
import { pickLanguage, t } from "./text";
import type { Person } from "./wire/messages";

const person = (address: string, display = address): Person => ({
  address, name: address, display, home: { id: "n", name: "casa" }, at: [], devices: [],
});
const message = { watch: 1, total: 2, here: 0, gone: [] as string[] };
const start = applyPeople({ people: [], total: 0 }, { ...message, reset: true, people: [person("a"), person("b")], order: ["b", "a"] });
const names = (window: { people: Person[] }) => window.people.map((one) => one.address);

describe("the window on people", () => {
  it("has the node's order", () => expect(names(start)).toEqual(["b", "a"]));

  it("changes one person in place", () => {
    const next = applyPeople(start, { ...message, people: [person("a", "Aina")] });
    expect(next.people[1]?.display).toBe("Aina");
    expect(next.people[0]).toBe(start.people[0]);
  });

  it("lets people come and go", () => {
    const next = applyPeople(start, { ...message, people: [person("c")], gone: ["b"], order: ["c", "a"] });
    expect(names(next)).toEqual(["c", "a"]);
  });

  it("forgets the old window at a reset", () => {
    const next = applyPeople(start, { ...message, reset: true, total: 1, people: [person("z")], order: ["z"] });
    expect(names(next)).toEqual(["z"]);
    expect(next.total).toBe(1);
  });
});

describe("words", () => {
  it("are in the first language that we write", () => {
    expect(pickLanguage(["gl", "ca-ES", "en"])).toBe("ca");
    expect(pickLanguage(["es-419"])).toBe("es");
    expect(pickLanguage(["de"])).toBe("en");
    expect(pickLanguage(["constructor"])).toBe("en");
  });

  it("are filled in", () => expect(t("nodesMany", { count: 3 })).toContain("3"));
});
