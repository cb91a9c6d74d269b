import fc from "fast-check";
import { expect, test } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { canonicalize, type JsonValue, parseCanonical } from "../../keys/canonical.js";
import { isAntsError } from "../../keys/errors.js";

const RUNS = { numRuns: 3_000, seed: 20_261_121 };

const { value: lineValue } = fc.letrec<{ value: JsonValue }>((tie) => {
  const key = fc.string({ unit: "binary" }).filter((text) => text !== "__proto__");
  return {
    value: fc.oneof(
      { depthSize: "small", maxDepth: 12 },
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.string({ unit: "binary", maxLength: 30 }),
      fc.string({ unit: "grapheme-ascii", maxLength: 30 }),
      fc.array(tie("value"), { maxLength: 5 }),
      fc.dictionary(key, tie("value"), { maxKeys: 5, noNullPrototype: true }),
    ),
  };
});

test("whatever the writer writes of such values, the reader reads back", () => {
  fc.assert(
    fc.property(lineValue, (value) => {
      const text = canonicalize(value);
      const read = parseCanonical(utf8(text));
      expect(read).toStrictEqual(withoutNegativeZero(value));
      expect(canonicalize(read)).toBe(text);
    }),
    RUNS,
  );
});

test("a line has one canonical form, whatever the order of keys in memory", () => {
  fc.assert(
    fc.property(lineValue, (value) => {
      expect(canonicalize(reversedKeys(value))).toBe(canonicalize(value));
    }),
    RUNS,
  );
});

/** The rule of the reader, written the obvious and slow way. */
function isAcceptable(text: string): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  if (!isAllowed(value, 1)) return false;
  try {
    return canonicalize(value) === text;
  } catch {
    return false; // a lone surrogate
  }
}

function isAllowed(value: unknown, depth: number): boolean {
  if (typeof value === "boolean" || typeof value === "string") return true;
  if (typeof value === "number") return Number.isSafeInteger(value);
  if (value === null || depth > 16) return false;
  if (Array.isArray(value)) return value.every((item) => isAllowed(item, depth + 1));
  return Object.entries(value as object).every(([key, item]) => key !== "__proto__" && isAllowed(item, depth + 1));
}

function agrees(text: string): void {
  let accepted = true;
  try {
    parseCanonical(utf8(text));
  } catch (error) {
    expect(isAntsError(error), `${error}`).toBe(true);
    accepted = false;
  }
  expect(accepted, JSON.stringify(text)).toBe(isAcceptable(text));
}

test("the reader accepts exactly what it would write itself: any JSON text", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => agrees(text)),
    RUNS,
  );
});

/** Pieces that make texts which are nearly canonical, far more often than random characters would. */
const fragment = fc.constantFrom(
  ...'[]{},:"\\-+.eE019 \n/\u0000\u001fé😀'.split(""),
  ...['"a"', '"b":', '"":', '"a\\n":', "\\n", "\\u0000", "\\u001F", "\\ud83d", "\\ude00", "\\/", "__proto__"],
  ...["true", "false", "null", "-0", "1.0", "1e400", "9007199254740991", "9007199254740992", "0.5", "😀", "\ufeff"],
);

test("the reader accepts exactly what it would write itself: fragments of JSON", () => {
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 8 }), (parts) => agrees(parts.join(""))),
    { ...RUNS, numRuns: 20_000 },
  );
});

test("the reader accepts exactly what it would write itself: canonical lines with one edit", () => {
  let acceptedEdits = 0;
  fc.assert(
    fc.property(lineValue, fc.nat(), fc.nat({ max: 2 }), fragment, (value, place, removed, inserted) => {
      const text = canonicalize(value);
      const at = place % (text.length + 1);
      const edited = text.slice(0, at) + inserted + text.slice(at + removed);
      fc.pre(!/\p{Surrogate}/u.test(edited));
      if (isAcceptable(edited)) acceptedEdits++;
      agrees(edited);
    }),
    { ...RUNS, numRuns: 10_000 },
  );
  // Edits inside strings and numbers often leave the line canonical: both answers are tested.
  expect(acceptedEdits).toBeGreaterThan(500);
});

test("no bytes make the reader throw anything but an AntsError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        parseCanonical(bytes);
      } catch (error) {
        expect(isAntsError(error), `${error}`).toBe(true);
      }
    }),
    RUNS,
  );
});

function withoutNegativeZero(value: JsonValue): JsonValue {
  if (typeof value === "number") return value === 0 ? 0 : value;
  if (Array.isArray(value)) return value.map(withoutNegativeZero);
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutNegativeZero(item)]));
}

function reversedKeys(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(reversedKeys);
  if (typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversedKeys(item)]),
  );
}
