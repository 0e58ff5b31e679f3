// The one thing of Node that a test reads files with.
declare module "node:fs" {
  export function readFileSync(path: URL, encoding: "utf8"): string;
}
