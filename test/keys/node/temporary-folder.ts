import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";

const CACHE = fileURLToPath(new URL("../../../node_modules/.cache/ants-keys", import.meta.url));
const made: string[] = [];

/** A new folder for one test, in the package's cache: /tmp is a place that keys are refused in. */
export function temporaryFolder(): string {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "test-"));
  made.push(folder);
  return folder;
}

/** Names of temporary files that a write left behind. */
export function leftovers(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".tmp"));
}

afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});
