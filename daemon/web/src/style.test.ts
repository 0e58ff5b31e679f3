// The mark of the line has three colours besides its three shapes: each must be
// told apart from what is behind it (WCAG 2.1, 1.4.11: 3 to 1), light and dark.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const css = readFileSync(new URL("style.css", import.meta.url), "utf8");
const [light = "", dark = ""] = [...css.matchAll(/:root \{(.*?)\n {0,2}\}/gs)].map((match) => match[1]);

function colour(theme: string, name: string): string {
  return new RegExp(`--${name}: (#[0-9a-f]{6});`).exec(theme)?.[1] ?? "";
}

function luminance(colour: string): number {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [r = 0, g = 0, b = 0] = parts.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: string, other: string): number {
  const [high = 0, low = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

describe("the mark of the line", () => {
  it.each([["light", light], ["dark", dark]])("is told from its background, %s", (_, theme) => {
    for (const mark of ["ink", "fair", "accent"]) {
      for (const ground of ["paper", "sunken", "raised"]) expect(contrast(colour(theme, mark), colour(theme, ground)), `${mark} on ${ground}`).toBeGreaterThan(3);
    }
  });

  it("is told from the plate over a picture", () => {
    const marks = [...css.matchAll(/\.with-video \.words \.l\d \.full \{ fill: (#[0-9a-f]{6})/g)].map((match) => match[1] ?? "");
    expect(marks).toHaveLength(2);
    for (const mark of marks) expect(contrast(mark, colour(light, "stage"))).toBeGreaterThan(3);
  });
});
