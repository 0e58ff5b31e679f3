// Bytes and signed texts against the examples of docs/protocol.md.
import { expect, it } from "vitest";
import { base32, base64url, fromBase64url } from "./bytes";
import { attachmentText, mediaText, signInText } from "./texts";

const count = (n: number) => Uint8Array.from({ length: n }, (_, i) => i);

it("writes ids as the protocol's examples do", () => {
  expect(base32(count(16))).toBe("aaaqeayeaudaocajbifqydiob4");
});

it("writes tokens and keys as the protocol's examples do", () => {
  expect(base64url(count(16))).toBe("AAECAwQFBgcICQoLDA0ODw");
  expect(base64url(count(32))).toBe("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
});

it("reads back what it writes, of any length", () => {
  for (let n = 0; n < 70; n++) expect(fromBase64url(base64url(count(n)))).toEqual(count(n));
});

it("reads nothing that is not base64url", () => {
  for (const bad of ["A", "AA=", "A+AA", "AAAAA"]) expect(fromBase64url(bad)).toBeNull();
});

it("ends every line of a signed text by LF", () => {
  expect(signInText("n", "c", "a@n")).toBe("truca-sign-in-1\nn\nc\na@n\n");
  expect(attachmentText("a@n", "n", 3, 4, "gone")).toBe("truca-attachment-1\na@n\nn\n3\n4\ngone\n");
  expect(mediaText({ call: "id", kind: "offer", number: 7, from: "a@n", to: "b@m" }, "hash")).toBe(
    "truca-media-2\nid\noffer\n7\na@n\nb@m\nhash\n",
  );
});
