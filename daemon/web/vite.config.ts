// How the page is built: hashed files in /assets, nothing inline (the
// daemon's Content-Security-Policy forbids it), phones from 2019 on.
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: ["es2019", "chrome80", "firefox78", "safari14"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    assetsDir: "assets",
    sourcemap: false,
    reportCompressedSize: true,
  },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
});
