import { expect, test } from "vitest";
import { assertDid, didOfGenesis, isDid } from "../../keys/did.js";
import { codeOf } from "./code-of.js";

const hash = "00ff".repeat(16);
const did = didOfGenesis(hash);

test("a DID is the base32 of the genesis hash", () => {
  expect(did).toBe("did:ants:ad7qb7ya74ap6ah7ad7qb7ya74ap6ah7ad7qb7ya74ap6ah7ad7q");
  expect(isDid(did)).toBe(true);
  expect(isDid(didOfGenesis("0".repeat(64)))).toBe(true);
  expect(isDid(didOfGenesis("f".repeat(64)))).toBe(true);
  expect(() => assertDid(did)).not.toThrow();
});

test.each([
  ["capitals", did.toUpperCase()],
  ["another method", did.replace("ants", "key")],
  ["one character less", did.slice(0, -1)],
  ["one character more", `${did}a`],
  ["stray bits in the last character", `${did.slice(0, -1)}b`],
  ["digits that base32 lacks", `${did.slice(0, -2)}1q`],
  ["a path", `${did}/x`],
  ["a fragment", `${did}#key`],
  ["a newline", `${did}\n`],
  ["white space", ` ${did}`],
  ["padding", `${did}====`],
  ["nothing", ""],
  ["no text", 5],
  ["undefined", undefined],
])("refuses %s", (_, text) => {
  expect(isDid(text)).toBe(false);
  expect(codeOf(() => assertDid(text))).toBe("did-syntax");
});

test("only a hash makes a DID", () => {
  for (const wrong of ["", "00", "0".repeat(63), "0".repeat(66), "G".repeat(64), "A".repeat(64)]) {
    expect(codeOf(() => didOfGenesis(wrong))).toBe("bytes-hex");
  }
});
