import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";
import { AntsError } from "../../keys/errors.js";
import { ROWS as ROWS_OF_PAGES } from "../../src/protocol/error-table/web.js";
import { ERRORS, type ErrorCode, EXIT, errorRow, exitCodeOf, isRetryable } from "../../src/protocol/errors.js";
import { errorOfRefusal, isRefusal, refusalOf } from "../../src/protocol/refusal.js";
import { WIRE_CODES } from "../../src/protocol/wire-codes.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const table = ["src/protocol/errors.ts", "src/protocol/error-rows", "src/protocol/error-table"];
const parts = readdirSync(join(root, "src/protocol/error-rows")).filter((name) => name !== "row.ts");
const sources = ["keys", "src", "relay"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name))
    .filter((path) => !table.some((place) => path.startsWith(place)))
    .map((path) => ({ path, text: withoutComments(readFileSync(join(root, path), "utf8")) })),
);

/** Comments quote codes that no longer need to exist. */
function withoutComments(text: string): string {
  return text.replace(/\/\*.*?\*\//gs, "").replace(/(^|\s)\/\/[^\n]*/g, "$1");
}

/**
 * Codes that sources throw or refuse with: `new AntsError("x"`, `code: "x"`, and calls of what makes such an error. The
 * code of a zod issue, told by `addIssue`, is zod's.
 */
const MADE =
  /(?<!\blog\.)(?:\bnew AntsError|\b(?:\w*(?:[eE]rror|[fF]ail|[rR]efus\w*)))\(\s*"([a-z][a-z0-9-]*)"|(?<!addIssue\(\{ )\bcode: "([a-z][a-z0-9-]*)"/g;

describe("the table of errors", () => {
  test("has every code that the sources name", () => {
    const missing = new Set<string>();
    for (const { path, text } of sources) {
      for (const [, made, refused] of text.matchAll(MADE)) {
        const code = made ?? refused!;
        if (errorRow(code) === undefined) missing.add(`${code} (${path})`);
      }
    }
    expect([...missing].sort()).toEqual([]);
  });

  test("has no code that the sources don't name", () => {
    const all = sources.map(({ text }) => text).join("\n");
    expect(Object.keys(ERRORS).filter((code) => !all.includes(`"${code}"`))).toEqual([]);
  });

  test("has every code in one part only, each part sorted", async () => {
    const codes: string[] = [];
    for (const name of parts) {
      const part = (await import(join(root, "src/protocol/error-rows", name))) as Record<string, object>;
      const own = Object.values(part).flatMap((rows) => Object.keys(rows));
      expect(own, name).toEqual([...own].sort());
      codes.push(...own);
    }
    expect(codes.sort()).toEqual(Object.keys(ERRORS).sort());
  });

  test("has for pages what the doors for browsers can throw and what a relay may answer", async () => {
    const { metafile } = await build({
      absWorkingDir: root,
      stdin: { contents: 'export * from "./src/index.js"; export * from "./keys/index.js";', resolveDir: root },
      alias: {
        "#errors": join(root, "src/protocol/error-table/web.ts"),
        "#lookup": join(root, "src/client/lookup/web.ts"),
        "#platform": join(root, "keys/platform/web.ts"),
        "#socket": join(root, "src/client/socket/web.ts"),
      },
      bundle: true,
      platform: "browser",
      format: "esm",
      metafile: true,
      write: false,
      logLevel: "silent",
    });
    const missing = new Set([...WIRE_CODES].filter((code) => !Object.hasOwn(ROWS_OF_PAGES, code)));
    const ofPages = sources.filter(({ path }) => path in metafile.inputs);
    expect(ofPages.length).toBeGreaterThan(100);
    for (const { path, text } of ofPages) {
      for (const [, made, refused] of text.matchAll(MADE)) {
        if (!Object.hasOwn(ROWS_OF_PAGES, made ?? refused!)) missing.add(`${made ?? refused} (${path})`);
      }
    }
    expect([...missing].sort()).toEqual([]);
  });

  test("says something in every row", () => {
    for (const [code, row] of Object.entries(ERRORS)) {
      expect(code).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
      expect(row.meaning, code).toMatch(/^[A-Z0-9].*[.…]$/);
      expect(row.wayOut, code).toMatch(/^[A-Z]/);
      expect(`${row.meaning}${row.wayOut}`, code).not.toMatch(/[|\n]/);
      expect(Object.values(EXIT)).toContain(row.exit);
    }
  });

  test("is what docs/errors.md says", () => {
    const { status, stderr } = spawnSync(process.execPath, ["scripts/errors-doc.mjs", "--check"], { cwd: root });
    expect(String(stderr)).toBe("");
    expect(status).toBe(0);
  });

  test("gives every code its exit code, and 1 to what it doesn't know", () => {
    expect(exitCodeOf(new AntsError("fenced", ""))).toBe(4);
    expect(exitCodeOf(new AntsError("cursor-syntax", ""))).toBe(2);
    expect(exitCodeOf(new AntsError("invented-elsewhere", ""))).toBe(1);
    expect(exitCodeOf(new Error("x"))).toBe(1);
    expect(exitCodeOf(undefined)).toBe(1);
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      expect(exitCodeOf(new AntsError(code, ""))).toBe(ERRORS[code].exit);
    }
  });

  test("says what may be tried again", () => {
    expect(["rate-limited", "shutting-down", "held"].map(isRetryable)).toEqual([true, true, true]);
    expect(["fenced", "event-grammar", "toString", "constructor"].map(isRetryable)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe("a refusal", () => {
  test("tells code, text, details, and whether and when to try again", () => {
    const error = new AntsError("rate-limited", "slower", {
      details: { retryAfterMs: 50, limit: "entriesPerSecond", ref: 3 },
    });
    const refusal = refusalOf(error);
    expect(refusal).toEqual({
      code: "rate-limited",
      message: "slower",
      retryable: true,
      retryAfterMs: 50,
      details: { limit: "entriesPerSecond" },
    });
    const back = errorOfRefusal(refusal);
    expect(back).toMatchObject({ code: "rate-limited", message: "slower" });
    expect(back.details).toEqual({ limit: "entriesPerSecond", retryable: true, retryAfterMs: 50 });
  });

  test("with a code that relays don't send is no error of this side", () => {
    for (const code of ["no-relays", "vault-missing", "relay-altered", "connection-lost", "made-up"]) {
      const error = errorOfRefusal({ code, message: "x", retryable: false, details: { code: "fenced" } });
      expect(error).toMatchObject({ code: "relay-refused", details: { code, retryable: false } });
      expect(isRefusal(error)).toBe(true);
    }
    for (const code of WIRE_CODES) expect(errorRow(code), code).toBeDefined();
    expect(isRefusal(new AntsError("key-not-live", "found here"))).toBe(false);
  });

  test("leaves out what there is not, and cuts a long text", () => {
    expect(refusalOf(new AntsError("gap", "x".repeat(5000)))).toEqual({
      code: "gap",
      message: "x".repeat(1024),
      retryable: false,
    });
  });

  test("is never made of anything but an error of ours", () => {
    const fault = new TypeError("/home/secret");
    expect(() => refusalOf(fault)).toThrow(fault);
  });
});
