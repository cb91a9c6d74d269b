import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { base58btc, concat, fromHex } from "../../keys/bytes.js";
import { MULTIKEY_CACHE_ENTRIES } from "../../keys/limits.js";
import { decodeMultikey, didKey, encodeMultikey, parseDidKey } from "../../keys/multikey.js";
import { codeOf } from "./code-of.js";

// https://w3c-ccg.github.io/did-key-spec/ (section "Ed25519 and X25519"), the first example of each
const ed25519Hex = "2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6";
const ed25519Multikey = "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";

test("keys are written as the did:key specification writes them", () => {
  const { type, publicKey } = decodeMultikey(ed25519Multikey);
  expect(type).toBe("ed25519");
  expect(encodeMultikey(publicKey)).toBe(ed25519Multikey);
  expect(publicKey).toEqual(fromHex(ed25519Hex));
  expect(didKey(publicKey)).toBe(`did:key:${ed25519Multikey}`);
  expect(parseDidKey(`did:key:${ed25519Multikey}`)).toEqual({ publicKey });
});

test("every key of either type reads back, and shows its type", () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(key, fc.constantFrom("ed25519" as const, "x25519" as const), (publicKey, type) => {
      const text = encodeMultikey(publicKey, type);
      expect(text.slice(0, 4)).toBe(type === "ed25519" ? "z6Mk" : "z6LS");
      expect(text).toHaveLength(48);
      expect(decodeMultikey(text)).toEqual({ type, publicKey });
    }),
  );
});

const multibase = (...parts: Uint8Array[]) => `z${base58btc(concat(...parts))}`;
const key = new Uint8Array(32).fill(7);

describe("decoding refuses", () => {
  test.each([
    ["33 bytes of key", multibase(Uint8Array.of(0xed, 0x01), key, Uint8Array.of(1))],
    ["31 bytes of key", multibase(Uint8Array.of(0xed, 0x01), key.subarray(1))],
    ["secp256k1", multibase(Uint8Array.of(0xe7, 0x01), key)],
    ["another varint of the same first byte", multibase(Uint8Array.of(0xed, 0x02), key)],
    ["an overlong varint", multibase(Uint8Array.of(0xed, 0x81, 0x00), key.subarray(1))],
    ["no prefix", multibase(key, key.subarray(30))],
    ["another multibase", `Z${ed25519Multikey.slice(1)}`],
    ["no multibase", ed25519Multikey.slice(1)],
    ["leading zeros", `z1${ed25519Multikey.slice(1)}`],
    ["a character that base58 lacks", `${ed25519Multikey.slice(0, -1)}0`],
    ["white space", `${ed25519Multikey}\n`],
    ["nothing", ""],
    ["a megabyte", `z${"2".repeat(1_000_000)}`],
    ["no text", 5 as unknown as string],
    ["undefined", undefined as unknown as string],
  ])("%s", (_, text) => {
    expect(codeOf(() => decodeMultikey(text))).toBe("multikey");
    expect(codeOf(() => parseDidKey(`did:key:${text}`))).toBe("did-key");
  });
});

test("encoding refuses keys that are not 32 bytes, and unknown types", () => {
  expect(codeOf(() => encodeMultikey(new Uint8Array(31)))).toBe("multikey");
  expect(codeOf(() => encodeMultikey(new Uint8Array(33), "x25519"))).toBe("multikey");
  expect(codeOf(() => encodeMultikey(key, "p256" as "ed25519"))).toBe("multikey");
  expect(codeOf(() => didKey(new Uint8Array(0)))).toBe("multikey");
});

test("a did:key of X25519 or without its prefix is refused", () => {
  expect(codeOf(() => parseDidKey(`did:key:${encodeMultikey(key, "x25519")}`))).toBe("did-key");
  expect(codeOf(() => parseDidKey(ed25519Multikey))).toBe("did-key");
  expect(codeOf(() => parseDidKey(5 as unknown as string))).toBe("did-key");
});

test("whoever writes into a decoded key changes his own copy only", () => {
  decodeMultikey(ed25519Multikey).publicKey.fill(0);
  expect(encodeMultikey(decodeMultikey(ed25519Multikey).publicKey)).toBe(ed25519Multikey);
});

test("more keys than the cache holds are still decoded right", () => {
  const keyNumber = (i: number) => concat(Uint8Array.of(i >> 8, i & 255), key.subarray(2));
  for (let i = 0; i < MULTIKEY_CACHE_ENTRIES + 10; i++) {
    expect(decodeMultikey(encodeMultikey(keyNumber(i))).publicKey[1]).toBe(i & 255);
  }
  expect(decodeMultikey(encodeMultikey(keyNumber(0))).publicKey).toEqual(keyNumber(0));
});
