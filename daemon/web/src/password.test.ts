// What leaves the browser of a password: held against RFC 7677, and against what
// home computes (daemon/core/src/scram.rs has the same example).
import { describe, expect, it } from "vitest";
import { answerTo, newSecret, prepared, proof, strength, stretch } from "./password";
import { base64url, fromBase64url } from "./wire/bytes";
import { authMessage, passwordText } from "./wire/texts";

const bytes = (base64: string) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
const url = (base64: string) => base64url(bytes(base64));

// The stretching is the real one, and takes its time.
describe("the keys of a password", { timeout: 60_000 }, () => {
  it("are those of the example in RFC 7677", async () => {
    const keys = await stretch("pencil", bytes("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
    const message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      + "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    expect(await proof(keys, message)).toEqual({
      proof: url("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
      answer: url("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
    });
  });

  it("are stretched 600,000 times for home, and never less for anybody", async () => {
    const secret = await newSecret("horse tram river blue");
    expect(secret.iterations).toBe(600_000);
    expect(fromBase64url(secret.salt)?.length).toBe(16);
    const who = { address: "nuria@casa", at: "torre", key: "KEY", client: "CLIENT" };
    const asked = { server: "SERVER", salt: secret.salt, iterations: secret.iterations };
    const made = await answerTo(asked, "horse tram river blue", who);
    const salt = fromBase64url(secret.salt)!;
    const keys = await stretch("horse tram river blue", salt, 600_000);
    expect(base64url(keys.stored)).toBe(secret.stored);
    expect(made).toEqual(await proof(keys, authMessage("nuria@casa", "torre", "KEY", "CLIENT", "SERVER", salt, 600_000)));
    for (const iterations of [1, 599_999, 10_000_001, Number.NaN]) {
      expect(await answerTo({ ...asked, iterations }, "x", who)).toBeNull();
    }
    expect(await answerTo({ ...asked, salt: "AAAA" }, "x", who)).toBeNull();
  });

  it("sign for this device, at this node, and for this password only", () => {
    const binding = btoa("p=truca-device,,nuria@casa\ntorre\nKEY\n");
    expect(authMessage("nuria@casa", "torre", "KEY", "C", "S", new Uint8Array([1]), 7))
      .toBe(`n=nuria@casa,r=C,r=CS,s=AQ==,i=7,c=${binding},r=CS`);
    expect(passwordText("nuria@casa", 3)).toBe("truca-password-1\nnuria@casa\n3\n");
    expect(passwordText("nuria@casa", 3, { salt: "A", iterations: 7, stored: "B", server: "C" }))
      .toBe("truca-password-1\nnuria@casa\n3\nA\n7\nB\nC\n");
  });
});

describe("what is typed", () => {
  it("is the same password however a keyboard composes it", () => {
    expect(prepared("Nu\u0301ria\u00a0i\u3000Pep")).toBe("N\u00faria i Pep");
    expect(prepared(" x ")).toBe(" x ");
    for (const bad of ["", "a\tb", "a\u0000b", "a\u0085b"]) expect(prepared(bad)).toBeNull();
  });

  it("is worth something, or the person is told why not", () => {
    const of = (text: string) => strength(text, ["nuria", "N\u00faria"]);
    for (const short of ["", "horse", "123456789", "\u{1f600}".repeat(9)]) expect(of(short), short).toBe("short");
    const simple = ["aaaaaaaaaaaa", "1234567890", "password123", "nurianuria1!", "20011112345", "ababababababab", "contrasenya1"];
    for (const bad of simple) expect(of(bad), bad).toBe("simple");
    for (const fair of ["horse-tram", "k8Jq2mZx0p"]) expect(of(fair), fair).toBe("fair");
    for (const good of ["horse tram river blue", "gat-peix-arbre-pa\u00eds", "k8Jq2mZx0pWs4tVy7u"]) expect(of(good), good).toBe("good");
  });
});
