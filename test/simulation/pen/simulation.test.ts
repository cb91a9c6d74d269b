import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type * as simulation from "./entry.js";

/** `npm run sim` runs thousands (docs/simulation.md). */
const SEEDS = 24;

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BUNDLER = "../../../scripts/sim-bundle.mjs";
const { simulate }: typeof simulation = await (await import(BUNDLER)).loadSimulation(ROOT);

describe("the pen, simulated", () => {
  it(`keeps every promise in ${SEEDS} runs full of faults`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violation } = await simulate(seed);
      expect(violation, `npm run sim -- --seeds 1 --from ${seed} --trace`).toBeUndefined();
    }
  }, 600_000);

  it("is one exact run for a seed: the same steps at the same times", async () => {
    const steps: string[] = [];
    const first = await simulate(3, (line) => steps.push(line));
    const again = await simulate(3, (line) => expect(line).toBe(steps.shift()));
    expect(again.hash).toBe(first.hash);
    expect(again.simulatedMs).toBe(first.simulatedMs);
    expect(steps).toEqual([]);
    expect((await simulate(4, () => {})).hash).not.toBe(first.hash);
  });
});
