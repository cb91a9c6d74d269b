import { expect, test } from "vitest";
import { ed25519Backends } from "../../keys/ed25519/index.js";
import { describeReport, fuzzBackends } from "./ed25519-fuzz.js";

/** Another one each day unless ANTS_TEST_SEED gives it; it is printed either way. */
const SEED = Number(process.env.ANTS_TEST_SEED ?? new Date().toISOString().slice(0, 10).replaceAll("-", ""));

test("the backends agree on 100,000 mutated signatures of which every one reaches the equation", {
  timeout: 1_200_000,
}, () => {
  expect(ed25519Backends()).toHaveLength(3);
  const report = fuzzBackends(SEED, 100_000, 1);
  console.log(describeReport(SEED, report));
  expect(report.disagreements).toEqual([]);
  expect(report.reachedTheEquation).toBeGreaterThan(99_000);
});
