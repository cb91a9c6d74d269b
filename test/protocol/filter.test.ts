import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8 } from "../../keys/bytes.js";
import { parseEntry } from "../../src/protocol/entry.js";
import { addFilterToQuery, type Filter, filterOfQuery, matches, parseFilter } from "../../src/protocol/filter.js";
import { createPromise } from "../../src/protocol/promise.js";
import { codeOf } from "../keys/code-of.js";
import { did, genesis, instance, note, one, otherDid, seed, stream, timeMs } from "./author.js";

const event = parseEntry(utf8(one(note("hi", { to: [otherDid], tags: ["build", "night"] })).line));
const open = parseEntry(utf8(one(note("hi")).line));
const identity = parseEntry(utf8(genesis.line));
const promise = parseEntry(utf8(createPromise({ did, epoch: 1, stream, instance, timeMs, seed })));

describe("a filter", () => {
  test.each<[Filter, boolean, boolean, boolean, boolean]>([
    [{}, true, true, true, true],
    [{ dids: [did] }, true, true, true, true],
    [{ dids: [otherDid] }, false, false, false, false],
    [{ kinds: ["note"] }, true, true, false, false],
    [{ kinds: ["other", "note"] }, true, true, false, false],
    [{ kinds: ["other"] }, false, false, false, false],
    [{ to: [otherDid] }, true, false, false, false],
    [{ to: [did] }, false, false, false, false],
    [{ tags: ["build"] }, true, false, false, false],
    [{ tags: ["day", "night"] }, true, false, false, false],
    [{ types: ["identity"] }, false, false, true, false],
    [{ types: ["event", "promise"] }, true, true, false, true],
    [{ kinds: ["note"], tags: ["day"] }, false, false, false, false],
    [{ dids: [did], kinds: ["note"], to: [otherDid], tags: ["build"], types: ["event"] }, true, false, false, false],
  ])("%j: addressed event %s, open event %s, identity %s, promise %s", (filter, ...wanted) => {
    expect([event, open, identity, promise].map((entry) => matches(parseFilter(filter), entry))).toEqual(wanted);
  });

  test("looks at an index row as at an entry", () => {
    const row = { type: "event", did, kind: "note", tags: ["build"] } as const;
    expect(matches({ tags: ["build"] }, row)).toBe(true);
    expect(matches({ to: [did] }, row)).toBe(false);
    expect(matches({ kinds: ["note"] }, { type: "promise", did })).toBe(false);
  });

  test.each([
    [null],
    ["dids"],
    [[]],
    [{ did: [did] }],
    [{ dids: did }],
    [{ dids: [] }],
    [{ dids: ["did:ants:x"] }],
    [{ kinds: ["Not a kind"] }],
    [{ tags: ["two words"] }],
    [{ tags: [1] }],
    [{ types: ["note"] }],
    [{ kinds: Array.from({ length: 257 }, (_, i) => `k${i}`) }],
  ])("%j is none", (value) => {
    expect(codeOf(() => parseFilter(value))).toBe("bad-filter");
  });

  test("is the same through a query string", () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}$/), { minLength: 1, maxLength: 5 });
    const tags = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9._:/@+=#-]{1,64}$/), { minLength: 1, maxLength: 5 });
    const types = fc.uniqueArray(fc.constantFrom("event", "identity", "promise"), { minLength: 1 });
    const filters = fc.record(
      { dids: fc.constant([did]), kinds: names, to: fc.constant([otherDid]), tags, types },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(filters, (filter) => {
        const query = new URLSearchParams();
        addFilterToQuery(filter as Filter, query);
        expect(filterOfQuery(new URLSearchParams(query.toString()))).toEqual(filter);
      }),
    );
  });

  test("of an empty query wants everything", () => {
    expect(filterOfQuery(new URLSearchParams("after=start&limit=3"))).toEqual({});
  });
});
