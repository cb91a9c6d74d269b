import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "../../keys/bytes.js";
import { canonicalize } from "../../keys/canonical.js";
import { isAntsError } from "../../keys/errors.js";
import { createBatch, verifyEventSignature } from "../../src/protocol/batch.js";
import { bodyHash, eventId, parseEvent, pruneEvent } from "../../src/protocol/event.js";
import { codeOf } from "../keys/code-of.js";
import { before, claimBody, did, lineOf, note, one, otherDid, parsed, resigned, seed, timeMs } from "./author.js";

const plain = one(note("hello"));

/** The field that the grammar refused, or what happened instead. */
function refusedField(line: Uint8Array): string {
  try {
    parseEvent(line);
    return "accepted";
  } catch (error) {
    if (!isAntsError(error)) throw error;
    return error.code === "event-grammar" ? String(error.details.field) : error.code;
  }
}

describe("an event", () => {
  test("is read back with everything that was said", () => {
    const made = one(note("hello", { to: [otherDid], tags: ["build", "a/b:c@d+e=f#g.h_i-j"], salt: true }));
    const event = parseEvent(utf8(made.line));
    expect(event.event).toEqual(made.event);
    expect(event).toMatchObject({ type: "event", id: made.id, did, pruned: false, isClaim: false });
    expect(event.event).toMatchObject({ epoch: 1, seq: 41, prev: before.id, kind: "note", to: [otherDid] });
    expect(event.event).toMatchObject({ time: timeMs, body: { text: "hello" } });
    expect(verifyEventSignature(event)).toBe(true);
  });

  test("has the id that the general serialiser leads to, with and without every optional field", () => {
    for (const more of [{}, { to: [otherDid] }, { tags: ["x"] }, { to: [otherDid, did], tags: ["x", "y"] }]) {
      const { event } = one(note("hello", more));
      const { id, sig: _sig, body, ...header } = event;
      const text = `ants/event/1\n${canonicalize(header)}\n${bodyHash(body!)}`;
      expect(eventId(header, bodyHash(body!))).toBe(id);
      expect(createHash("sha256").update(text).digest("hex")).toBe(id);
    }
  });

  test("at seq 0 names no event before it and is found to be a claim", () => {
    const [claim] = createBatch({ did, seed, epoch: 1, drafts: [{ kind: "ants.claim", body: claimBody, timeMs }] });
    const event = parseEvent(utf8(claim!.line));
    expect(event.isClaim).toBe(true);
    expect(event.event.seq).toBe(0);
    expect(event.event).not.toHaveProperty("prev");
  });

  test("whose content differs from its id is refused", () => {
    expect(codeOf(() => parseEvent(lineOf({ ...plain.event, body: { text: "hallo" } })))).toBe("event-id");
    expect(codeOf(() => parseEvent(lineOf({ ...plain.event, seq: 42 })))).toBe("event-id");
    expect(codeOf(() => parseEvent(lineOf({ ...plain.event, salt: "AAAAAAAAAAAAAAAAAAAAAA" })))).toBe("event-id");
  });

  test("longer than a line may be is refused before it is signed, and when it is read", () => {
    expect(codeOf(() => one(note("x".repeat(65_536))))).toBe("event-too-long");
    const line = lineOf({ ...plain.event, body: { text: "x".repeat(65_536) } });
    expect(codeOf(() => parseEvent(line))).toBe("json-too-long");
  });

  test("of another version is told which version is spoken", () => {
    expect(codeOf(() => parseEvent(lineOf({ ...plain.event, v: 2 })))).toBe("version-unsupported");
  });

  test.each([
    ["a float in the body", { n: 1.5 }, "json-float"],
    ["null in the body", { n: null }, "json-null"],
    ["a body that is too deep", { a: deep(15) }, "json-depth"],
  ])("with %s is never signed", (_what, body, code) => {
    expect(codeOf(() => one(note("", { body: body as never })))).toBe(code);
  });
});

function deep(levels: number): unknown {
  return levels === 0 ? "bottom" : [deep(levels - 1)];
}

/** Each row changes one field of a valid event, which is then signed anew. */
const grammar: [field: string, value: unknown, refused: string][] = [
  ["type", "evnt", "type"],
  ["did", "did:ants:short", "did"],
  ["did", "did:key:z6Mk", "did"],
  ["epoch", 0, "epoch"],
  ["epoch", "1", "epoch"],
  ["epoch", undefined, "epoch"],
  ["seq", -1, "seq"],
  ["seq", "41", "seq"],
  ["seq", 0, "prev"],
  ["prev", undefined, "prev"],
  ["prev", "AB".repeat(32), "prev"],
  ["prev", "ab".repeat(31), "prev"],
  ["time", -1, "time"],
  ["time", 8_640_000_000_000_001, "time"],
  ["time", Number.MAX_SAFE_INTEGER, "time"],
  ["time", undefined, "time"],
  ["kind", "", "kind"],
  ["kind", "Note", "kind"],
  ["kind", "1st", "kind"],
  ["kind", `a${"b".repeat(63)}`, "accepted"],
  ["kind", `a${"b".repeat(64)}`, "kind"],
  ["kind", "a.b-c9", "accepted"],
  ["kind", "a_b", "kind"],
  ["to", [], "to"],
  ["to", [did], "accepted"],
  ["to", [did, did], "to"],
  ["to", did, "to"],
  ["to", ["did:ants:short"], "to"],
  ["to", dids(16), "accepted"],
  ["to", dids(17), "to"],
  ["tags", [], "tags"],
  ["tags", ["a", "a"], "tags"],
  ["tags", ["a".repeat(64)], "accepted"],
  ["tags", ["a".repeat(65)], "tags"],
  ["tags", [""], "tags"],
  ["tags", ["two words"], "tags"],
  ["tags", ["a,b"], "tags"],
  ["tags", ['quote"'], "tags"],
  ["tags", ["grün"], "tags"],
  ["tags", [1], "tags"],
  ["tags", Array.from({ length: 16 }, (_, i) => `t${i}`), "accepted"],
  ["tags", Array.from({ length: 17 }, (_, i) => `t${i}`), "tags"],
  ["key", "z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc", "key"],
  ["key", "z6Mk", "key"],
  ["key", undefined, "key"],
  ["id", "00", "id"],
  ["id", undefined, "id"],
  ["sig", "A".repeat(85), "sig"],
  ["sig", `${"A".repeat(85)}B`, "sig"],
  ["sig", undefined, "sig"],
  ["body", undefined, "bodyHash"],
  ["body", "text", "body"],
  ["body", [], "body"],
  ["bodyHash", "00".repeat(32), "bodyHash"],
  ["salt", "A".repeat(21), "salt"],
  ["salt", `${"A".repeat(21)}B`, "salt"],
  ["extra", 1, "extra"],
  ["proof", {}, "proof.size"],
  ["proof", { index: 0, size: 1, path: [] }, "proof.size"],
  ["proof", { index: 0, size: 257, path: [] }, "proof.size"],
  ["proof", { index: 2, size: 2, path: ["A".repeat(43)] }, "proof.index"],
  ["proof", { index: -1, size: 2, path: ["A".repeat(43)] }, "proof.index"],
  ["proof", { index: 0, size: 2, path: [] }, "proof.path"],
  ["proof", { index: 0, size: 2, path: ["A".repeat(43), "A".repeat(43)] }, "proof.path"],
  ["proof", { index: 2, size: 3, path: ["A".repeat(43)] }, "accepted"],
  ["proof", { index: 1, size: 3, path: ["A".repeat(43)] }, "proof.path"],
  ["proof", { index: 0, size: 2, path: [`${"A".repeat(42)}B`] }, "proof.path"],
  ["proof", { index: 0, size: 2, path: ["A".repeat(42)] }, "proof.path"],
  ["proof", { index: 0, size: 2, path: ["A".repeat(43)], more: 1 }, "proof.more"],
];

function dids(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `did:ants:${"abcdefghijklmnopqrstuvwxyz"[i]!.repeat(51)}a`);
}

describe("the grammar of an event", () => {
  test.each(grammar)("%s = %j: %s", (field, value, refused) => {
    expect(refusedField(resigned(plain, { [field]: value }))).toBe(refused);
  });

  test("a pruned event has a bodyHash and no salt", () => {
    const hash = bodyHash({ text: "hello" });
    expect(refusedField(resigned(plain, { body: undefined, bodyHash: hash }))).toBe("accepted");
    expect(refusedField(resigned(plain, { body: undefined, bodyHash: hash.toUpperCase() }))).toBe("bodyHash");
    const salted = resigned(plain, { body: undefined, bodyHash: hash, salt: "A".repeat(22) });
    expect(refusedField(salted)).toBe("salt");
  });

  test.each([
    ["to", { to: [otherDid] }, "to"],
    ["body", { body: undefined, bodyHash: "00".repeat(32) }, "body"],
    ["instance", { body: { ...claimBody, instance: "x" } }, "body.instance"],
    ["identity", { body: { ...claimBody, identity: "x" } }, "body.identity"],
    ["label", { body: { ...claimBody, label: "x".repeat(65) } }, "body.label"],
    ["label of two lines", { body: { ...claimBody, label: "a\nb" } }, "body.label"],
    ["more than it must say", { body: { ...claimBody, label: "", more: true } }, "accepted"],
  ])("a claim's %s is checked", (_what, changes, refused) => {
    const claim = one({ kind: "ants.claim", body: claimBody, timeMs });
    expect(refusedField(resigned(claim, changes))).toBe(refused);
  });

  test("a line that is no object is refused", () => {
    expect(codeOf(() => parseEvent(utf8("[]")))).toBe("json-not-object");
  });
});

describe("pruning", () => {
  test("keeps id and signature valid, and takes body and salt out", () => {
    for (const salt of [false, true]) {
      const made = one(note("secret soon forgotten", { salt }));
      const line = pruneEvent(made.line);
      expect(line).not.toContain("forgotten");
      expect(line).not.toContain("salt");
      const pruned = parseEvent(utf8(line));
      expect(pruned).toMatchObject({ id: made.id, pruned: true });
      expect(verifyEventSignature(pruned)).toBe(true);
      expect(pruneEvent(line)).toBe(line);
    }
  });

  test("a claim keeps its body", () => {
    const claim = one({ kind: "ants.claim", body: claimBody, timeMs });
    expect(codeOf(() => pruneEvent(claim.line))).toBe("event-grammar");
  });
});

const jsonValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string({ unit: "grapheme" }),
    fc.maxSafeInteger().filter((n) => !Object.is(n, -0)),
    fc.boolean(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: "grapheme" }), tie("value"), { maxKeys: 4 }),
  ),
})).value;
const body = fc
  .dictionary(fc.string({ unit: "grapheme" }), jsonValue, { maxKeys: 6 })
  .filter((value) => !JSON.stringify(value).includes("__proto__"))
  .map((value) => JSON.parse(JSON.stringify(value)));
const draft = fc.record(
  {
    kind: fc.stringMatching(/^[a-z][a-z0-9.-]{0,63}$/).filter((kind) => kind !== "ants.claim"),
    body,
    to: fc.uniqueArray(fc.stringMatching(/^did:ants:[a-z2-7]{51}[aq]$/), { minLength: 1, maxLength: 16 }),
    tags: fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9._:/@+=#-]{1,64}$/), { minLength: 1, maxLength: 16 }),
    timeMs: fc.nat(8_640_000_000_000_000),
    salt: fc.oneof(fc.boolean(), fc.uint8Array({ minLength: 16, maxLength: 16 })),
  },
  { requiredKeys: ["kind", "body", "timeMs"] },
);

test("whatever is created is read back, verified and pruned", () => {
  fc.assert(
    fc.property(fc.array(draft, { minLength: 1, maxLength: 9 }), (drafts) => {
      const made = createBatch({ did, seed, epoch: 3, after: before, drafts: drafts as never });
      parsed(made).forEach((event, i) => {
        expect(event.event.body).toEqual(drafts[i]!.body);
        expect(verifyEventSignature(event)).toBe(true);
        expect(event.event.prev).toBe(i === 0 ? before.id : made[i - 1]!.id);
        const pruned = parseEvent(utf8(pruneEvent(event.line)));
        expect(pruned.id).toBe(event.id);
        expect(verifyEventSignature(pruned)).toBe(true);
        expect(fromUtf8(event.line)).toBe(made[i]!.line);
      });
    }),
    { numRuns: 150 },
  );
});
