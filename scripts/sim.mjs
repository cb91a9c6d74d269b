// Runs seeds of the simulation of the pen (docs/simulation.md) and prints what they exercised. The first seed that breaks
// an invariant is run again with every step printed, and the exit code is 1.
// Run: npm run sim -- [--seeds N] [--from S] [--trace] [--json]
//   --seeds N   how many (default 200)      --from S   the first one (default 1)
//   --trace     every step of every seed    --json     the summary as JSON
//   --root DIR  another source tree         --quiet    one line about a failing seed, and no run of it again
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadSimulation } from "./sim-bundle.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PROGRESS_MS = 1_000;
/** The least share of all seeds that must have seen it: what is not exercised proves nothing. */
const LEAST_SHARES = { "two claimants": 0.3, "fenced writer": 0.1, "relay changes": 0.05 };
/** Below this a share says nothing. */
const LEAST_SEEDS = 200;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    root: { type: "string", default: ROOT },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
  },
});
const seeds = Number(values.seeds);
const from = Number(values.from);
if (!Number.isSafeInteger(seeds) || seeds < 1 || !Number.isSafeInteger(from)) {
  fail("--seeds and --from take integers", "npm run sim -- --seeds 2000 --from 1");
}

// The client makes errors that are answers; their stack traces cost more than all the rest.
Error.stackTraceLimit = 0;
const { simulate } = await loadSimulation(resolve(values.root));
const print = (line) => process.stdout.write(`${line}\n`);
const startMs = performance.now();
const startCpu = process.cpuUsage();
/** By name: seeds that saw it, and how often in all. */
const totals = new Map();
const shapes = new Map();
let simulatedMs = 0;
let done = 0;
let lastProgressMs = startMs;

for (let seed = from; seed < from + seeds; seed++) {
  const report = await simulate(seed, values.trace ? print : undefined);
  done += 1;
  simulatedMs += report.simulatedMs;
  shapes.set(report.shape, (shapes.get(report.shape) ?? 0) + 1);
  for (const [name, count] of report.counts) {
    const total = totals.get(name) ?? { seeds: 0, count: 0 };
    totals.set(name, { seeds: total.seeds + 1, count: total.count + count });
  }
  if (values.trace) print(`seed ${seed} (${report.shape}): trace hash ${report.hash.toString(16).padStart(8, "0")}`);
  if (report.violation !== undefined) await explain(report);
  showProgress(seed);
}
summarise();

/** The run of a seed that broke an invariant, step by step. */
async function explain({ seed, shape, violation: { rule, message } }) {
  clearProgress();
  if (!values.trace && !values.quiet) {
    Error.stackTraceLimit = 30;
    print(`seed ${seed} (${shape}), step by step: simulated seconds, and what happened`);
    await simulate(seed, print);
  }
  fail(
    `seed ${seed} breaks ${rule}: ${message} (after ${done} seeds)`,
    `npm run sim -- --seeds 1 --from ${seed} --trace`,
  );
}

function showProgress(seed) {
  const nowMs = performance.now();
  if (nowMs - lastProgressMs < PROGRESS_MS || values.trace) return;
  lastProgressMs = nowMs;
  const rate = (1000 * done) / (nowMs - startMs);
  const leftS = Math.round((seeds - done) / rate);
  const line = `seed ${seed}, ${done} of ${seeds}, ${rate.toFixed(0)} a second, ${leftS} s left`;
  if (process.stderr.isTTY) process.stderr.write(`\r${line.padEnd(70)}`);
  else if (Math.floor(nowMs / 30_000) !== Math.floor((nowMs - PROGRESS_MS) / 30_000)) process.stderr.write(`${line}\n`);
}

function clearProgress() {
  if (process.stderr.isTTY) process.stderr.write(`\r${"".padEnd(70)}\r`);
}

function summarise() {
  clearProgress();
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(startCpu);
  const rates = { wall: done / seconds, cpu: done / ((user + system) / 1e6) };
  if (values.json) {
    const counts = Object.fromEntries(totals);
    print(
      JSON.stringify({
        from,
        seeds: done,
        violations: 0,
        seconds,
        rates,
        simulatedMs,
        shapes: Object.fromEntries(shapes),
        counts,
      }),
    );
  } else {
    print(`${done} seeds from ${from}: no violation; ${seconds.toFixed(1)} s, ${rates.wall.toFixed(1)} seeds a second`);
    print(
      `(${rates.cpu.toFixed(1)} a second of processor time), ${(simulatedMs / 3_600_000).toFixed(1)} simulated hours\n`,
    );
    print("  share of seeds   times  what");
    for (const [name, { seeds, count }] of [...totals].sort(([a], [b]) => (a < b ? -1 : 1))) {
      print(`${((100 * seeds) / done).toFixed(1).padStart(14)} % ${String(count).padStart(7)}  ${name}`);
    }
    for (const [shape, count] of shapes)
      print(`${((100 * count) / done).toFixed(1).padStart(14)} % ${"".padStart(7)}  (${shape})`);
  }
  if (done < LEAST_SEEDS) return;
  for (const [name, least] of Object.entries(LEAST_SHARES)) {
    const share = (totals.get(name)?.seeds ?? 0) / done;
    if (share < least)
      fail(
        `only ${(100 * share).toFixed(1)} % of the seeds had ${name}: ${100 * least} % are wanted`,
        "make the faults of test/simulation/pen more frequent",
      );
  }
}

function fail(message, hint) {
  clearProgress();
  process.stderr.write(`error: ${message}\nhint: ${hint}\n`);
  process.exit(1);
}
