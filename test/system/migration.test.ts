import { beforeAll, describe, expect, it } from "vitest";
import type { DrillReport } from "../../src/cli/drill/report.js";
import { SCENARIOS } from "../../src/cli/drill/scenarios/index.js";
import { expectPassed, runDrill } from "../support/drill-run.js";
import { missing } from "../support/own-network.js";

const TIMEOUT_MS = 300_000;
const lacking = [...(process.getuid?.() === 0 ? [] : ["root"]), ...missing("tshark", "setpriv")];

/**
 * The migration test: hosts A and B and three relays, each in a network namespace with an address of its own, the hosts
 * with users, disks and clocks of their own; every packet recorded.
 */
describe.skipIf(lacking.length > 0)(
  `an agent whose host is lost, in namespaces (I1, I11, B3, B11, B12, B16, B18, B19, B20, B21, B27)${because(lacking)}`,
  () => {
    let report: DrillReport;
    beforeAll(async () => {
      report = await runDrill("--isolation namespaces --capture --at-once 3", TIMEOUT_MS);
    }, TIMEOUT_MS);

    it.each(SCENARIOS.map(({ name, title }) => [name, title]))("%s: %s", (name) => {
      expectPassed(report, name);
    });

    it("no key passed over any of the networks in clear, as tshark saw them", () => {
      expect(report.checks.length).toBeGreaterThan(0);
      expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
    });
  },
);

function because(lacking: readonly string[]): string {
  return lacking.length === 0 ? "" : ` (not here: no ${lacking.join(", ")})`;
}
