import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

/** Whole processes under load, kill -9 and failing disks, two files at a time: they wait more than they work. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ["test/system/**/*.test.ts"],
    exclude: ["test/**/*.long.test.ts", "test/**/*.timed.test.ts"],
  },
});
