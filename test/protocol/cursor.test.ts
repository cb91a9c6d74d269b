import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EMPTY_ROOT } from "../../keys/merkle/hashes.js";
import { EMPTY_CHECK, formatCursor, isStream, parseCursor, startCursor } from "../../src/protocol/cursor.js";
import { codeOf } from "../keys/code-of.js";
import { stream } from "./author.js";

describe("a cursor", () => {
  test("is read as it was written, whatever stream, position and root", () => {
    const root = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const streams = fc.stringMatching(/^[0-9a-f]{16}$/);
    fc.assert(
      fc.property(streams, fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), root, (name, position, bytes) => {
        const text = formatCursor({ stream: name, position, root: bytes });
        const check = Buffer.from(bytes).toString("hex").slice(0, 8);
        expect(parseCursor(text)).toEqual({ stream: name, position, check });
        expect(formatCursor({ stream: name, position, root: check })).toBe(text);
      }),
    );
  });

  test("of the empty log carries the root of nothing", () => {
    expect(startCursor(stream)).toBe("0123456789abcdef.0.e3b0c442");
    expect(formatCursor({ stream, position: 0, root: EMPTY_ROOT })).toBe(startCursor(stream));
    expect(EMPTY_CHECK).toBe(Buffer.from(EMPTY_ROOT).toString("hex").slice(0, 8));
  });

  test.each([
    "",
    "start",
    "head",
    "0123456789abcdef.1",
    "0123456789abcde.1.00000000",
    "0123456789ABCDEF.1.00000000",
    "0123456789abcdef.01.00000000",
    "0123456789abcdef.-1.00000000",
    "0123456789abcdef.1.0000000",
    "0123456789abcdef.1.000000000",
    "0123456789abcdef.1.0000000g",
    "0123456789abcdef.9007199254740992.00000000",
    "0123456789abcdef.0.00000000",
    "0123456789abcdef.1.00000000\n",
    " 0123456789abcdef.1.00000000",
    "0123456789abcdef.1.00000000.0",
  ])("%j is none", (text) => {
    expect(codeOf(() => parseCursor(text))).toBe("cursor-syntax");
  });

  test("is never written wrong", () => {
    expect(codeOf(() => formatCursor({ stream: "x", position: 1, root: EMPTY_ROOT }))).toBe("cursor-syntax");
    expect(codeOf(() => formatCursor({ stream, position: 1.5, root: EMPTY_ROOT }))).toBe("cursor-syntax");
    expect(codeOf(() => formatCursor({ stream, position: 1, root: "abc" }))).toBe("cursor-syntax");
  });
});

test("a stream is 16 lower-case hex digits", () => {
  expect([stream, "x", 1, "0123456789ABCDEF", `${stream}0`].map(isStream)).toEqual([true, false, false, false, false]);
});
