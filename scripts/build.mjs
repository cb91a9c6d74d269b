// Builds dist/ in place and then removes what this build did not write: a linked `ants` works all the while. The output
// folder must be dist: that is how the compiler finds the sources behind the package's own imports (#platform, #socket).
// The command file is made executable because npm only does so on install.
import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.json", "--listEmittedFiles"], {
  encoding: "utf8",
  stdio: ["inherit", "pipe", "inherit"],
});
const lines = stdout.split("\n");
const written = new Set(lines.flatMap((line) => (line.startsWith("TSFILE: ") ? [resolve(line.slice(8))] : [])));
process.stdout.write(lines.filter((line) => line !== "" && !line.startsWith("TSFILE: ")).join("\n"));
if (status === 0) {
  for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
    const path = resolve(join(entry.parentPath, entry.name));
    if (entry.isFile() && !written.has(path)) rmSync(path);
  }
  chmodSync("dist/src/cli/main.js", 0o755);
}
process.exitCode = status ?? 1;
