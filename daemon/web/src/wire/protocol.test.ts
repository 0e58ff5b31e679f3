// The examples of docs/protocol.md against this page: what a node may say is
// known here, and what this page says is written there with the same fields.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { INBOUND, type Requests } from "./messages";

const doc = readFileSync(new URL("../../../../docs/protocol.md", import.meta.url), "utf8");
const examples = (to: string) =>
  [...doc.matchAll(new RegExp("```json to-" + to + "\\n(.*?)\\n```", "gs"))].map(
    (match) => Object.entries(JSON.parse(match[1] ?? "") as Record<string, Record<string, unknown>>)[0]!,
  );

const HOUSEKEEPING = ["hello", "signed_in", "resumed", "ok", "error", "bye", "ice"];
const OWN = ["sign_in", "resume", "ping", "ack", "watch", "restore"];
const FIELDS: { [K in keyof Requests]: (keyof Requests[K] & string)[] } = {
  profile: ["display"],
  report: ["address", "reason"],
  sign_out: [],
  invite: ["call", "to", "media", "sdp", "signature"],
  accept: ["call", "media", "sdp", "signature"],
  candidate: ["call", "candidate", "mid", "mline"],
  connected: ["call"],
  describe: ["call", "kind", "media", "sdp", "signature"],
  message: ["call", "text"],
  reject: ["call", "reason"],
  cancel: ["call"],
  hang_up: ["call", "reason"],
};

it("understands every message that a node may send", () => {
  const names = examples("page").map(([name]) => name);
  expect(names.length).toBeGreaterThan(15);
  for (const name of names) expect(INBOUND.has(name) || HOUSEKEEPING.includes(name), name).toBe(true);
});

it("says every request of the protocol, with its fields and no others", () => {
  for (const [name, body] of examples("node")) {
    if (OWN.includes(name)) continue;
    expect(Object.keys(FIELDS), name).toContain(name);
    const fields = Object.keys(body).filter((key) => key !== "id").sort();
    expect([...FIELDS[name as keyof Requests]].sort(), name).toEqual(fields);
  }
});
