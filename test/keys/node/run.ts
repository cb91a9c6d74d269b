import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

/** Path of a program of the tests; it imports the built package. */
export function program(name: string): string {
  return fileURLToPath(new URL(`./programs/${name}`, import.meta.url));
}

/** Runs a command to its end. */
export function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Ran {
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: "utf8", env, timeout: 60_000 });
  return { stdout, stderr, status };
}

/** Is this command here, and may it run? */
export function works(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

const unshare: readonly string[] | undefined = [["-m"], ["-r", "-m"]].find((flags) =>
  works("unshare", ...flags, "mount", "-t", "tmpfs", "none", "/mnt"),
);

/** Said by tests that cannot run here. */
export const NO_NAMESPACES = "neither root nor allowed to make namespaces: nothing can be mounted for this test";
export const canMount = unshare !== undefined;

/** Runs a shell script (arguments are $1, $2 …) in mounts of its own, which end with it. */
export function runWithMounts(script: string, ...args: readonly string[]): Ran {
  return run("unshare", [...unshare!, "sh", "-ec", script, "sh", ...args]);
}
