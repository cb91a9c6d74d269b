import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";

/** Public test vectors lie beside a developer's clone, not in the repository: they are other projects' files. */
const ROOT = fileURLToPath(new URL("../../../shared/vectors/", import.meta.url));

/** The files of one origin, read as they are asked for. Paths are relative to the origin's folder. */
export interface Origin {
  text(path: string): string;
  json<T>(path: string): T;
  bytes(path: string): Uint8Array;
  /** Names in a folder, sorted. */
  list(path: string): string[];
}

/**
 * A suite over the vectors of one origin. Without the folder it says so and is skipped, with that reason in its name;
 * the edge cases that the project generates itself (test/keys) run everywhere.
 */
export function describeVectors(name: string, folder: string, suite: (origin: Origin) => void): void {
  const root = `${ROOT}${folder}/`;
  if (!existsSync(root)) {
    console.log(`skipped: no shared vectors (${folder})`);
    describe(`${name} (skipped: no shared vectors)`, () => {
      test.skip(`needs ../shared/vectors/${folder}`);
    });
    return;
  }
  const bytes = (path: string) => new Uint8Array(readFileSync(root + path));
  const text = (path: string) => readFileSync(root + path, "utf8");
  describe(name, () => {
    suite({ text, bytes, json: <T>(path: string) => JSON.parse(text(path)) as T, list: (path) => listed(root + path) });
  });
}

function listed(folder: string): string[] {
  return readdirSync(folder).sort();
}
