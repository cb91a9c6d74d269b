// Builds dist/ from scratch, beside the present one and then in its place: a linked `ants` works all the while. The
// command file is made executable because npm only does so on install.
import { spawnSync } from "node:child_process";
import { chmodSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";

const fresh = `dist.${process.pid}`;
const old = `${fresh}.old`;
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.json", "--outDir", fresh], { stdio: "inherit" });
if (status === 0) {
  chmodSync(`${fresh}/src/cli/main.js`, 0o755);
  try {
    renameSync("dist", old);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  renameSync(fresh, "dist");
}
for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
process.exitCode = status ?? 1;
