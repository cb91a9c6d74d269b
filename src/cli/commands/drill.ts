import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../protocol/errors.js";
import type { CommandContext, CommandResult } from "../context.js";
import { Company } from "../demo/company.js";
import type { Isolation } from "../drill/bed.js";
import { bestIsolation, playAll, type ScenarioResult } from "../drill/drill.js";
import { SCENARIOS } from "../drill/scenarios/index.js";
import { painted } from "../text.js";
import { usageError } from "../usage.js";

export interface DrillCommandOptions {
  readonly report?: string;
  readonly keep?: true;
  readonly only?: readonly string[];
  readonly isolation?: Isolation;
  readonly atOnce: number;
}

/** Plays every way of losing a host with throw-away agents, and says what came of it. */
export async function drill(context: CommandContext, options: DrillCommandOptions): Promise<CommandResult> {
  const { out, env, signal } = context;
  const scenarios = chosen(options.only);
  const isolation = options.isolation ?? bestIsolation();
  const folder = await mkdtemp(join(tmpdir(), "ants-drill-"));
  const clearAway = (): void => {
    if (options.keep !== true) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once("exit", clearAway);
  try {
    const own = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("ANTS_")));
    await using company = new Company({ ...own, ANTS_ALLOW_EPHEMERAL: "1" }, signal);
    const results = await playAll({
      scenarios,
      isolation,
      folder,
      company,
      signal,
      atOnce: options.atOnce,
      onMoment: ({ name }, { seconds, what }) => out.note(`${name} ${seconds.toFixed(2)} s: ${what}`),
      onResult: (result) => (out.json ? undefined : tell(context, result)),
    });
    const passed = results.every((result) => result.passed);
    await out.result({ passed, isolation, scenarios: results, ...(options.keep ? { folder } : {}) }, [
      passed ? [painted("green", `All ${results.length} scenarios passed.`)] : [painted("red", "Failed.")],
    ]);
    return passed ? undefined : EXIT.failed;
  } finally {
    process.off("exit", clearAway);
    if (options.keep !== true) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function tell({ out }: CommandContext, { title, passed, seconds, checks, error }: ScenarioResult): Promise<void> {
  await out.line([
    painted(passed ? "green" : "red", passed ? "ok    " : "FAILED"),
    `  ${title} (${seconds.toFixed(1)} s)`,
  ]);
  for (const { ok, what, found } of checks) if (!ok) await out.line(`          ${what}: ${found}`);
  if (error !== undefined) await out.line(`          ${error}`);
}

function chosen(only: readonly string[] | undefined) {
  if (only === undefined) return SCENARIOS;
  const unknown = only.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown.length > 0)
    throw usageError(
      `--only: expected some of ${SCENARIOS.map(({ name }) => name).join(", ")}, got ${unknown[0]}`,
      "drill",
    );
  return SCENARIOS.filter(({ name }) => only.includes(name));
}
