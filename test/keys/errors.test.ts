import { expect, test } from "vitest";
import { AntsError, isAntsError } from "../../keys/errors.js";

test("an error carries its code, its hint, its cause and its details", () => {
  const cause = new RangeError("underneath");
  const error = new AntsError("locked", "another process holds the home", {
    hint: "stop it",
    cause,
    details: { pid: 7 },
  });
  expect(error).toMatchObject({ name: "AntsError", code: "locked", hint: "stop it", cause, details: { pid: 7 } });
  expect(error).toBeInstanceOf(Error);
  expect(String(error)).toBe("AntsError: another process holds the home");
});

test("hint, cause and details may be left out", () => {
  const error = new AntsError("multikey", "no key");
  expect(error.hint).toBeUndefined();
  expect(error.details).toEqual({});
  expect("cause" in error).toBe(false);
});

test("errors are recognised by name and code, also those of another copy of the package", () => {
  const foreign = Object.assign(new Error("from a bundle"), { name: "AntsError", code: "locked" });
  expect(isAntsError(foreign)).toBe(true);
  expect(isAntsError(foreign, "locked")).toBe(true);
  expect(isAntsError(foreign, "multikey")).toBe(false);
  expect(isAntsError(new AntsError("multikey", "no key"), "multikey")).toBe(true);
});

test("nothing else is taken for one", () => {
  const systemError = Object.assign(new Error("no such file"), { code: "ENOENT" });
  for (const other of [systemError, new Error("x"), { code: "locked" }, { name: "AntsError" }, null, undefined, "x"]) {
    expect(isAntsError(other)).toBe(false);
  }
});
