import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

/** What takes too long for every day: `npm run test:long`, before a release and after changes of what it tests. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ["test/**/*.long.test.ts"],
    exclude: [],
    fileParallelism: false,
    testTimeout: 3 * 3_600_000,
    hookTimeout: 600_000,
  },
});
