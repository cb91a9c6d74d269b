import { beforeAll, describe, expect, it } from "vitest";
import type { DrillReport } from "../../src/cli/drill/report.js";
import { SCENARIOS } from "../../src/cli/drill/scenarios/index.js";
import { expectPassed, held, runDrill } from "../support/drill-run.js";

const TIMEOUT_MS = 240_000;

/** The migration test without root: hosts are folders, processes and proxies (test/system/migration.test.ts has more). */
describe("an agent whose host is lost, as processes and folders (I1, I11, B3, B12, B16, B19, B20, B21)", () => {
  let report: DrillReport;
  beforeAll(async () => {
    report = await runDrill("--isolation processes --at-once 3", TIMEOUT_MS);
  }, TIMEOUT_MS);

  it.each(SCENARIOS.map(({ name, title }) => [name, title]))("%s: %s", (name) => {
    expectPassed(report, name);
  });

  it("every number reached the receiver exactly once, in every scenario", () => {
    for (const { name } of SCENARIOS)
      expect(held(report, name)).toContain("the receiver has every number exactly once, in order");
  });

  it("passes as a whole only because every scenario did", () => {
    expect(report.passed).toBe(true);
    expect(report.isolation).toBe("processes");
  });
});
