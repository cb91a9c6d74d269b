import { describe, expect, test } from "vitest";
import { concat, utf8 } from "../../keys/bytes.js";
import { canonicalBytes, canonicalize, parseCanonical, parseCanonicalObject } from "../../keys/canonical.js";
import { codeOf } from "./code-of.js";

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const nestedObjects = (depth: number) => `${'{"a":'.repeat(depth - 1)}{}${"}".repeat(depth - 1)}`;

describe("the strict reader takes", () => {
  test.each([
    ["{}", {}],
    ["[]", []],
    ['""', ""],
    ["true", true],
    ["0", 0],
    ["-1", -1],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ["-9007199254740991", Number.MIN_SAFE_INTEGER],
    ["999999999999999", 999_999_999_999_999],
    ["1000000000000000", 1_000_000_000_000_000],
    ['{"a":1,"b":[true,false,"x"],"c":{}}', { a: 1, b: [true, false, "x"], c: {} }],
    ['{"":1,"a":2}', { "": 1, a: 2 }],
    ['{"10":1,"9":2}', { 10: 1, 9: 2 }],
    ['{"a":1,"a!":2,"aa":3}', { a: 1, "a!": 2, aa: 3 }],
    ['{"\\n":1,"\\"":2,"\\\\":3}', { "\n": 1, '"': 2, "\\": 3 }],
    ['{"a":1,"a\\n":2,"ab":3}', { a: 1, "a\n": 2, ab: 3 }],
    ['"\\b\\t\\n\\f\\r\\"\\\\\\u0000\\u001f"', '\b\t\n\f\r"\\\u0000\u001f'],
    ['"/\u007f\u2028é€😀"', "/\u007f\u2028é€😀"],
    ['"\uffff\ufeff"', "\uffff\ufeff"],
    // By UTF-16 code units the surrogates of an emoji come before U+FB33; by code points they would come after.
    ['{"😀":1,"\ufb33":2}', { "😀": 1, "\ufb33": 2 }],
    [nested(16), JSON.parse(nested(16))],
    [nestedObjects(16), JSON.parse(nestedObjects(16))],
    ['{"constructor":1,"hasOwnProperty":2,"toString":3}', { constructor: 1, hasOwnProperty: 2, toString: 3 }],
    ['{"__proto":1,"__proto__x":2}', { __proto: 1, __proto__x: 2 }],
  ])("%s", (text, value) => {
    expect(parseCanonical(utf8(text))).toEqual(value);
    expect(canonicalize(value)).toBe(text);
  });
});

const refusals: Record<string, [what: string, text: string | Uint8Array][]> = {
  "json-duplicate-key": [
    ["duplicates", '{"a":1,"a":1}'],
    ["duplicates of the empty key", '{"":1,"":2}'],
    ["duplicates with escapes", '{"\\n":1,"\\n":2}'],
    ["duplicates below the top", '[{"a":{"b":1,"b":2}}]'],
  ],
  "json-key-order": [
    ["keys out of order", '{"b":1,"a":2}'],
    ["a longer key before its beginning", '{"ab":1,"a":2}'],
    ["integer-like keys in numeric order", '{"9":2,"10":1}'],
    ["keys ordered by code point", '{"\ufb33":2,"😀":1}'],
    ["keys ordered by their escaped spelling", '{"\\\\":1,"\\n":2}'],
    ["an escaped key after a later one", '{"a":1,"\\n":2}'],
    ["a duplicate that is not next to its twin", '{"a":1,"b":2,"a":3}'],
  ],
  "json-whitespace": [
    ["a space after a colon", '{"a": 1}'],
    ["a space before a colon", '{"a" :1}'],
    ["a space after a comma", "[1, 2]"],
    ["a space before a comma", "[1 ,2]"],
    ["a leading space", " {}"],
    ["a trailing newline", "{}\n"],
    ["a trailing carriage return", "{}\r"],
    ["a tab in an empty object", "{\t}"],
    ["a space in an empty array", "[ ]"],
    ["a newline before a key", '{"a":1,\n"b":2}'],
    ["a space before a closing bracket", "[1 ]"],
  ],
  "json-number": [
    ["1.0", "1.0"],
    ["an exponent", "1e3"],
    ["a capital exponent", "1E3"],
    ["a negative exponent of an integer", "10e-1"],
    ["a leading zero", "01"],
    ["a negative leading zero", "-01"],
    ["a lone minus", "-"],
    ["a plus", "+1"],
    ["a number without its integer part", ".5"],
    ["a number without its fraction", "1."],
    ["a number without its exponent", "1e"],
    ["two numbers joined by a minus", "1-1"],
    ["an integer with trailing zeros as a fraction", "9007199254740991.0"],
    ["a fraction that rounds to an integer", "1.00000000000000000001"],
    ["an underflow", "1e-400"],
  ],
  "json-negative-zero": [
    ["-0", "-0"],
    ["-0.0", "-0.0"],
    ["-0e5", "-0e5"],
    ["-0 in an array", "[-0]"],
  ],
  "json-number-range": [
    ["2^53", "9007199254740992"],
    ["2^53 + 1", "9007199254740993"],
    ["-2^53", "-9007199254740992"],
    ["1e21 in digits", "1000000000000000000000"],
    ["1e300", "1e300"],
  ],
  "json-number-overflow": [
    ["1e400", "1e400"],
    ["-1e400", "-1e400"],
    ["400 digits", "9".repeat(400)],
  ],
  "json-float": [
    ["a float", "1.5"],
    ["a negative float", "-0.5"],
    ["a float with an exponent", "15e-1"],
    ["the smallest float", "5e-324"],
    ["a float inside", '{"a":[0.1]}'],
  ],
  "json-null": [
    ["null", "null"],
    ["null as a value", '{"a":null}'],
    ["null in an array", "[null]"],
  ],
  "json-surrogate": [
    ["a lone high surrogate", '"\\ud800"'],
    ["a lone low surrogate", '"\\udc00"'],
    ["a high surrogate before text", '"\\ud83dx"'],
    ["two high surrogates", '"\\ud83d\\ud83d"'],
    ["a lone surrogate in a key", '{"\\udfff":1}'],
    ["a high surrogate escape before a bare character", '"\\uD83D😀"'],
  ],
  "json-bom": [["a byte order mark", concat(Uint8Array.of(0xef, 0xbb, 0xbf), utf8("{}"))]],
  "json-utf8": [
    ["a stray byte", Uint8Array.of(0x22, 0xff, 0x22)],
    ["a truncated sequence", Uint8Array.of(0x22, 0xc3, 0x22)],
    ["an overlong slash", Uint8Array.of(0x22, 0xc0, 0xaf, 0x22)],
    ["a surrogate in UTF-8", Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)],
    ["a pair of surrogates in UTF-8", Uint8Array.of(0x22, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, 0x22)],
    ["a code point above U+10FFFF", Uint8Array.of(0x22, 0xf4, 0x90, 0x80, 0x80, 0x22)],
    ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x7b, 0, 0x7d, 0)],
  ],
  "json-depth": [
    ["arrays at depth 17", nested(17)],
    ["objects at depth 17", nestedObjects(17)],
    ["arrays without end", "[".repeat(65_536)],
    ["objects without end", '{"a":'.repeat(10_000)],
  ],
  "json-proto": [
    ["__proto__", '{"__proto__":1}'],
    ["__proto__ below the top", '{"a":[{"__proto__":{"x":1}}]}'],
    ["__proto__ in a line with escapes", '{"\\n":1,"__proto__":1}'],
  ],
  "json-escape": [
    ["an escaped slash", '"\\/"'],
    ["an escaped letter", '"\\u0061"'],
    ["an escape in capitals", '"\\u001F"'],
    ["a long escape where a short one exists", '"\\u000a"'],
    ["an escaped quote by number", '"\\u0022"'],
    ["an escaped pair", '"\\ud83d\\ude00"'],
    ["an escaped DEL", '"\\u007f"'],
    ["an escaped spelling of __proto__", '{"\\u005f_proto__":1}'],
  ],
  "json-trailing": [
    ["a second value", "{}{}"],
    ["a comma at the end", "1,"],
    ["a word after a number", "1x"],
    ["a closing bracket too many", "[]]"],
  ],
  "json-syntax": [
    ["nothing", ""],
    ["half an object", '{"a":1'],
    ["half a key", '{"a'],
    ["a key without a value", '{"a"}'],
    ["a key without a value, after the colon", '{"a":'],
    ["half a string", '"abc'],
    ["half a string with an escape", '"ab\\n'],
    ["half an escape", '"\\u00'],
    ["a backslash at the end", '"\\'],
    ["an unknown escape", '"\\x41"'],
    ["a bare newline in a string", '"a\nb"'],
    ["a bare NUL in a string", '"\u0000"'],
    ["a bare tab in a string with escapes", '"\\n\t"'],
    ["a bare control character in a key", '{"\u001f":1}'],
    ["a trailing comma", "[1,]"],
    ["a trailing comma in an object", '{"a":1,}'],
    ["a leading comma", "[,1]"],
    ["two commas", "[1,,2]"],
    ["a missing comma", "[1[2]]"],
    ["a wrong closing bracket", "[1}"],
    ["an unquoted key", "{a:1}"],
    ["single quotes", "'a'"],
    ["a number as a key", "{1:1}"],
    ["half a word", "tru"],
    ["a capital word", "True"],
    ["NaN", "NaN"],
    ["Infinity", "-Infinity".slice(1)],
    ["undefined", "undefined"],
    ["a comment", "//"],
    ["half an array", "[1"],
  ],
};

describe.each(Object.entries(refusals))("%s is the answer to", (code, texts) => {
  test.each(texts)("%s", (_, text) => {
    expect(codeOf(() => parseCanonical(typeof text === "string" ? utf8(text) : text))).toBe(code);
  });
});

test("the refusal says where, and never repeats the text", () => {
  try {
    parseCanonical(utf8('{"secret": 1}'));
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ code: "json-whitespace", details: { at: 10 } });
    expect(String(error)).not.toContain("secret");
  }
});

test("the size limit comes first, before even a look at the bytes", () => {
  const long = new Uint8Array(65_537).fill(0xff);
  expect(codeOf(() => parseCanonical(long))).toBe("json-too-long");
  expect(codeOf(() => parseCanonical(utf8('"12345"'), { maxBytes: 6 }))).toBe("json-too-long");
  expect(parseCanonical(utf8('"12345"'), { maxBytes: 7 })).toBe("12345");
  expect(parseCanonical(utf8(`"${"x".repeat(65_534)}"`))).toHaveLength(65_534);
});

test("a line that must be an object is refused when it is none", () => {
  expect(parseCanonicalObject(utf8('{"a":1}'))).toEqual({ a: 1 });
  for (const text of ["[]", '"x"', "1", "true"]) {
    expect(codeOf(() => parseCanonicalObject(utf8(text)))).toBe("json-not-object");
  }
});

describe("the writer", () => {
  test("writes what the strict reader refuses as well: floats and null", () => {
    expect(canonicalize([1.5, null, -0, 1e21, 1e-7, 5e-324, 1 / 3])).toBe(
      "[1.5,null,0,1e+21,1e-7,5e-324,0.3333333333333333]",
    );
  });

  test("sorts keys by UTF-16 code units, whatever order they came in", () => {
    expect(canonicalize({ b: 1, "\ufb33": 2, "😀": 3, "": 4, 9: 5, 10: 6 })).toBe(
      '{"":4,"10":6,"9":5,"b":1,"😀":3,"\ufb33":2}',
    );
  });

  test("writes objects without a prototype, and the same object twice", () => {
    const shared = Object.assign(Object.create(null), { x: 1 });
    expect(canonicalize([shared, shared])).toBe('[{"x":1},{"x":1}]');
  });

  test("writes a key __proto__, which is an ordinary key to RFC 8785", () => {
    expect(canonicalize(JSON.parse('{"__proto__":1}'))).toBe('{"__proto__":1}');
  });

  const cyclic: unknown[] = [];
  cyclic.push([cyclic]);
  test.each([
    ["undefined", undefined],
    ["a member that is undefined", { a: undefined }],
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    ["a hole in an array", [1, , 2]],
    ["NaN", Number.NaN],
    ["infinity", [Number.NEGATIVE_INFINITY]],
    ["a bigint", 1n],
    ["a function", () => 1],
    ["a symbol", Symbol("x")],
    ["a date", new Date(0)],
    ["a map", new Map()],
    ["bytes", Uint8Array.of(1)],
    ["a boxed string", Object("x")],
    ["an instance of a class", new (class Thing {})()],
    ["a cycle", cyclic],
  ])("refuses %s rather than leave it out", (_, value) => {
    expect(codeOf(() => canonicalize(value))).toBe("json-unsupported");
  });

  test("refuses lone surrogates in strings and keys", () => {
    expect(codeOf(() => canonicalize("a\ud800"))).toBe("json-surrogate");
    expect(codeOf(() => canonicalize({ "\udc00": 1 }))).toBe("json-surrogate");
    expect(codeOf(() => canonicalize('"\udc00'))).toBe("json-surrogate");
  });

  test("gives bytes too", () => {
    expect(canonicalBytes({ é: 1 })).toEqual(utf8('{"é":1}'));
  });
});
