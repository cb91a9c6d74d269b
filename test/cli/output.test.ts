import { describe, expect, it } from "vitest";
import { AntsError } from "../../keys/errors.js";
import { describe as describeError, printable } from "../../src/cli/output.js";

describe("an error at the end of a command", () => {
  it("has its own hint, else the way out of the table", () => {
    expect(describeError(new AntsError("locked", "taken", { hint: "wait" }))).toEqual({
      code: "locked",
      message: "taken",
      hint: "wait",
      exit: 12,
    });
    expect(describeError(new AntsError("locked", "taken")).hint).toMatch(/^Wait until/);
  });

  it("that is not ours is called a defect, with where it happened", () => {
    const told = describeError(new TypeError("x is undefined"));
    expect(told).toMatchObject({ code: "internal", exit: 1, hint: expect.stringContaining("report") });
    expect(told.message).toContain("output.test.ts");
    expect(describeError("thrown text")).toMatchObject({ code: "internal", message: "thrown text" });
  });
});

describe("somebody else's text", () => {
  it.each([
    ["plain, ünïcödé, 鍵, 😀", "plain, ünïcödé, 鍵, 😀"],
    ["two\nlines\tand a tab", "two\nlines\tand a tab"],
    ["\u001b[31mred\u001b[0m", "\\u001b[31mred\\u001b[0m"],
    ["over\rwritten", "over\\u000dwritten"],
    ["\u202egnp.exe", "\\u202egnp.exe"],
    ["\u009b31m", "\\u009b31m"],
  ])("%j is printed as %j: a terminal obeys nothing in it", (text, shown) => {
    expect(printable(text)).toBe(shown);
  });
});
