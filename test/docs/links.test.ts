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

  test("open and close each block: a fence that was lost hides examples from the tests", () => {
    const wrong: string[] = [];
    for (const { path, text } of pages()) {
      let isOpen = false;
      for (const [index, line] of text.split("\n").entries()) {
        if (!line.startsWith("```")) continue;
        if (isOpen && line !== "```") wrong.push(`${path}:${index + 1}`);
        isOpen = !isOpen;
      }
      if (isOpen) wrong.push(`${path}: the last block`);
    }
    expect(wrong).toEqual([]);
  });
});
