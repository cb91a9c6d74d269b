// Applies every mutant of test/mutants to a copy of the tree and runs the test that must find it: a test that stays
// green would stay green over that bug. A mutant is a patch whose header says what it breaks and "Found by: <test>".
// Run: node scripts/mutants.mjs [--apply-only] [name …]
//   --apply-only   only checks that every patch still applies; seconds instead of minutes
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Longer than the slowest of these tests takes when it is green. */
const TEST_TIMEOUT_MS = 300_000;
const require = createRequire(import.meta.url);
const TSC = require.resolve("typescript/bin/tsc");
const VITEST = join(dirname(require.resolve("vitest/package.json")), "vitest.mjs");

const options = process.argv.slice(2).filter((word) => word.startsWith("--"));
const names = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const mutants = readdirSync(join(ROOT, "test/mutants"))
  .filter((file) => file.endsWith(".patch"))
  .map((file) => read(file))
  .filter(({ name }) => names.length === 0 || names.includes(name));
if (mutants.length === 0) fail("no such mutant", `ls test/mutants`);

const copy = mkdtempSync(join(tmpdir(), "ants-mutants-"));
try {
  copyTree();
  process.exitCode = options.includes("--apply-only") ? applyAll() : runAll();
} finally {
  rmSync(copy, { recursive: true, force: true });
}

function read(file) {
  const patch = join(ROOT, "test/mutants", file);
  const header = readFileSync(patch, "utf8").split("\n--- ")[0];
  const test = /^Found by: (\S+)$/m.exec(header)?.[1];
  const what = header.split("\n")[0];
  if (test === undefined || what === "")
    fail(`${file} does not say what it breaks and which test finds it`, "see its neighbours");
  return { name: file.replace(/\.patch$/, ""), patch, test, what };
}

/** Everything that git knows or would take, as it is now; installed packages are shared. */
function copyTree() {
  const { stdout } = run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT);
  for (const path of stdout.split("\0").filter((path) => path !== "" && path !== "node_modules")) {
    mkdirSync(join(copy, dirname(path)), { recursive: true });
    copyFileSync(join(ROOT, path), join(copy, path));
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
}

function applyAll() {
  const stale = mutants.filter(({ patch }) => run("git", ["apply", "--check", patch]).status !== 0);
  for (const { name, patch } of stale) {
    process.stderr.write(`error: test/mutants/${name}.patch does not apply any more\n`);
    process.stderr.write(run("git", ["apply", "--check", patch]).stderr);
  }
  if (stale.length > 0) process.stderr.write("hint: make the same mistake in the present code, and diff it\n");
  else process.stdout.write(`mutants: ${mutants.length} patches apply\n`);
  return stale.length > 0 ? 1 : 0;
}

function runAll() {
  build();
  for (const test of new Set(mutants.map(({ test }) => test))) {
    const { outcome, failed } = runTest(test);
    if (outcome !== "green") fail(`${test} is ${outcome} without any mutant: ${failed}`, `npx vitest run ${test}`);
  }
  let survivors = 0;
  for (const { name, patch, test } of mutants) {
    const startMs = Date.now();
    const { outcome, failed } = runMutant(patch, test);
    const found = outcome === "red" || outcome === "hung";
    if (!found) survivors += 1;
    const seconds = ((Date.now() - startMs) / 1000).toFixed(0).padStart(3);
    const verdict = (found ? "found" : `SURVIVED (${outcome})`).padEnd(10);
    process.stdout.write(`${verdict} ${seconds} s  ${name.padEnd(38)} ${test}${failed === "" ? "" : `: ${failed}`}\n`);
  }
  process.stdout.write(`${mutants.length - survivors} of ${mutants.length} mutants found\n`);
  return survivors > 0 ? 1 : 0;
}

function runMutant(patch, test) {
  const applied = run("git", ["apply", patch]);
  if (applied.status !== 0) return { outcome: "stale", failed: applied.stderr.trim() };
  try {
    if (!build()) return { outcome: "not built", failed: "" };
    return runTest(test);
  } finally {
    run("git", ["apply", "--reverse", patch]);
  }
}

/** Only what changed is compiled again. */
function build() {
  const incremental = ["--incremental", "--tsBuildInfoFile", join(copy, ".tsbuildinfo")];
  const { status, stdout } = run(process.execPath, [TSC, "-p", "tsconfig.json", ...incremental]);
  if (status !== 0) process.stderr.write(stdout);
  else chmodSync(join(copy, "dist/src/cli/main.js"), 0o755);
  return status === 0;
}

function runTest(test) {
  const kind = test.endsWith(".timed.test.ts") ? "timed" : "system";
  const config = test.startsWith("test/system/") ? ["--config", `vitest.${kind}.config.ts`] : [];
  const report = join(copy, ".report.json");
  rmSync(report, { force: true });
  const how = ["--bail", "1", "--reporter", "json", "--outputFile", report];
  const { status, error } = run(process.execPath, [VITEST, "run", ...config, ...how, test]);
  if (error !== undefined) return { outcome: "hung", failed: "" };
  const results = JSON.parse(readFileSync(report, "utf8"));
  const tests = results.testResults.flatMap(({ assertionResults }) => assertionResults);
  if (tests.every(({ status }) => status !== "passed" && status !== "failed"))
    return { outcome: "skipped", failed: "" };
  const failed = tests.find(({ status }) => status === "failed")?.fullName ?? "";
  return { outcome: status === 0 ? "green" : "red", failed };
}

function run(command, args, cwd = copy) {
  // Above the copy there may be a repository that is not meant.
  const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(copy), NO_COLOR: "1" };
  const options = { cwd, env, encoding: "utf8", timeout: TEST_TIMEOUT_MS, killSignal: "SIGKILL", maxBuffer: 2 ** 28 };
  return spawnSync(command, args, options);
}

function fail(message, hint) {
  process.stderr.write(`error: ${message}\nhint: ${hint}\n`);
  process.exit(1);
}
