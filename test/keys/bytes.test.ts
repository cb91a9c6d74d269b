import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  base32,
  base58btc,
  base64url,
  concat,
  equalBytes,
  fromBase32,
  fromBase58btc,
  fromBase64url,
  fromHex,
  fromUtf8,
  hex,
  utf8,
  zero,
} from "../../keys/bytes.js";
import { codeOf } from "./code-of.js";

const anyBytes = fc.uint8Array({ maxLength: 100 });

test("hex and base64url agree with Node's Buffer", () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      expect(hex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
      expect(base64url(bytes)).toBe(Buffer.from(bytes).toString("base64url"));
    }),
  );
});

test.each([
  ["hex", hex, fromHex],
  ["base64url", base64url, fromBase64url],
  ["base32", base32, fromBase32],
  ["base58", base58btc, fromBase58btc],
  ["UTF-8", (bytes: Uint8Array) => hex(bytes), (text: string) => fromHex(fromUtf8(utf8(text)))],
])("%s reads back what it wrote", (_, encode, decode) => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      expect(decode(encode(bytes))).toEqual(bytes);
    }),
  );
});

test("texts of RFC 4648 and of the base58 draft", () => {
  expect(base64url(utf8("foobar"))).toBe("Zm9vYmFy");
  expect(base64url(Uint8Array.of(0xfb, 0xff))).toBe("-_8");
  expect(base32(utf8("foobar"))).toBe("mzxw6ytboi");
  expect(base58btc(utf8("Hello World!"))).toBe("2NEpo7TZRRrLZSi2U");
  expect(base58btc(Uint8Array.of(0, 0, 0x28, 0x7f, 0xb4, 0xcd))).toBe("11233QC4");
});

describe("every byte string has one spelling: refused is", () => {
  test.each(["AB", "a", "0g", "0x", "é0", "00 ", "\ud8000", "0\u0130"])("hex %j", (text) => {
    expect(codeOf(() => fromHex(text))).toBe("bytes-hex");
  });

  test.each(["A", "AAAAA", "AA==", "AB", "AAB", "A+AA", "A/AA", "AA A", "AAA\n", "éAAA", "A\u0141AA", "Zm9vYmFy="])(
    "base64url %j",
    (text) => {
      expect(codeOf(() => fromBase64url(text))).toBe("bytes-base64url");
    },
  );

  test.each(["MZXW6", "mzxw6===", "mzxw61", "mz8", "m", "mb"])("base32 %j", (text) => {
    expect(codeOf(() => fromBase32(text))).toBe("bytes-base32");
  });

  test.each(["0", "O", "I", "l", "é", "2NEp "])("base58 %j", (text) => {
    expect(codeOf(() => fromBase58btc(text))).toBe("bytes-base58");
  });
});

test("strict base64url accepts exactly what Buffer would write", () => {
  const digit = fc.constantFrom(..."AZaz09-_BQgw=+/ é".split(""));
  fc.assert(
    fc.property(fc.string({ unit: digit, maxLength: 9 }), (text) => {
      const isCanonical = Buffer.from(text, "base64url").toString("base64url") === text;
      expect(
        codeOf(() => fromBase64url(text)),
        text,
      ).toBe(isCanonical ? "nothing thrown" : "bytes-base64url");
    }),
    { numRuns: 5_000 },
  );
});

test("a stated length is checked", () => {
  expect(fromHex("00ff", 2)).toEqual(Uint8Array.of(0, 255));
  expect(codeOf(() => fromHex("00ff", 3))).toBe("bytes-hex");
  expect(fromBase64url("AP8", 2)).toEqual(Uint8Array.of(0, 255));
  expect(codeOf(() => fromBase64url("AP8", 32))).toBe("bytes-base64url");
});

test("UTF-8 is read strictly, and a byte order mark stays visible", () => {
  expect(codeOf(() => fromUtf8(Uint8Array.of(0xff)))).toBe("json-utf8");
  expect(codeOf(() => fromUtf8(Uint8Array.of(0xed, 0xa0, 0x80)))).toBe("json-utf8");
  expect(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe("\ufeffA");
});

test("parts are joined in order into memory of their own", () => {
  const a = Uint8Array.of(1, 2);
  const joined = concat(a, new Uint8Array(0), Uint8Array.of(3));
  a[0] = 9;
  expect(joined).toEqual(Uint8Array.of(1, 2, 3));
  expect(concat()).toEqual(new Uint8Array(0));
});

test("equality is of length and of every byte", () => {
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(equalBytes(Uint8Array.of(0, 2), Uint8Array.of(1, 2))).toBe(false);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0))).toBe(false);
  expect(equalBytes(new Uint8Array(0), new Uint8Array(0))).toBe(true);
});

test("zeroed secrets are zeros, also where others look at the same memory", () => {
  const secret = Uint8Array.of(1, 2, 3);
  const view = secret.subarray(1);
  zero(secret, Uint8Array.of(4));
  expect(view).toEqual(Uint8Array.of(0, 0));
});
