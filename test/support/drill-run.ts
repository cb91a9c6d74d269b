import { expect } from "vitest";
import type { DrillReport } from "../../src/cli/drill/report.js";
import { Sandbox } from "../transcripts/sandbox.js";

/** `ants drill` as a process of its own, as a person or a timer runs it; resolves with its report. */
export async function runDrill(flags: string, timeoutMs: number): Promise<DrillReport> {
  const sandbox = new Sandbox("drill");
  try {
    const { stdout, stderr } = await sandbox.sh(`ants drill --json ${flags}`, { timeoutMs });
    expect(stdout, stderr).not.toBe("");
    return JSON.parse(stdout) as DrillReport;
  } finally {
    await sandbox.close();
  }
}

/** Throws with what did not hold, unless this scenario passed. */
export function expectPassed(report: DrillReport, name: string): void {
  const found = report.scenarios.find((scenario) => scenario.name === name);
  expect(found, `the scenario ${name} was played`).toBeDefined();
  const { error, checks, moments, passed } = found!;
  const broken = checks.filter(({ ok }) => !ok).map(({ what, found }) => `${what}: ${found}`);
  const story = moments.map(({ seconds, what }) => `${seconds} s: ${what}`);
  expect([...broken, ...(error === undefined ? [] : [error])], story.join("\n")).toEqual([]);
  expect(passed).toBe(true);
}

/** The names of a scenario's checks that the report says held. */
export function held(report: DrillReport, name: string): string[] {
  const found = report.scenarios.find((scenario) => scenario.name === name);
  return found!.checks.filter(({ ok }) => ok).map(({ what }) => what);
}
