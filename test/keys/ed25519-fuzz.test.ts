import { expect, test } from "vitest";
import { ed25519Backends } from "../../keys/ed25519/index.js";
import { describeReport, fuzzBackends } from "./ed25519-fuzz.js";

const SEED = 20_261_121;

test("the three backends, and libsodium without the gate, agree on 100,000 mutated signatures", {
  timeout: 600_000,
}, () => {
  expect(ed25519Backends()).toHaveLength(3);
  const report = fuzzBackends(SEED, 100_000, 16);
  console.log(describeReport(SEED, report));
  expect(report.disagreements).toEqual([]);
  expect(report.reachedTheEquation).toBeGreaterThan(3_000);
  expect(report.accepted).toBeGreaterThan(400);
});
