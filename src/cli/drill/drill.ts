import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { AntsError } from "../../../keys/errors.js";
import type { Company } from "../demo/company.js";
import { DrillBed, type DrillNetwork, type Isolation } from "./bed.js";
import { Capture } from "./capture.js";
import type { ThrowAwayAgent } from "./found.js";
import { NamespaceNetwork } from "./namespace-network.js";
import { ProcessNetwork } from "./process-network.js";
import type { Scenario } from "./scenarios/scenario.js";
import { type GivenHosts, SshNetwork } from "./ssh-network.js";
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
  /** With the isolation "hosts": which they are. */
  readonly hosts?: GivenHosts;
  /** An empty folder for everything. */
  readonly folder: string;
  readonly company: Company;
  readonly signal: AbortSignal;
  /** How many scenarios at a time: they wait more than they work. */
  readonly atOnce: number;
  /** Records every packet, and searches them for keys: in namespaces, with tshark. */
  readonly capture: boolean;
  readonly onMoment: (scenario: Scenario, moment: Moment) => void;
  readonly onResult: (result: ScenarioResult) => Promise<void> | void;
}

export interface DrillOutcome {
  /** In the order of the scenarios. */
  readonly scenarios: readonly ScenarioResult[];
  /** What was checked of whole networks. */
  readonly checks: readonly Check[];
}

/** What this system lets this user have. */
export function bestIsolation(): Isolation {
  return NamespaceNetwork.isPossible() ? "namespaces" : "processes";
}

/** Plays all scenarios, each with an agent and hosts of its own. Throws AntsError "drill-network", the signal's reason. */
export async function playAll(options: DrillOptions): Promise<DrillOutcome> {
  const { scenarios, folder, signal, atOnce } = options;
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  // Hosts may be other users: each of their folders is closed itself.
  chmodSync(folder, 0o711);
  const results = new Map<Scenario, ScenarioResult>();
  const checks: Check[] = [];
  await using shared = await Scene.open("relays", options, checks);
  const waiting = [...scenarios];
  const work = async (): Promise<void> => {
    for (let scenario = waiting.shift(); scenario !== undefined; scenario = waiting.shift()) {
      signal.throwIfAborted();
      await using own = scenario.ownRelays === true ? await Scene.open(scenario.name, options, checks) : undefined;
      const result = await play(scenario, own ?? shared, options);
      results.set(scenario, result);
      await options.onResult(result);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, atOnce) }, work));
  await shared.end();
  return { scenarios: scenarios.map((scenario) => results.get(scenario)!), checks };
}

/** A network with its relays, started when the first scenario needs them, and what was recorded of it. */
class Scene implements AsyncDisposable {
  /** The agents that were on it. */
  readonly agents: ThrowAwayAgent[] = [];
  readonly #network: DrillNetwork;
  readonly #capture: Capture | undefined;
  readonly #start: () => Promise<DrillBed>;
  readonly #checks: Check[];
  #bed: Promise<DrillBed> | undefined;
  #isOver = false;

  private constructor(
    network: DrillNetwork,
    capture: Capture | undefined,
    start: () => Promise<DrillBed>,
    checks: Check[],
  ) {
    this.#network = network;
    this.#capture = capture;
    this.#start = start;
    this.#checks = checks;
  }

  static async open(name: string, options: DrillOptions, checks: Check[]): Promise<Scene> {
    const { isolation, capture, folder, company, hosts } = options;
    const network =
      hosts !== undefined
        ? new SshNetwork(hosts)
        : isolation === "namespaces"
          ? await NamespaceNetwork.start(company)
          : new ProcessNetwork(company);
    try {
      const recording = capture ? await record(network, join(folder, `${name}.pcapng`)) : undefined;
      return new Scene(network, recording, () => DrillBed.start(network, join(folder, name), company), checks);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  bed(): Promise<DrillBed> {
    this.#bed ??= this.#start();
    return this.#bed;
  }

  /** Ends relays and recording, and checks what was recorded. */
  async end(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await (await this.#bed)?.stop();
    if (this.#capture !== undefined && this.agents.length > 0)
      this.#checks.push(await this.#capture.check(this.agents));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.end();
    } finally {
      await this.#capture?.stop();
      await this.#network[Symbol.asyncDispose]();
    }
  }
}

function record(network: DrillNetwork, file: string): Promise<Capture> {
  if (network instanceof NamespaceNetwork) return Capture.start(network, file);
  throw new AntsError("drill-network", "packets are recorded in namespaces only", {
    hint: "run it as root, or leave --capture out",
  });
}

async function play(scenario: Scenario, scene: Scene, options: DrillOptions): Promise<ScenarioResult> {
  const { name, title } = scenario;
  const stage = new Stage(await scene.bed(), name, (moment) => options.onMoment(scenario, moment));
  let error: string | undefined;
  try {
    scene.agents.push(await stage.set());
    await scenario.play(stage);
  } catch (cause) {
    options.signal.throwIfAborted();
    error = cause instanceof Error ? cause.message : String(cause);
  } finally {
    await stage.clear();
  }
  const { checks, moments, seconds } = stage;
  const passed = error === undefined && checks.length > 0 && checks.every(({ ok }) => ok);
  return { name, title, passed, seconds, checks, moments, ...(error === undefined ? {} : { error }) };
}
