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

  it("keeps joiners where a script needs them, and loses them elsewhere", () => {
    for (const whole of ["می\u200cخواهم", "क्\u200dष", "👨\u200d👩\u200d👧\u200d👦", "👩🏽\u200d🦰", "🏳\ufe0f\u200d🌈"]) {
      expect(cleanDisplay(whole)).toBe(whole);
    }
    expect(cleanDisplay("a\u200db\u200c")).toBe("ab");
    expect(cleanDisplay("\u200d👩\u200d\u200d")).toBe("👩");
  });

  it("loses towers of marks, and marks on nothing", () => {
    expect(cleanDisplay(`x${"\u0316".repeat(48)}`)).toBe(`x${"\u0316".repeat(4)}`);
    expect(cleanDisplay("\u0301".repeat(48))).toBe("");
    expect(cleanDisplay("a \u0301b")).toBe("a b");
    expect(cleanDisplay("Ê\u0323\u0301")).toBe("Ệ\u0301");
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
