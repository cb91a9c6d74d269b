import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const alias = (base.resolve?.alias ?? []) as { find: string | RegExp; replacement: string }[];

/**
 * What the simulation of the pen goes through of the code that it is about: `npm run sim:coverage`. The source itself
 * runs here, not a bundle of it, so it is slower than `npm run sim`. ANTS_SIM_SEEDS says how many seeds.
 */
process.env.ANTS_SIM_SEEDS ??= "1000";
export default defineConfig({
  ...base,
  resolve: {
    alias: alias.map((entry) =>
      entry.find === "#platform" ? { ...entry, replacement: at("./test/simulation/pen/platform.ts") } : entry,
    ),
  },
  test: {
    ...base.test,
    include: ["test/simulation/pen/*.test.ts"],
    testTimeout: 3_600_000,
    coverage: {
      provider: "v8",
      include: ["src/client/pen*.ts", "src/client/{acquire-pen,promise-round,fork-choice}.ts", "src/protocol/chain.ts"],
      reporter: ["text"],
      reportsDirectory: join(tmpdir(), `ants-sim-coverage-${process.pid}`),
    },
  },
});
