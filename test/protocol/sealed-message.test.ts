import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { base64url, concat, fromBase64url } from "../../keys/bytes.js";
import { canonicalBytes, type JsonObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { systemRandom } from "../../keys/ports.js";
import { x25519PublicKey } from "../../keys/x25519.js";
import { MAX_LINE_BYTES, MAX_MESSAGE_BYTES } from "../../src/protocol/limits.js";
import {
  isSealedMessage,
  type MessagePlace,
  openMessage,
  type SealedMessage,
  sealMessage,
} from "../../src/protocol/sealed-message.js";
import { codeOf } from "../keys/code-of.js";

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";
/** Somebody with keys; the DID is made up, as nothing here looks it up. */
const person = (n: number) => {
  const secret = new Uint8Array(32).fill(n + 1);
  const did = `did:ants:${LETTERS[n % 32]!.repeat(51)}a` as Did;
  return { did, secret, agree: x25519PublicKey(secret), agreeSecrets: [secret] };
};
const [author, alice, bob, eve] = [person(0), person(1), person(2), person(3)];
const place: MessagePlace = { did: author.did, epoch: 3, seq: 41, kind: "message", to: [alice.did, bob.did] };
const plain = { text: "the key is under the mat" };
const sealed = sealMessage(plain, [alice, bob, author], place, systemRandom);

describe("a sealed message (N11)", () => {
  test("opens for every recipient and for its author, and for nobody else", () => {
    for (const reader of [alice, bob, author]) expect(openMessage(sealed, reader, place)).toEqual(plain);
    expect(codeOf(() => openMessage(sealed, eve, place))).toBe("message-sealed");
    expect(codeOf(() => openMessage(sealed, { ...eve, did: alice.did }, place))).toBe("message-sealed");
    expect(isSealedMessage(sealed)).toBe(true);
    expect(JSON.stringify(sealed)).not.toContain("mat");
  });

  test("opens with the key of an earlier era", () => {
    const agreeSecrets = [eve.secret, bob.secret, alice.secret];
    expect(openMessage(sealed, { did: alice.did, agreeSecrets }, place)).toEqual(plain);
    expect(codeOf(() => openMessage(sealed, { did: alice.did, agreeSecrets: [] }, place))).toBe("message-sealed");
  });

  const moves = {
    author: { did: eve.did },
    epoch: { epoch: 4 },
    seq: { seq: 42 },
    kind: { kind: "messages" },
    "recipients: one less": { to: [alice.did] },
    "recipients: one more": { to: [alice.did, bob.did, eve.did] },
    "recipients: in another order": { to: [bob.did, alice.did] },
    "recipients: another": { to: [alice.did, eve.did] },
  };
  test.each(Object.entries(moves))("cannot be moved to another event: %s", (_what, change) => {
    const moved = { ...place, ...change };
    // Also where the keys are relabelled, so that they are those of the new place.
    const readers = [...moved.to, moved.did];
    const relabelled = Object.fromEntries(readers.map((did, i) => [did, Object.values(sealed.for)[i % 3]!]));
    for (const body of [sealed, { ...sealed, for: relabelled }]) {
      for (const reader of [alice, bob, author, eve]) {
        expect(codeOf(() => openMessage(body, reader, moved))).toBe("message-sealed");
      }
    }
  });

  test("of one event does not open with the box or the key of another (property)", () => {
    const anyPlace = fc.record({
      did: fc.constantFrom(author.did, eve.did),
      epoch: fc.integer({ min: 1, max: 3 }),
      seq: fc.integer({ min: 1, max: 3 }),
      kind: fc.constantFrom("message", "task"),
      to: fc.constantFrom([alice.did], [bob.did], [alice.did, bob.did], [bob.did, alice.did]),
    });
    const keys = new Map([author, alice, bob, eve].map((one) => [one.did as string, one]));
    const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
    fc.assert(
      fc.property(anyPlace, anyPlace, fc.boolean(), fc.boolean(), (from, to, movesBox, movesKeys) => {
        const readersOf = ({ did, to }: MessagePlace) => [...to, did].map((one) => keys.get(one)!);
        const one = sealMessage({ text: "one" }, readersOf(from), from, systemRandom);
        const two = sealMessage({ text: "two" }, readersOf(to), to, systemRandom);
        const mixed = { box: movesBox ? one.box : two.box, for: movesKeys ? one.for : two.for };
        for (const reader of readersOf(to)) {
          if (!movesBox && !movesKeys) expect(openMessage(mixed, reader, to)).toEqual({ text: "two" });
          else if (movesBox && movesKeys && same(from, to)) {
            expect(openMessage(mixed, reader, to)).toEqual({ text: "one" });
          } else expect(codeOf(() => openMessage(mixed, reader, to))).toBe("message-sealed");
        }
      }),
      { numRuns: 150 },
    );
  });

  test("with any byte changed, or swapped keys, does not open", () => {
    const flipped = (text: string, at: number) => {
      const bytes = fromBase64url(text);
      bytes[at]! ^= 1;
      return base64url(bytes);
    };
    for (let at = 0; at < fromBase64url(sealed.box).length; at++) {
      expect(codeOf(() => openMessage({ ...sealed, box: flipped(sealed.box, at) }, alice, place))).toBe(
        "message-sealed",
      );
    }
    const mine = sealed.for[alice.did]!;
    for (let at = 0; at < fromBase64url(mine).length; at++) {
      const wraps = { ...sealed.for, [alice.did]: flipped(mine, at) };
      expect(codeOf(() => openMessage({ ...sealed, for: wraps }, alice, place))).toBe("message-sealed");
    }
    const swapped = { ...sealed.for, [alice.did]: sealed.for[bob.did]!, [bob.did]: mine };
    const both = { did: alice.did, agreeSecrets: [alice.secret, bob.secret] };
    expect(codeOf(() => openMessage({ ...sealed, for: swapped }, both, place))).toBe("message-sealed");
  });

  test("that is none says so", () => {
    const bodies: JsonObject[] = [{}, { box: "x" }, { box: 1, for: {} }, { ...sealed, more: 1 }];
    bodies.push({ box: "!", for: sealed.for }, { box: "", for: sealed.for }, { box: sealed.box, for: {} });
    bodies.push({ box: sealed.box, for: { [alice.did]: 1 } }, { box: sealed.box, for: [] });
    for (const body of bodies) expect(codeOf(() => openMessage(body, alice, place))).toBe("message-sealed");
    expect(isSealedMessage({ enc: "x", k: "y" })).toBe(false);
  });
});

describe("sealing a message", () => {
  test("the length of what is sealed says little of the text's", () => {
    const sizes = [1, 20, 100, 200].map((n) => sealOf(n).box.length);
    expect(new Set(sizes).size).toBe(1);
    const seen = new Set<number>();
    for (let n = 300; n < 20_000; n += 61) seen.add(sealOf(n).box.length);
    expect(seen.size).toBeLessThan(100);
    const long = fromBase64url(sealOf(19_000).box).length;
    expect(long).toBeGreaterThan(19_000);
    expect(long).toBeLessThan(19_000 * 1.12 + 100);
  });

  test("texts of all lengths come back", () => {
    for (let n = 0; n < 700; n += 1) {
      const body = { text: "\u0000\u0080".repeat(n) };
      if (n % 23 === 0) expect(openMessage(seal(body), alice, place)).toEqual(body);
    }
  });

  test("the longest message to the most recipients fits a line", () => {
    const people = Array.from({ length: 16 }, (_, n) => person(n + 4));
    const to = people.map(({ did }) => did);
    const room = MAX_MESSAGE_BYTES - canonicalBytes({ text: "" }).length;
    const long = sealMessage({ text: "x".repeat(room) }, [...people, author], { ...place, to }, systemRandom);
    // A signed line has some 500 bytes beside its body and its recipients, and 400 of a batch's proof.
    expect(canonicalBytes({ body: long, to }).length).toBeLessThan(MAX_LINE_BYTES - 1_200);
    expect(codeOf(() => seal({ text: "x".repeat(room + 1) }))).toBe("message-too-long");
  });

  test("refuses what has no place in a line", () => {
    expect(codeOf(() => seal({ n: 0.5 }))).toBe("json-float");
    expect(codeOf(() => seal({ n: null as unknown as number }))).toBe("json-null");
  });

  test.each([
    ["nobody", [], [author]],
    ["itself", [author.did], [author]],
    ["somebody twice", [alice.did, alice.did], [alice, alice, author]],
    ["a recipient without its key", [alice.did, bob.did], [alice, author]],
    ["a key of nobody", [alice.did], [alice, eve, author]],
    ["no key of the author's own", [alice.did], [alice]],
    ["17 recipients", Array.from({ length: 17 }, (_, n) => person(n + 4).did), []],
  ])("refuses %s", (_what, to, readers) => {
    expect(codeOf(() => sealMessage(plain, readers, { ...place, to }, systemRandom))).toBe("message-recipients");
  });

  test("refuses an agree key that shares nothing", () => {
    const weak = { ...alice, agree: new Uint8Array(32) };
    expect(codeOf(() => sealMessage(plain, [weak, bob, author], place, systemRandom))).toBe("seal-key");
  });

  test("a box that does not commit to its key does not open, though the cipher takes it", () => {
    const random = { bytes: (length: number) => new Uint8Array(length).fill(7) };
    const honest = sealMessage(plain, [alice, bob, author], place, random);
    const boxOf = (padded: Uint8Array) => {
      const cipher = xchacha20poly1305(random.bytes(32), random.bytes(24), canonicalBytes(place));
      return base64url(concat(random.bytes(24), cipher.encrypt(padded)));
    };
    expect(boxOf(paddedPlain(0))).toBe(honest.box);
    const forged = { ...honest, box: boxOf(paddedPlain(1)) };
    expect(codeOf(() => openMessage(forged, alice, place))).toBe("message-sealed");
  });
});

function seal(body: JsonObject): SealedMessage {
  return sealMessage(body, [alice, bob, author], place, systemRandom);
}

function sealOf(letters: number): SealedMessage {
  return seal({ text: "x".repeat(letters) });
}

/** As sealing lays it out; `commitment` is the last byte before the text, which has to be zero. */
function paddedPlain(commitment: number): Uint8Array {
  const bytes = new Uint8Array(256);
  const text = canonicalBytes(plain);
  bytes[31] = commitment;
  bytes.set(text, 32);
  bytes[32 + text.length] = 0x80;
  return bytes;
}
