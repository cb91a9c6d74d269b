// Runs the scenarios of the simulation of the pen, then seeds (docs/simulation.md), and prints what they exercised. The first
// run that breaks an invariant is run again with every step printed, and the exit code is 1. With --keep-going the other
// seeds are run all the same, and each that broke one is named.
// Run: npm run sim -- [--seeds N] [--from S] [--jobs N] [--for SECONDS] [--scenario NAME] [--trace] [--json]
//   --seeds N   how many (default 200)          --from S   the first one (default 1)
//   --jobs N    processes (default 1)           --for S    hands out no more seeds after so many seconds
//   --trace     every step of every seed        --json     the summary as JSON
//   --root DIR  another source tree             --quiet    one line about a failing seed, and no run of it again
//   --scenario NAME  this one alone, and no seeds ("list" names all)       --seeds-only  no scenarios
//   --keep-going  runs all seeds, whatever they break
// ^C ends it as --for does: what was begun is finished, and the range that was done is reported.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bundleSimulation } from "./sim-bundle.mjs";
import { runJobs } from "./sim-jobs.mjs";
import { runSeeds } from "./sim-summary.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Between two lines of progress, on a terminal and where they are kept. */
const PROGRESS_MS = process.stderr.isTTY ? 1_000 : 10_000;
/** The least share of all seeds that must have seen it: what is not exercised proves nothing. */
const LEAST_SHARES = { "two claimants": 0.3, "fenced writer": 0.1, "relay changes": 0.05 };
/** Below this a share says nothing. */
const LEAST_SEEDS = 200;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    jobs: { type: "string", default: "1" },
    for: { type: "string", default: "Infinity" },
    root: { type: "string", default: ROOT },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
    scenario: { type: "string" },
    "seeds-only": { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
  },
});
const seeds = Number(values.seeds);
const from = Number(values.from);
const jobs = Number(values.jobs);
const seconds = Number(values.for);
const keepGoing = values["keep-going"];
const isCount = (n) => Number.isSafeInteger(n) && n >= 1;
if (!isCount(seeds) || !isCount(jobs) || !Number.isSafeInteger(from) || !(seconds > 0)) {
  fail("--seeds, --from and --jobs take integers, --for seconds", "npm run sim -- --seeds 2000 --from 1 --jobs 2");
}

// The client makes errors that are answers; their stack traces cost more than all the rest.
Error.stackTraceLimit = 0;
const print = (line) => process.stdout.write(`${line}\n`);
const startMs = performance.now();
let lastProgressMs = startMs;
let isStopped = false;
process.once("SIGINT", () => {
  isStopped = true;
});
const shouldStop = () => isStopped || performance.now() - startMs > 1000 * seconds;

const folder = mkdtempSync(join(tmpdir(), "ants-sim-"));
try {
  const bundle = await bundleSimulation(resolve(values.root), folder);
  const { simulate, runScenario, scenarioNames } = await import(pathToFileURL(bundle).href);
  if (values.scenario === "list") for (const name of scenarioNames) print(name);
  else if (await playAll(runScenario, scenarioNames)) {
    const { summary, failed } = await (jobs === 1 || values.trace ? runHere(simulate) : runThere(bundle));
    clearProgress();
    if (failed.length === 0 || keepGoing) summarise(summary, failed);
    else await explain(simulate, failed[0]);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Runs the scenarios, or the one that is asked for. True where seeds are to follow. */
async function playAll(runScenario, scenarioNames) {
  const { scenario, trace, quiet } = values;
  const isOne = scenario !== undefined;
  if (isOne && !scenarioNames.includes(scenario)) {
    fail(`there is no scenario "${scenario}"`, "npm run sim -- --scenario list");
  }
  // A trace of seeds is of these seeds alone.
  const names = isOne ? [scenario] : trace || values["seeds-only"] ? [] : scenarioNames;
  for (const name of names) {
    const { violation } = await runScenario(name, trace ? print : undefined);
    if (violation === undefined) continue;
    if (!trace && !quiet) await runScenario(name, print);
    process.stderr.write(
      `error: scenario "${name}" breaks ${violation.rule}: ${violation.message}\n` +
        `hint: npm run sim -- --scenario "${name}" --trace\n`,
    );
    process.exitCode = 1;
    return false;
  }
  if (names.length > 0 && !values.json) print(`scenarios: no violation in ${names.length}`);
  return !isOne;
}

function runHere(simulate) {
  let done = 0;
  let broken = 0;
  return runSeeds(simulate, from, seeds, {
    keepGoing,
    trace: values.trace ? print : undefined,
    each({ seed, shape, hash, violation }) {
      done += 1;
      if (violation !== undefined) broken += 1;
      if (violation !== undefined && keepGoing) tell({ seed, violation });
      if (values.trace) print(`seed ${seed} (${shape}): trace hash ${hash.toString(16).padStart(8, "0")}`);
      else showProgress(done, broken);
      // Lets ^C through.
      return done % 16 === 0 ? new Promise((next) => setImmediate(() => next(shouldStop() ? "stop" : "go"))) : "go";
    },
  });
}

function runThere(bundle) {
  let told = 0;
  const progress = (summary, failed) => {
    if (keepGoing) for (; told < failed.length; told++) tell(failed[told]);
    showProgress(summary.seeds, failed.length);
  };
  return runJobs({ bundle, from, seeds, jobs, keepGoing, shouldStop, progress });
}

/** The run of a seed that broke an invariant, step by step. */
async function explain(simulate, failed) {
  const { seed, shape } = failed;
  if (!values.trace && !values.quiet) {
    Error.stackTraceLimit = 30;
    print(`seed ${seed} (${shape}), step by step: simulated seconds, and what happened`);
    await simulate(seed, print);
  }
  tell(failed);
}

function tell({ seed, violation: { rule, message } }) {
  process.stderr.write(
    `error: seed ${seed} breaks ${rule}: ${message} (after ${seed - from + 1} seeds)\n` +
      `hint: npm run sim -- --seeds 1 --from ${seed} --trace\n`,
  );
  process.exitCode = 1;
}

function showProgress(done, broken) {
  const nowMs = performance.now();
  if (nowMs - lastProgressMs < PROGRESS_MS) return;
  lastProgressMs = nowMs;
  const rate = (1000 * done) / (nowMs - startMs);
  const leftS = Math.round(Math.max(0, Math.min((seeds - done) / rate, seconds - (nowMs - startMs) / 1000)));
  const found = broken === 0 ? "no violation" : `${broken} of them broke an invariant`;
  const line = `${done} of ${seeds} seeds, ${found}, ${rate.toFixed(1)} a second, ${leftS} s left`;
  process.stderr.write(process.stderr.isTTY ? `\r${line.padEnd(70)}` : `${line}\n`);
}

function clearProgress() {
  if (process.stderr.isTTY) process.stderr.write(`\r${"".padEnd(70)}\r`);
}

function summarise(summary, failed) {
  const wallSeconds = (performance.now() - startMs) / 1000;
  const rates = { wall: summary.seeds / wallSeconds, cpu: summary.seeds / summary.cpuSeconds };
  const range = { from, to: from + summary.seeds - 1 };
  if (values.json)
    print(JSON.stringify({ ...range, violations: failed.length, jobs, seconds: wallSeconds, rates, ...summary }));
  else {
    const found = failed.length === 0 ? "no violation" : `${failed.length} broke an invariant`;
    print(`seeds ${range.from} to ${range.to}: ${found} in ${summary.seeds}`);
    print(
      `${wallSeconds.toFixed(1)} s, ${rates.wall.toFixed(1)} seeds a second with --jobs ${jobs}, ` +
        `${rates.cpu.toFixed(1)} a second of processor time`,
    );
    print(`${(summary.simulatedMs / 3_600_000).toFixed(1)} simulated hours\n`);
    print("  of all seeds   times   what happened");
    const share = (count) => `${((100 * count) / summary.seeds).toFixed(1).padStart(11)} %`;
    for (const [name, { seeds: saw, count }] of Object.entries(summary.counts).sort(([a], [b]) => (a < b ? -1 : 1))) {
      print(`${share(saw)} ${String(count).padStart(9)}   ${name}`);
    }
    for (const [name, count] of Object.entries(summary.shapes)) print(`${share(count)}             (${name})`);
  }
  const lacking = Object.entries(LEAST_SHARES).filter(([name, least]) => summary.share(name) < least);
  if (summary.seeds < LEAST_SEEDS || lacking.length === 0) return;
  process.stderr.write(
    `error: too little was exercised: ${lacking.map(([name, least]) => `${name} in under ${100 * least} % of all seeds`).join(", ")}\n` +
      "hint: change the weights in test/simulation/pen/mischief.ts\n",
  );
  process.exitCode = 1;
}

function fail(message, hint) {
  process.stderr.write(`error: ${message}\nhint: ${hint}\n`);
  process.exit(1);
}
