// The examples of docs/protocol.md against this page: what a node may say is
// known here, and what this page says is written there with the same fields.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { INBOUND, type EarlyRequests, type Requests } from "./messages";

const doc = readFileSync(new URL("../../../../docs/protocol.md", import.meta.url), "utf8");
const examples = (to: string) =>
  [...doc.matchAll(new RegExp("```json to-" + to + "\\n(.*?)\\n```", "gs"))].map(
    (match) => Object.entries(JSON.parse(match[1] ?? "") as Record<string, Record<string, unknown>>)[0]!,
  );

const HOUSEKEEPING = ["hello", "signed_in", "resumed", "ok", "error", "bye", "ice", "found", "devices", "telephones"];
const OWN = ["sign_in", "resume", "ping", "ack", "watch", "restore"];
const FIELDS: { [K in keyof Requests]: (keyof Requests[K] & string)[] } = {
  profile: ["display"],
  report: ["address", "reason"],
  sign_out: [],
  invite: ["call", "to", "media", "number", "sdp", "signature"],
  accept: ["call", "media", "number", "sdp", "signature"],
  candidate: ["call", "candidate", "mid", "mline"],
  connected: ["call"],
  describe: ["call", "kind", "media", "number", "sdp", "signature"],
  message: ["call", "text"],
  reject: ["call", "reason"],
  cancel: ["call"],
  hang_up: ["call", "reason"],
  devices: [],
  telephones: [],
  revoke: ["device", "counter", "signature"],
  password: ["counter", "secret", "signature"],
  link_show: ["request", "nonce"],
  link_confirm: ["request", "signature"],
  link_refuse: ["request"],
};
const EARLY: { [K in keyof EarlyRequests]: (keyof EarlyRequests[K] & string)[] } = {
  find: ["text"],
  link: ["address", "key", "commit"],
  link_open: ["nonce"],
  link_password: ["address", "key", "client"],
  link_prove: ["key", "client", "server", "proof"],
  link_refuse: ["request"],
};

it("understands every message that a node may send", () => {
  const names = examples("page").map(([name]) => name);
  expect(names.length).toBeGreaterThan(15);
  for (const name of names) expect(INBOUND.has(name) || HOUSEKEEPING.includes(name), name).toBe(true);
});

it("says every request of the protocol, with its fields and no others", () => {
  for (const [name, body] of examples("node")) {
    if (OWN.includes(name)) continue;
    const known: Record<string, string[]> = { ...FIELDS, ...EARLY };
    const fields = Object.keys(body).filter((key) => key !== "id").sort();
    expect([...(known[name] ?? [])].sort(), name).toEqual(fields);
    expect(Object.keys(known), name).toContain(name);
  }
});
