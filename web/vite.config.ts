import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Relative, so that the page works under any path prefix an ingress puts before it.
  base: "./",
  plugins: [react()],
  build: {
    outDir: "../pulltrace/server/static",
    emptyOutDir: true,
    // The Content-Security-Policy allows scripts and styles from files only: nothing may be inlined.
    assetsInlineLimit: 0,
    // Every browser that runs the page preloads modules itself.
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/api": "http://127.0.0.1:8080" },
  },
  test: {
    // Tests that draw select jsdom (testing/dom.ts); all others are faster without.
    environment: "node",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/testing/setup.ts"],
    restoreMocks: true,
    // A busy machine draws slowly.
    testTimeout: 30_000,
  },
});
