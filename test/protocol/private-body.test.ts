import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { base64url, fromBase64url } from "../../keys/bytes.js";
import { systemRandom } from "../../keys/ports.js";
import { isSealedBody, openBody, sealBody, stateKeyId } from "../../src/protocol/private-body.js";
import { codeOf } from "../keys/code-of.js";
import { did, otherDid } from "./author.js";

const stateKey = new Uint8Array(32).fill(5);
const place = { did, epoch: 3, seq: 41, kind: "note" };
const sealed = sealBody({ text: "for me" }, stateKey, place, systemRandom);

describe("a private body", () => {
  test("opens with the key it was sealed under, in its place", () => {
    expect(openBody(sealed, stateKey, place)).toEqual({ text: "for me" });
    expect(openBody(sealed, stateKey, { ...place, to: [] })).toEqual({ text: "for me" });
    expect(JSON.stringify(sealed)).not.toContain("for me");
    expect(sealed.k).toBe(stateKeyId(stateKey));
    expect(isSealedBody(sealed)).toBe(true);
  });

  test.each([
    ["author", { did: otherDid }],
    ["epoch", { epoch: 4 }],
    ["seq", { seq: 42 }],
    ["kind", { kind: "notes" }],
    ["recipient", { to: [otherDid] }],
  ])("cannot be moved to another %s", (_what, change) => {
    expect(codeOf(() => openBody(sealed, stateKey, { ...place, ...change }))).toBe("body-sealed");
  });

  test("with any byte changed does not open", () => {
    const bytes = fromBase64url(sealed.enc);
    for (let at = 0; at < bytes.length; at++) {
      const wrong = bytes.slice();
      wrong[at]! ^= 1;
      expect(codeOf(() => openBody({ ...sealed, enc: base64url(wrong) }, stateKey, place))).toBe("body-sealed");
      expect(codeOf(() => openBody({ ...sealed, enc: base64url(bytes.subarray(0, at)) }, stateKey, place))).toBe(
        "body-sealed",
      );
    }
  });

  test("of another key names the key that it needs", () => {
    const open = () => openBody(sealed, new Uint8Array(32).fill(6), place);
    expect(open).toThrow(expect.objectContaining({ code: "body-sealed", details: { k: sealed.k } }));
  });

  test("that is none says so", () => {
    for (const body of [{}, { enc: 1, k: "x" }, { enc: "x" }, { ...sealed, more: 1 }, { enc: "!", k: sealed.k }]) {
      expect(codeOf(() => openBody(body as never, stateKey, place))).toBe("body-sealed");
    }
  });

  test("takes a key of 32 bytes", () => {
    expect(codeOf(() => sealBody({}, new Uint8Array(31), place, systemRandom))).toBe("state-key");
    expect(codeOf(() => openBody(sealed, new Uint8Array(33), place))).toBe("state-key");
  });

  test("never has the same bytes twice", () => {
    const all = Array.from({ length: 50 }, () => sealBody({}, stateKey, place, systemRandom).enc);
    expect(new Set(all).size).toBe(50);
  });

  test("comes back whatever it says and wherever it stands", () => {
    const text = fc.string({ unit: "grapheme" });
    const body = fc.dictionary(
      text.filter((name) => name !== "__proto__"),
      fc.oneof(text, fc.maxSafeInteger(), fc.boolean()),
    );
    const places = fc.record({ epoch: fc.nat(), seq: fc.nat(), kind: fc.stringMatching(/^[a-z]{1,8}$/) });
    fc.assert(
      fc.property(body, places, (value, where) => {
        const plain = JSON.parse(JSON.stringify(value));
        const there = { did, ...where };
        expect(openBody(sealBody(plain, stateKey, there, systemRandom), stateKey, there)).toEqual(plain);
      }),
      { numRuns: 50 },
    );
  });
});
