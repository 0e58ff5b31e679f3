// From what a person types to what the protocol allows: the address name
// (`Núria` → `nuria`) and a clean display name. Pure functions; random is an
// argument.

const LATIN: Record<string, string> = {
  ß: "ss", ł: "l", đ: "d", ð: "d", ø: "o", æ: "ae", œ: "oe", þ: "th", ı: "i", ŀ: "l", ħ: "h", ŋ: "n",
};

const CYRILLIC: Record<string, string> = {
  а: "a", б: "b", в: "v", г: "g", ґ: "g", д: "d", е: "e", є: "ie", ж: "zh", з: "z", и: "i", і: "i",
  ї: "i", й: "i", к: "k", л: "l", м: "m", н: "n", о: "o", п: "p", р: "r", с: "s", т: "t", у: "u",
  ў: "u", ф: "f", х: "kh", ц: "ts", ч: "ch", ш: "sh", щ: "shch", ъ: "", ы: "y", ь: "", э: "e",
  ю: "iu", я: "ia", ђ: "dj", ј: "j", љ: "lj", њ: "nj", ћ: "c", џ: "dz", ѓ: "g", ќ: "k", ѕ: "dz",
};

const GREEK: Record<string, string> = {
  α: "a", β: "v", γ: "g", δ: "d", ε: "e", ζ: "z", η: "i", θ: "th", ι: "i", κ: "k", λ: "l", μ: "m",
  ν: "n", ξ: "x", ο: "o", π: "p", ρ: "r", σ: "s", ς: "s", τ: "t", υ: "y", φ: "f", χ: "ch", ψ: "ps",
  ω: "o",
};

const LETTERS = { ...LATIN, ...CYRILLIC, ...GREEK };
const NAME_LENGTH = 32;
export const DISPLAY_LENGTH = 48;

/** The address name for what was typed; `p-xxxx` when no letter of it can be written. */
export function nameFrom(typed: string, random: () => number): string {
  let out = "";
  for (const letter of typed.normalize("NFKD").toLowerCase()) {
    const own = LETTERS[letter];
    if (own !== undefined) out += own;
    else if (/[a-z0-9._]/.test(letter)) out += letter;
    else if (/[\s\p{Pd}]/u.test(letter)) out += "-";
  }
  out = out.replace(/[-._]*-[-._]*/g, "-").replace(/^[-._]+/, "").slice(0, NAME_LENGTH).replace(/[-._]+$/, "");
  return out === "" ? anonymous(random) : out;
}

function anonymous(random: () => number): string {
  const letters = "abcdefghjkmnpqrstuvwxyz23456789";
  let out = "p-";
  for (let i = 0; i < 4; i++) out += letters[Math.floor(random() * letters.length) % letters.length];
  return out;
}

export const isName = (text: string): boolean => /^[a-z0-9._-]{1,32}$/.test(text);

// Control, line and paragraph separators, bidi marks and overrides, zero-width but for joiners.
const FORBIDDEN = /[\p{Cc}\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;
// Joiners are kept between what they join: letters of the scripts that need them, and emoji (docs/protocol.md 3)
const JOINED = "[\\u0600-\\u0dff\\u1000-\\u109f\\u1780-\\u17ff\\u1820-\\u18aa\\u1900-\\u1cff\\u2190-\\u2bff\\ua840-\\uabff\\ufb50-\\ufdff\\ufe0f\\ufe70-\\ufefc\\u{11000}-\\u{11fff}\\u{1f000}-\\u{1faff}]";
const LOOSE_JOINERS = new RegExp(`(?<!${JOINED})[\\u200c\\u200d]+|[\\u200c\\u200d]+(?!${JOINED})`, "gu");
// UTS 39 section 5.4: no more than four marks on a character, and none on nothing
const TOWERS = /(?<=[\p{Mn}\p{Me}]{4})[\p{Mn}\p{Me}]+|(?<=^|\s)[\p{Mn}\p{Me}]+/gu;

/** What may be shown: NFC, one line, no tricks. Empty when nothing is left. */
export const cleanDisplay = (typed: string): string =>
  typed.normalize("NFC").replace(/\s+/gu, " ").replace(FORBIDDEN, "").trim()
    .replace(LOOSE_JOINERS, "").replace(TOWERS, "").trim();

export type DisplayProblem = "empty" | "long" | null;

export function displayProblem(clean: string): DisplayProblem {
  const length = [...clean].length;
  if (length === 0) return "empty";
  return length > DISPLAY_LENGTH ? "long" : null;
}

/** One or two letters for the circle that stands for a person. */
export function initials(display: string): string {
  const words = display.split(/[\s.-]+/u).filter(Boolean);
  const first = words[0] ?? "?";
  const last = words.length > 1 ? words[words.length - 1] : undefined;
  const letter = (word: string) => ([...word][0] ?? "").toUpperCase();
  return letter(first) + (last ? letter(last) : "");
}

/** Who exactly, for people to read: `nuria@casa`. Two may be shown by the same name, and two routers have it too. */
export function whoIs(address: string, home?: { name: string }): string {
  const [name = "", id = ""] = address.split("@");
  return `${name}@${home?.name || id.slice(0, 4)}`;
}

/** A number that stays with an account, to choose its colour. */
export function hue(address: string, of: number): number {
  let sum = 7;
  for (const letter of address) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return sum % of;
}
