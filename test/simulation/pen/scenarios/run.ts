import { isAntsError } from "../../../../keys/errors.js";
import { PenWorld } from "../pen-world.js";
import { forgetSignatures } from "../platform.js";
import { forgetLines } from "../remembered/lines.js";
import type { SimReport } from "../simulate.js";
import { ASKING } from "./asking.js";
import { CHAIN } from "./chain.js";
import { HISTORIES } from "./histories.js";
import { HOLDING } from "./holding.js";
import { LIES } from "./lies.js";
import { type Scenario, Scene } from "./scene.js";

const SCENARIOS: readonly Scenario[] = [...ASKING, ...HOLDING, ...LIES, ...HISTORIES, ...CHAIN];

/** The names of all, in the order in which they are run. */
export const scenarioNames: readonly string[] = SCENARIOS.map(({ name }) => name);

/** Runs one scenario. The same name always gives the same run. */
export async function runScenario(name: string, trace?: (line: string) => void): Promise<SimReport> {
  forgetLines();
  forgetSignatures();
  const seed = scenarioNames.indexOf(name) + 1;
  const scenario = SCENARIOS[seed - 1]!;
  const { relays = 3, faults = 0, spare = 0 } = scenario;
  const world = new PenWorld({ seed, relays: relays + spare, named: relays, faults, trace });
  const { checker } = world;
  await world.clock.run(play(scenario, world), 3_600_000);
  return {
    seed,
    shape: `scenario ${name}`,
    ...(checker.violation === undefined ? {} : { violation: checker.violation }),
    counts: checker.counts,
    hash: trace === undefined ? 0 : world.hash >>> 0,
    simulatedMs: world.clock.monotonicMs(),
  };
}

async function play(scenario: Scenario, world: PenWorld): Promise<void> {
  try {
    await Promise.all(world.relays.map((relay) => relay.start()));
    await scenario.run(new Scene(world));
  } catch (error) {
    if (!world.isOver || !isAntsError(error)) throw error;
  }
  for (const instance of world.alive) world.kill(instance);
}
