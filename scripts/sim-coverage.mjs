// Which branches of the pen's and the chain's source the simulation goes through, its scenarios first and then seeds: V8
// counts in the bundle, the source map leads back. Prints a line a file, with the lines of the branches that nothing took;
// exits 1 below the least share, and where an invariant is broken.
// Run: npm run sim:coverage -- [--seeds N] [--from S] [--least PERCENT]
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bundleSimulation } from "./sim-bundle.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MEASURED = /src\/client\/(pen[^/]*|acquire-pen|promise-round|fork-choice)\.ts$|src\/protocol\/chain\.ts$/;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    from: { type: "string", default: "1" },
    least: { type: "string", default: "0" },
  },
});

Error.stackTraceLimit = 0;
const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
const folder = mkdtempSync(join(tmpdir(), "ants-sim-coverage-"));
try {
  const bundle = await import(pathToFileURL(await bundleSimulation(ROOT, folder)).href);
  for (const name of bundle.scenarioNames) note(`scenario "${name}"`, await bundle.runScenario(name));
  const from = Number(values.from);
  for (let seed = from; seed < from + Number(values.seeds); seed++) note(`seed ${seed}`, await bundle.simulate(seed));
  const { result } = await session.post("Profiler.takePreciseCoverage");
  report(await inSource(result.find(({ url }) => url.endsWith("/simulation.mjs"))));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function note(run, { violation }) {
  if (violation === undefined) return;
  process.stderr.write(`error: ${run} breaks ${violation.rule}: ${violation.message}\n`);
  process.exitCode = 1;
}

/** Counts by source file, in the shape of Istanbul; what maps them comes with vitest's coverage. */
async function inSource({ url, functions }) {
  const { convert } = await toolOf("@vitest/coverage-v8", "ast-v8-to-istanbul");
  const { parseAstAsync } = await toolOf("vitest", "vite");
  const code = readFileSync(fileURLToPath(url), "utf8");
  const sourceMap = JSON.parse(readFileSync(`${fileURLToPath(url)}.map`, "utf8"));
  return convert({ code, wrapperLength: 0, coverage: { url, functions }, ast: parseAstAsync(code), sourceMap });
}

/** What a tool of ours brings with it. */
function toolOf(tool, name) {
  const { resolve } = createRequire(createRequire(import.meta.url).resolve(`${tool}/package.json`));
  return import(pathToFileURL(resolve(name)).href);
}

function report(files) {
  let all = 0;
  let taken = 0;
  for (const [path, { b: counts, branchMap }] of Object.entries(files)) {
    if (!MEASURED.test(path)) continue;
    const branches = Object.entries(counts).flatMap(([id, arms]) => {
      const { loc, locations } = branchMap[id];
      return arms.map((count, i) => ({ count, line: locations[i]?.start.line ?? loc.start.line }));
    });
    const missing = branches.filter(({ count }) => count === 0).map(({ line }) => line);
    all += branches.length;
    taken += branches.length - missing.length;
    const share = percent(branches.length - missing.length, branches.length);
    const lines = [...new Set(missing)].sort((a, b) => a - b).join(" ");
    process.stdout.write(`${share}  ${MEASURED.exec(path)[0]}${lines === "" ? "" : `  not taken in lines ${lines}`}\n`);
  }
  process.stdout.write(`${percent(taken, all)}  of ${all} branches, by all scenarios and ${values.seeds} seeds\n`);
  if ((100 * taken) / all < Number(values.least)) process.exitCode = 1;
}

function percent(part, whole) {
  return `${((100 * part) / whole).toFixed(1).padStart(5)} %`;
}
