import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

/**
 * Whole relays under load and attack: each test wants the machine to itself, since it measures memory and latency or
 * takes its time. One file after the other, in one process that starts and stops the relays.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ["test/system/**/*.test.ts"],
    exclude: ["test/**/*.long.test.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
