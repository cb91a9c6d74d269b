// Breaks the rules of the pen one at a time (test/mutants/simulation/*.patch, against the production source) and runs the
// simulation on each broken tree until a seed shows it. Prints after how many seeds; exits 1 where a mutant survives, or
// a patch no longer applies.
// Run: node scripts/sim-mutants.mjs [--apply-only] [--seeds N] [name …]
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PATCHES = join(ROOT, "test/mutants/simulation");
/** What a simulation is bundled from. */
const SOURCES = ["keys", "src", "relay", "test/simulation"];
/** Longer than so many seeds take anywhere; a mutant may also make the client go round in circles. */
const TIMEOUT_MS = 300_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "apply-only": { type: "boolean", default: false }, seeds: { type: "string", default: "2000" } },
});
const names = readdirSync(PATCHES)
  .filter((file) => file.endsWith(".patch"))
  .map((file) => file.slice(0, -".patch".length))
  .filter((name) => positionals.length === 0 || positionals.includes(name));
if (names.length === 0) fail("no such mutant", `ls ${PATCHES}`);

const folder = mkdtempSync(join(tmpdir(), "ants-sim-mutants-"));
let isBad = false;
try {
  const trees = names.map((name) => ({ name, tree: mutated(name) }));
  isBad = trees.some(({ tree }) => tree === undefined);
  if (isBad) process.stderr.write("hint: make the same mistake in the present code, and diff it\n");
  else if (values["apply-only"]) process.stdout.write(`simulation mutants: ${names.length} patches apply\n`);
  else await runAll(trees);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = isBad ? 1 : 0;

/** A copy of the sources with one patch; undefined where it does not apply. */
function mutated(name) {
  const tree = join(folder, name);
  for (const source of SOURCES) cpSync(join(ROOT, source), join(tree, source), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(tree, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"));
  // Above the copy there may be a repository that is not meant.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: folder };
  const { status, stderr } = spawnSync("git", ["apply", join(PATCHES, `${name}.patch`)], {
    cwd: tree,
    env,
    encoding: "utf8",
  });
  if (status === 0) return tree;
  process.stderr.write(`error: test/mutants/simulation/${name}.patch does not apply any more\n${stderr}`);
  return undefined;
}

async function runAll(trees) {
  const waiting = [...trees];
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await runOne(next);
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));
}

async function runOne({ name, tree }) {
  const startMs = performance.now();
  const { status, stderr } = await simulated(tree);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  const [, rule, seeds] = /breaks (\S+): .*\(after (\d+) seeds\)/.exec(stderr) ?? [];
  const what = readFileSync(join(PATCHES, `${name}.patch`), "utf8").split("\n")[0];
  // A patch that no longer fits the code's names breaks it in a way that shows nothing of the rule.
  if (seeds !== undefined && rule !== "no-internal-error") {
    process.stdout.write(`found after ${seeds.padStart(5)} seeds, ${seconds.padStart(3)} s  ${name}: ${rule}\n`);
    return;
  }
  isBad = true;
  const last = rule === undefined ? stderr.trim().split("\n").at(-1) : `it breaks ${rule}`;
  const how = status === 0 ? `${values.seeds} seeds` : last;
  process.stdout.write(`SURVIVED ${how}, ${seconds} s  ${name}: ${what}\n`);
}

function simulated(tree) {
  const args = [
    "--single-threaded-gc",
    join(ROOT, "scripts/sim.mjs"),
    "--root",
    tree,
    "--seeds",
    values.seeds,
    "--seeds-only",
    // Other runs than those of CI's own section; which seeds find the rarest soon is chance.
    "--from",
    "12000",
    "--quiet",
  ];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      clearTimeout(timer);
      resolve({ status, stderr });
    });
  });
}

function fail(message, hint) {
  process.stderr.write(`error: ${message}\nhint: ${hint}\n`);
  process.exit(1);
}
