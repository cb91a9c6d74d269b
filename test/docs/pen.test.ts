import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PACKAGE } from "./pages.js";

test("each row of docs/pen.md's table of faults is linked to a test that runs in CI", () => {
  const text = readFileSync(join(PACKAGE, "docs/pen.md"), "utf8");
  const table = text.slice(text.indexOf("## What happens when"), text.indexOf("## Forks"));
  const rows = table.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| what happens |"));
  expect(rows.length).toBeGreaterThan(30);
  for (const row of rows) {
    const links = [...row.matchAll(/\]\((\.\.\/test\/[^)]+)\)/g)].map(([, link]) => link!);
    expect(links.length, row).toBeGreaterThan(0);
    for (const link of links) {
      expect(/\.test\.ts$/.test(link) && !link.includes(".long."), link).toBe(true);
      expect(existsSync(join(PACKAGE, "docs", link)), link).toBe(true);
    }
  }
});
