import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { hex, utf8 } from "../../keys/bytes.js";
import * as node from "../../keys/platform/node.js";
import * as web from "../../keys/platform/web.js";

afterEach(() => {
  vi.doUnmock("node:crypto");
  vi.doUnmock("node:module");
  vi.resetModules();
});

const parts = fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 4 });

test("SHA-256 of nothing and of abc (FIPS 180-4)", () => {
  for (const platform of [node, web]) {
    expect(platform.sha256Hex()).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(platform.sha256Hex(utf8("a"), utf8("bc"))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  }
});

function expectSameHashes(other: Pick<typeof node, "sha256" | "sha256Hex" | "sha256Text" | "sha256TextHex">): void {
  fc.assert(
    fc.property(parts, (some) => {
      expect(other.sha256(...some)).toEqual(web.sha256(...some));
      expect(other.sha256Hex(...some)).toBe(hex(web.sha256(...some)));
      expect(Object.getPrototypeOf(other.sha256(...some))).toBe(Uint8Array.prototype);
    }),
    { seed: 1, numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      expect(other.sha256Text(text)).toEqual(web.sha256(utf8(text)));
      expect(other.sha256TextHex(text)).toBe(web.sha256Hex(utf8(text)));
      expect(web.sha256TextHex(text)).toBe(web.sha256Hex(utf8(text)));
    }),
    { seed: 1, numRuns: 300 },
  );
}

test("both platforms hash alike, whatever the number and length of parts", () => {
  expectSameHashes(node);
});

test("a Node without crypto.hash hashes alike, too", async () => {
  const crypto = await vi.importActual<typeof import("node:crypto")>("node:crypto");
  vi.resetModules();
  vi.doMock("node:crypto", () => ({ ...crypto, hash: undefined, default: crypto }));
  expectSameHashes(await import("../../keys/platform/node.js"));
});

test("a machine on which sodium-native does not load has the other backends", async () => {
  const actual = await vi.importActual<typeof import("node:module")>("node:module");
  vi.resetModules();
  const createRequire = () => () => {
    throw Object.assign(new Error("Cannot find module 'sodium-native'"), { code: "MODULE_NOT_FOUND" });
  };
  vi.doMock("node:module", () => ({ ...actual, createRequire }));
  const { backends } = await import("../../keys/platform/node.js");
  expect(backends.map(({ name }) => name)).toEqual(["node", "noble"]);
});

test("a browser has noble alone", () => {
  expect(web.backends.map(({ name }) => name)).toEqual(["noble"]);
});
