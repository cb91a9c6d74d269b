import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

/** Tests that compare latencies: each has the machine to itself. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ["test/system/**/*.timed.test.ts"],
    exclude: [],
    fileParallelism: false,
  },
});
