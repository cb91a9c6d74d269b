import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { base64url, fromBase64url, utf8 } from "../../keys/bytes.js";
import { createBatch, RootCache, verifyBatch, verifyEventSignature } from "../../src/protocol/batch.js";
import { type ParsedEvent, parseEvent } from "../../src/protocol/event.js";
import { codeOf } from "../keys/code-of.js";
import { batch, before, did, lineOf, note, one, parsed, seed } from "./author.js";

function notes(count: number) {
  return Array.from({ length: count }, (_, i) => note(`number ${i}`));
}

/** The event with another proof; the id doesn't cover it, so only the signature can tell. */
function withProof(event: ParsedEvent, change: (path: string[]) => { index?: number; size?: number; path?: string[] }) {
  const proof = event.event.proof!;
  return parseEvent(lineOf({ ...event.event, proof: { ...proof, ...change([...proof.path]) } }));
}

function flipped(hash: string): string {
  const bytes = fromBase64url(hash);
  bytes[5]! ^= 4;
  return base64url(bytes);
}

describe("a batch", () => {
  test.each([1, 2, 3, 5, 8, 64, 255, 256])("of %i verifies as a whole and event by event", (size) => {
    const events = parsed(batch(notes(size)));
    expect(verifyBatch(events)).toEqual(events.map(() => true));
    expect(events.every((event) => verifyEventSignature(event))).toBe(true);
    expect(new Set(events.map((event) => event.event.sig)).size).toBe(1);
  });

  test("of one has no proof", () => {
    expect(one(note("alone")).event).not.toHaveProperty("proof");
  });

  test("links its events from the one it follows", () => {
    const events = batch(notes(5));
    expect(events.map(({ event }) => event.seq)).toEqual([41, 42, 43, 44, 45]);
    expect(events.map(({ event }) => event.prev)).toEqual([before.id, ...events.slice(0, 4).map(({ id }) => id)]);
  });

  test("has 1 to 256 events", () => {
    expect(codeOf(() => batch([]))).toBe("batch-size");
    expect(codeOf(() => batch(notes(257)))).toBe("batch-size");
  });

  test("takes a salt of 16 bytes only", () => {
    expect(codeOf(() => one(note("", { salt: new Uint8Array(15) })))).toBe("event-grammar");
    expect(one(note("", { salt: new Uint8Array(16) })).event.salt).toBe("A".repeat(22));
  });

  test("draws salts from the random source that it was given", () => {
    const random = { bytes: (length: number) => new Uint8Array(length).fill(255) };
    const drafts = [note("", { salt: true })];
    expect(createBatch({ did, seed, epoch: 1, after: before, drafts, random })[0]!.event.salt).toBe(
      `${"_".repeat(21)}w`,
    );
  });
});

describe("verification refuses", () => {
  const events = parsed(batch(notes(7)));
  const ways: [string, (event: ParsedEvent) => ParsedEvent][] = [
    [
      "a wrong hash at the bottom of the path",
      (event) => withProof(event, (path) => ({ path: [flipped(path[0]!), ...path.slice(1)] })),
    ],
    [
      "a wrong hash at the top of the path",
      (event) => withProof(event, (path) => ({ path: [...path.slice(0, -1), flipped(path.at(-1)!)] })),
    ],
    ["another index", (event) => withProof(event, () => ({ index: event.event.proof!.index ^ 1 }))],
    ["another size", (event) => withProof(event, () => ({ size: 8 }))],
    ["no proof", (event) => parseEvent(lineOf(withoutProof(event)))],
  ];
  for (const [what, change] of ways)
    test(`${what}, with a warm cache and without`, () => {
      const wrong = change(events[2]!);
      expect(verifyEventSignature(wrong)).toBe(false);
      const roots = new RootCache();
      expect(verifyBatch(events, roots)).toEqual(events.map(() => true));
      expect(verifyEventSignature(wrong, roots)).toBe(false);
      expect(verifyBatch([wrong, ...events, wrong])).toEqual([false, ...events.map(() => true), false]);
    });

  test("an event under another batch's signature", () => {
    const other = parsed(batch([note("other"), ...notes(6)]))[0]!;
    const wrong = parseEvent(lineOf({ ...events[2]!.event, sig: other.event.sig }));
    expect(verifyBatch([other, wrong, events[2]!])).toEqual([true, false, true]);
  });

  test("a signature by another key", () => {
    const mallory = createBatch({ did, seed: new Uint8Array(32).fill(1), epoch: 1, after: before, drafts: notes(2) });
    const event = parsed(mallory)[0]!;
    expect(verifyEventSignature(event)).toBe(true);
    const wrong = parseEvent(utf8(one(note("number 0")).line));
    expect(verifyEventSignature({ ...wrong, event: { ...wrong.event, key: event.event.key } })).toBe(false);
  });
});

describe("the cache of roots", () => {
  test("agrees with verification one by one, whatever was tampered with and however frames cut the batches", () => {
    const batches = [1, 2, 3, 6, 13].map((size) => parsed(batch(notes(size))));
    const pool = batches.flat();
    const tampering = fc.record({
      at: fc.nat(pool.length - 1),
      hash: fc.nat(3),
      how: fc.constantFrom("path", "index", "no"),
    });
    fc.assert(
      fc.property(fc.array(tampering, { maxLength: 40 }), fc.integer({ min: 2, max: 60 }), (steps, maxNodes) => {
        const roots = new RootCache(maxNodes);
        const events = steps.map(({ at, hash, how }) => tamper(pool[at]!, hash, how));
        expect(verifyBatch(events, roots)).toEqual(events.map((event) => verifyEventSignature(event)));
        expect(roots.nodes).toBeLessThanOrEqual(maxNodes);
      }),
      { numRuns: 200 },
    );
  });

  test("forgets the oldest batch first and keeps its bound", () => {
    const roots = new RootCache(40);
    const batches = [0, 1, 2].map((n) => parsed(batch([note(`batch ${n}`), ...notes(7)])));
    for (const events of batches) {
      expect(verifyBatch(events, roots)).toEqual(events.map(() => true));
      expect(roots.nodes).toBeLessThanOrEqual(40);
    }
    expect(roots.batches).toBe(2);
    expect(verifyBatch(batches[0]!, roots)).toEqual(batches[0]!.map(() => true));
  });

  test("holds nothing of what failed or needs no path", () => {
    const roots = new RootCache();
    const [event] = parsed(batch(notes(4)));
    const wrong = withProof(event!, (path) => ({ path: [flipped(path[0]!), path[1]!] }));
    verifyBatch([wrong, ...parsed(batch(notes(1)))], roots);
    expect(roots.batches).toBe(0);
    expect(roots.nodes).toBe(0);
  });
});

/** Tampers with a proof as far as the grammar allows: another index may ask for a path of another length. */
function tamper(event: ParsedEvent, hash: number, how: string): ParsedEvent {
  const proof = event.event.proof;
  if (how === "no" || proof === undefined) return event;
  const path = [...proof.path];
  if (how === "path") path[hash % path.length] = flipped(path[hash % path.length]!);
  const index = how === "index" ? (proof.index + 1) % proof.size : proof.index;
  const line = lineOf({ ...event.event, proof: { ...proof, index, path } });
  return codeOf(() => parseEvent(line)) === "event-grammar" ? event : parseEvent(line);
}

function withoutProof(event: ParsedEvent) {
  const { proof: _, ...rest } = event.event;
  return rest;
}
