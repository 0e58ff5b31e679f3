// Names as people type them, and what becomes of them.
import { describe, expect, it } from "vitest";
import { cleanDisplay, displayProblem, hue, initials, isName, nameFrom } from "./names";

const half = () => 0.5;

describe("the address name", () => {
  it.each([
    ["Núria", "nuria"],
    ["  Joan Puig ", "joan-puig"],
    ["Ça va", "ca-va"],
    ["Weiß", "weiss"],
    ["Łukasz Żak", "lukasz-zak"],
    ["Søren Ærø", "soren-aero"],
    ["Anna-Maria", "anna-maria"],
    ["Núria P.", "nuria-p"],
    ["o'Brien", "obrien"],
    ["L·lúcia", "llucia"],
    ["Олег Коваль", "oleg-koval"],
    ["Юрій", "iurii"],
    ["Γιώργος", "giorgos"],
    ["pep_2", "pep_2"],
    ["Ｆｕｌｌ", "full"],
  ])("of %s is %s", (typed, name) => {
    expect(nameFrom(typed, half)).toBe(name);
    expect(isName(name)).toBe(true);
  });

  it.each(["王伟", "محمد", "…", "", "🙂"])("of %s is made up", (typed) => {
    expect(nameFrom(typed, half)).toMatch(/^p-[a-z0-9]{4}$/);
  });

  it("is 32 characters at most, and ends in a letter", () => {
    const name = nameFrom("a".repeat(31) + " b", half);
    expect(name).toBe("a".repeat(31));
    expect(isName(nameFrom("щ".repeat(48), half))).toBe(true);
  });
});

describe("the display name", () => {
  it("is composed, one line, without spaces around", () => {
    expect(cleanDisplay("  Nu\u0301ria \n  P. ")).toBe("Núria P.");
  });

  it("loses what could deceive: controls, bidi overrides, zero-width", () => {
    expect(cleanDisplay("N\u202eú\u200bri\u0007a\ufeff")).toBe("Núria");
    expect(cleanDisplay("\u2066x\u2069")).toBe("x");
  });

  it("is 1 to 48 characters, counted as people count", () => {
    expect(displayProblem("")).toBe("empty");
    expect(displayProblem("🙂".repeat(48))).toBeNull();
    expect(displayProblem("a".repeat(49))).toBe("long");
  });

  it("gives initials", () => {
    expect(initials("Núria")).toBe("N");
    expect(initials("Fàtima El Amrani")).toBe("FA");
    expect(initials("")).toBe("?");
  });

  it("gives a colour that stays", () => {
    expect(hue("nuria@a", 8)).toBe(hue("nuria@a", 8));
    expect(hue("nuria@a", 8)).toBeLessThan(8);
  });
});
