import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { PACKAGE } from "./pages.js";

/** How many rows each part of docs/systems.md has: what this project exists for, settled before it was built. */
const PARTS = { I: 13, W: 11, E: 25, M: 20, A: 14, B: 30, N: 14 };

interface Row {
  readonly id: string;
  readonly mark: string;
  readonly tests: readonly string[];
}

const rows: Row[] = [];
for (const line of readFileSync(join(PACKAGE, "docs/systems.md"), "utf8").split("\n")) {
  const [, id, , mark, tests] = line.split("|").map((cell) => cell.trim());
  if (id !== undefined && /^[A-Z]\d+$/.test(id))
    rows.push({ id, mark: mark ?? "", tests: [...(tests ?? "").matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1]!) });
}

describe("docs/systems.md", () => {
  test("has every row once, in order", () => {
    const expected = Object.entries(PARTS).flatMap(([part, count]) =>
      Array.from({ length: count }, (_, index) => `${part}${index + 1}`),
    );
    expect(rows.map((row) => row.id)).toEqual(expected);
  });

  test("marks a row only where it names a test, and names a test only where it marks", () => {
    const odd = rows.filter(
      (row) => !["works", "partly", "open"].includes(row.mark) || (row.mark === "open") !== (row.tests.length === 0),
    );
    expect(odd).toEqual([]);
  });

  test("names tests that exist and that name the row", () => {
    const missing: string[] = [];
    for (const { id, tests } of rows)
      for (const link of tests) {
        const file = join(PACKAGE, "docs", link);
        if (!/\.test\.ts$/.test(file) || /\.long\.test\.ts$/.test(file))
          missing.push(`${id}: ${link} does not run in CI`);
        else if (!existsSync(file)) missing.push(`${id}: ${link} does not exist`);
        else if (!new RegExp(`\\b${id}\\b`).test(readFileSync(file, "utf8")))
          missing.push(`${id}: ${link} does not name it`);
      }
    expect(missing).toEqual([]);
  });
});
