import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Company } from "../demo/company.js";
import { DrillBed, type DrillNetwork, type Isolation } from "./bed.js";
import { NamespaceNetwork } from "./namespace-network.js";
import { ProcessNetwork } from "./process-network.js";
import type { Scenario } from "./scenarios/scenario.js";
import { type Check, type Moment, Stage } from "./stage.js";

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly passed: boolean;
  readonly seconds: number;
  readonly checks: readonly Check[];
  readonly moments: readonly Moment[];
  /** What kept it from its end. */
  readonly error?: string;
}

export interface DrillOptions {
  readonly scenarios: readonly Scenario[];
  readonly isolation: Isolation;
  readonly folder: string;
  readonly company: Company;
  readonly signal: AbortSignal;
  /** How many scenarios at a time: they wait more than they work. */
  readonly atOnce: number;
  readonly onMoment?: (scenario: Scenario, moment: Moment) => void;
  readonly onResult?: (result: ScenarioResult) => Promise<void> | void;
  /** Told of each network that was made, before anything is on it. */
  readonly onNetwork?: (network: DrillNetwork) => Promise<void> | void;
  /** Told of each stage when its scenario is over, before it is cleared away. */
  readonly onStage?: (stage: Stage) => Promise<void> | void;
}

/** What this system lets this user have. */
export function bestIsolation(): Isolation {
  return NamespaceNetwork.isPossible() ? "namespaces" : "processes";
}

/** Plays all scenarios, each with an agent and hosts of its own; resolves with what came of each, in their order. */
export async function playAll(options: DrillOptions): Promise<ScenarioResult[]> {
  const { scenarios, isolation, folder, company, signal, atOnce } = options;
  const open = async (): Promise<DrillNetwork> => {
    const network = isolation === "namespaces" ? await NamespaceNetwork.start() : new ProcessNetwork();
    await options.onNetwork?.(network);
    return network;
  };
  const results = new Map<Scenario, ScenarioResult>();
  await using shared = await open();
  let common: Promise<DrillBed> | undefined;
  const waiting = [...scenarios];
  const work = async (): Promise<void> => {
    for (let scenario = waiting.shift(); scenario !== undefined; scenario = waiting.shift()) {
      signal.throwIfAborted();
      let result: ScenarioResult;
      if (scenario.ownRelays === true) {
        await using own = await open();
        const bed = await DrillBed.start(own, join(folder, `${scenario.name}-relays`), company);
        result = await play(scenario, bed, options);
        await bed.stop();
      } else {
        common ??= DrillBed.start(shared, join(folder, "relays"), company);
        result = await play(scenario, await common, options);
      }
      results.set(scenario, result);
      await options.onResult?.(result);
    }
  };
  mkdirSync(folder, { recursive: true });
  // Hosts may be other users: each of their folders is closed itself.
  chmodSync(folder, 0o711);
  await Promise.all(Array.from({ length: atOnce }, work));
  await (await common)?.stop();
  return scenarios.map((scenario) => results.get(scenario)!);
}

async function play(scenario: Scenario, bed: DrillBed, options: DrillOptions): Promise<ScenarioResult> {
  const { name, title } = scenario;
  const stage = new Stage(bed, name, (moment) => options.onMoment?.(scenario, moment));
  let error: string | undefined;
  try {
    await stage.set();
    await scenario.play(stage);
  } catch (cause) {
    options.signal.throwIfAborted();
    error = cause instanceof Error ? cause.message : String(cause);
  } finally {
    await stage.clear();
    await options.onStage?.(stage);
  }
  const { checks, moments, seconds } = stage;
  const passed = error === undefined && checks.length > 0 && checks.every(({ ok }) => ok);
  return { name, title, passed, seconds, checks, moments, ...(error === undefined ? {} : { error }) };
}
