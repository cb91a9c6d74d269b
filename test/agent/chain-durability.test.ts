import { spawnSync } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { works } from "../keys/node/run.js";
import { temporaryFolder } from "../keys/node/temporary-folder.js";

const PROGRAM = fileURLToPath(new URL("./programs/append-chain.mjs", import.meta.url));

it("an event is on the disk, and a new file's name with it, before anybody is told that it is stored", (context) => {
  context.skip(!works("strace", "-f", "true"), "strace is not installed, or may not trace here");
  const folder = realpathSync(temporaryFolder());
  const trace = join(realpathSync(temporaryFolder()), "trace");
  const calls = ["-e", "trace=write,pwrite64,fdatasync,fsync"];
  const command = ["-f", "-y", "-qq", ...calls, "-o", trace, process.execPath, PROGRAM, join(folder, "chain")];
  const { stdout, status } = spawnSync("strace", command, { encoding: "utf8" });
  expect({ stdout, status }).toEqual({ stdout: "stored\nstored\n", status: 0 });
  const file = join(folder, "chain/000000000000.ndjson");
  const steps = readFileSync(trace, "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, call, target] = /(\w+)\(\d+<([^>]*)>/.exec(line) ?? [];
      if (target === file) return [call!.includes("write") ? "line written" : "file synced"];
      if (target === join(folder, "chain")) return ["name synced"];
      return line.includes('"stored\\n"') ? ["told"] : [];
    });
  expect(steps).toEqual([
    ...["line written", "file synced", "name synced", "told"],
    ...["line written", "file synced", "told"],
  ]);
});
