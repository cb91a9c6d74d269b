import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { PACKAGE, pages } from "./pages.js";

describe("the pages", () => {
  test("link only to files that exist", () => {
    const broken: string[] = [];
    for (const { path, text } of pages()) {
      const prose = text.replace(/^```.*?^```$/gms, "").replace(/`[^`\n]*`/g, "");
      for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (target === undefined || /^(https?:|mailto:|#)/.test(target)) continue;
        const file = join(PACKAGE, dirname(path), target.split("#")[0]!);
        if (!existsSync(file)) broken.push(`${path}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });
});
