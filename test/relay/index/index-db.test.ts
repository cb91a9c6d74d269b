import { appendFileSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { IndexDb } from "../../../relay/index/index-db.js";
import type { StoredEvent } from "../../../relay/index/index-group.js";
import { type Filter, matches } from "../../../src/protocol/filter.js";
import { codeOf } from "../../keys/code-of.js";
import { temporaryFolder } from "../../keys/node/temporary-folder.js";
import { Prng } from "../../keys/prng.js";
import { MemoryIndex } from "../admission/memory-index.js";
import { didOf, GroupMaker, openIndex, rootOf, STREAM } from "./index-bench.js";

/** In an order that does not depend on how they are kept. */
function sorted(events: readonly StoredEvent[]): StoredEvent[] {
  return events.map((event) => ({ ...event })).sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Everything that can be asked about the agents gives the same answers. */
function expectSame(index: IndexDb, model: MemoryIndex, made: GroupMaker): void {
  expect(index.appliedPosition).toBe(model.appliedPosition);
  expect(index.nextAgentNo).toBe(model.nextAgentNo);
  for (let no = 1; no <= made.agents; no++) {
    expect(withoutPosition(index.agent(didOf(no)))).toEqual(withoutPosition(model.agent(didOf(no))));
    expect(index.agentByNo(no)).toEqual(index.agent(didOf(no)));
    const highest = made.tree(no).reduce((seq, event) => Math.max(seq, event.seq), 0);
    for (let seq = 0; seq <= highest + 1; seq++) {
      const expected = sorted(model.eventsAt(no, seq));
      expect(sorted(index.eventsAt(no, seq))).toEqual(expected);
      expect(index.chainAt(no, seq)).toEqual(expected.find((event) => event.onChain));
      for (const event of expected) {
        expect(index.find(no, seq, event.id)).toEqual(event);
        const rivals = expected.filter(({ epoch }) => epoch === event.epoch);
        expect(sorted(index.eventsIn(no, event.epoch, seq))).toEqual(rivals);
        expect(index.foreignAfter(no, event.id).length).toBeLessThanOrEqual(model.foreignAfter(no, event.id).length);
      }
      expect(index.find(no, seq, "00".repeat(32))).toBeUndefined();
    }
    expect(index.chainFrom(no, 0, 10_000)).toEqual(model.chainFrom(no, 0, highest + 1));
  }
  for (const [i, { id, type }] of made.entries.entries()) if (type !== "event") expect(index.byId(id)).toBe(i + 1);
}

/** The model keeps an event's fields in its head; the index keeps the four that name it. */
function withoutPosition(record: ReturnType<MemoryIndex["agent"]>) {
  if (record?.head === undefined) return record;
  const { epoch, seq, id, position } = record.head;
  return { ...record, head: { epoch, seq, id, position } };
}

const SIZES = [1, 2, 7, 64, 200];

describe("what groups change", () => {
  for (const [name, claims, groups] of [
    ["mostly plain chains", 3, 40],
    ["many claims and forks", 60, 25],
  ] as const) {
    it(`answers as the plain model does: ${name}, also after it was closed and opened`, async () => {
      const folder = temporaryFolder();
      const random = new Prng(claims);
      const made = new GroupMaker(random, 5, claims);
      const model = new MemoryIndex();
      let index = await openIndex(folder);
      for (let i = 0; i < groups; i++) {
        const group = made.next(random.pick(SIZES));
        index.applyGroup(group);
        model.apply(group);
        if (i % 10 === 3) expectSame(index, model, made);
        if (i % 10 === 6) index.flush();
        if (i % 10 === 9) {
          await index.close();
          index = await openIndex(folder);
          expect(index.rebuild).toBeUndefined();
          expectSame(index, model, made);
        }
      }
      expectSame(index, model, made);
      await index.close();
    });
  }

  it("finds any of thousands of events that one author piled up at one seq, and marks the chain among them", async () => {
    const index = await openIndex(temporaryFolder());
    const id = (seq: number, n: number) => `${seq.toString(16).padStart(8, "0")}${n.toString(16).padStart(56, "0")}`;
    const agent = { no: 1, did: didOf(1), promised: { epoch: 0, position: 0 } };
    const place = (seq: number, n: number, epoch: number, prev: string | undefined, position: number) => ({
      op: "place" as const,
      agentNo: 1,
      ...{ position, epoch, seq, id: id(seq, n), key: "z6Mk", claim: true, movesHead: true },
      ...(prev === undefined ? {} : { prev }),
    });
    const entry = (hex: string) => ({ id: hex, type: "event" as const, agentNo: 1, kind: "ants.claim" });
    index.applyGroup({ first: 1, entries: [entry(id(0, 0))], agents: [agent], tree: [place(0, 0, 1, undefined, 1)] });
    const count = 3000;
    for (let n = 0; n < count; n++) {
      const position = 2 + n;
      const tree = [place(1, n, 2 + (n % 2000), id(0, 0), position)];
      index.applyGroup({ first: position, entries: [entry(id(1, n))], agents: [], tree });
    }
    const last = count + 2;
    index.applyGroup({
      first: last,
      entries: [entry(id(2, 0))],
      agents: [],
      tree: [place(2, 0, 9000, id(1, 1234), last)],
    });
    expect(index.eventsAt(1, 1)).toHaveLength(count);
    expect(index.eventsAt(1, 1, 5)).toHaveLength(5);
    for (const n of [0, 31, 32, 1234, 2999]) expect(index.find(1, 1, id(1, n))?.position).toBe(2 + n);
    expect(index.eventsIn(1, 2 + 5, 1).map(({ position }) => position)).toEqual([7, 2007]);
    expect(index.eventsIn(1, 2 + 1500, 1).map(({ position }) => position)).toEqual([1502]);
    for (const limit of [0, 1]) expect(index.eventsIn(1, 2 + 5, 1, limit)).toHaveLength(limit);
    expect(index.chainAt(1, 1)?.id).toBe(id(1, 1234));
    expect(index.chainFrom(1, 0, 10).map((event) => event.id)).toEqual([id(0, 0), id(1, 1234), id(2, 0)]);
    expect(index.chainAt(1, 2)?.prev).toBe(id(1, 1234));
    expect(index.forks(1, 10_000)).toHaveLength(1000);
    expect(index.forks(1, 10_000).at(-6)).toEqual({
      epoch: 7,
      seq: 1,
      key: index.eventsAt(1, 1, 1)[0]!.key,
      positions: [7, 2007],
    });
    expect(index.forks(1, 3).map(({ epoch }) => epoch)).toEqual([1001, 1000, 999]);
    await index.close();
  });

  it("finds agents by their names until these are dropped", async () => {
    const folder = temporaryFolder();
    const index = await openIndex(folder);
    const promised = { epoch: 0, position: 0 };
    const entry = (no: number) => ({ id: "ab".repeat(32), type: "identity" as const, agentNo: no });
    const names = ["handle:scout", "escrow:z6LSa"];
    const first = { no: 1, did: didOf(1), promised, names };
    const second = { no: 2, did: didOf(2), promised, names: ["escrow:z6LSa", "handle:scouts"] };
    index.applyGroup({ first: 1, entries: [entry(1), entry(2)], agents: [first, second], tree: [] });
    expect(index.named("handle:scout")).toEqual([1]);
    expect(index.named("escrow:z6LSa")).toEqual([1, 2]);
    index.flush();
    expect(index.named("escrow:z6LSa")).toEqual([1, 2]);
    const dropped = { no: 1, did: didOf(1), promised, dropNames: ["escrow:z6LSa"] };
    index.applyGroup({ first: 3, entries: [entry(1)], agents: [dropped], tree: [] });
    expect(index.named("escrow:z6LSa")).toEqual([2]);
    await index.close();
    const again = await openIndex(folder);
    expect([again.named("escrow:z6LSa"), again.named("handle:scout")]).toEqual([[2], [1]]);
    await again.close();
  });

  it("takes a group whole or stops", async () => {
    const folder = temporaryFolder();
    const made = new GroupMaker(new Prng(5));
    const index = await openIndex(folder);
    index.applyGroup(made.next(30));
    index.flush();
    const hole = { first: 40, entries: [], agents: [], tree: [] };
    expect(codeOf(() => index.applyGroup(hole))).toBe("index-failed");
    expect(codeOf(() => index.applyGroup(made.next(1)))).toBe("index-failed");
    await index.close();
    const again = await openIndex(folder);
    expect([again.rebuild, again.appliedPosition]).toEqual([undefined, 30]);
    const orphan = { position: 31, epoch: 1, seq: 9, id: "cd".repeat(32), prev: "ef".repeat(32) };
    const tree = [{ op: "place" as const, agentNo: 1, key: "z6Mk", claim: false, movesHead: true, ...orphan }];
    const entries = [{ id: orphan.id, type: "event" as const, agentNo: 1, kind: "note" }];
    expect(codeOf(() => again.applyGroup({ first: 31, entries, agents: [], tree }))).toBe("index-failed");
    await again.close();
  });
});

describe("searching with a filter", () => {
  const filters: Filter[] = [
    {},
    { types: ["event"] },
    { types: ["identity", "promise"] },
    { types: ["identity", "promise", "event"] },
    { dids: [didOf(2)] },
    { dids: [didOf(1), didOf(3), didOf(99)] },
    { dids: [didOf(99)] },
    { kinds: ["note"] },
    { kinds: ["note", "task"], tags: ["red"] },
    { to: [didOf(1)] },
    { to: [didOf(1), didOf(4)], dids: [didOf(2), didOf(3)] },
    { tags: ["build", "blue"], types: ["event"], dids: [didOf(1)] },
    { kinds: ["unheard-of"] },
    { kinds: ["note"], types: ["identity"] },
  ];

  it("finds exactly what the filter's own test of every entry finds, from memory and from the database", async () => {
    const folder = temporaryFolder();
    const random = new Prng(77);
    const made = new GroupMaker(random, 5, 10);
    let index = await openIndex(folder);
    for (let i = 0; i < 60; i++) {
      index.applyGroup(made.next(random.pick(SIZES)));
      if (i % 20 === 19) {
        await index.close();
        index = await openIndex(folder);
      }
    }
    index.applyGroup(made.next(30));
    const subjects = made.entries.map(({ agentNo, ...entry }) => ({ ...entry, did: didOf(agentNo) }));
    for (const filter of filters) {
      const expected = subjects.flatMap((subject, i) => (matches(filter, subject) ? [i + 1] : []));
      for (const after of [0, 1, 511, 512, 513, 1700, made.entries.length - 10, made.entries.length]) {
        for (const [limit, maxSteps] of [
          [10_000, 1_000_000],
          [7, 1_000_000],
          [10_000, 20],
        ] as const) {
          const found: number[] = [];
          let through = after;
          for (let calls = 0; through < made.entries.length; calls++) {
            const page = index.search(filter, through, { limit, maxSteps });
            expect(page.through).toBeGreaterThan(through);
            expect(page.positions.length).toBeLessThanOrEqual(limit);
            found.push(...page.positions);
            through = page.through;
            expect(calls).toBeLessThan(made.entries.length);
          }
          expect(found).toEqual(expected.filter((position) => position > after));
        }
      }
      expect(index.search(filter, made.entries.length, { limit: 5, maxSteps: 5 })).toEqual({
        positions: [],
        through: made.entries.length,
      });
    }
    await index.close();
  });
});

describe("opening", () => {
  async function filled(folder: string): Promise<{ made: GroupMaker; model: MemoryIndex }> {
    const made = new GroupMaker(new Prng(9));
    const model = new MemoryIndex();
    const index = await openIndex(folder);
    for (let i = 0; i < 10; i++) {
      const group = made.next(60);
      index.applyGroup(group);
      model.apply(group);
    }
    await index.close();
    return { made, model };
  }

  /** As a crash of the process leaves it: written to, never closed. */
  async function abandoned(folder: string): Promise<void> {
    const index = await openIndex(folder);
    const made = new GroupMaker(new Prng(9));
    for (let i = 0; i < 10; i++) index.applyGroup(made.next(60));
    index.flush();
  }

  it("believes an index that was closed, whatever happened to the system since", async () => {
    const folder = temporaryFolder();
    const { made, model } = await filled(folder);
    const index = await openIndex(folder, { bootId: "boot-2" });
    expect(index.rebuild).toBeUndefined();
    expectSame(index, model, made);
    await index.close();
  });

  it("believes one whose process was killed, as far as it was written", async () => {
    const folder = temporaryFolder();
    await abandoned(folder);
    const index = await openIndex(folder);
    expect([index.rebuild, index.appliedPosition]).toEqual([undefined, 600]);
    await index.close();
  });

  it("empties one that was not closed before the system started anew, or where that is not known", async () => {
    for (const bootId of ["boot-2", undefined]) {
      const folder = temporaryFolder();
      await abandoned(folder);
      const index = await openIndex(folder, { bootId });
      expect([index.rebuild, index.appliedPosition, index.nextAgentNo]).toEqual(["crash", 0, 1]);
      await index.close();
    }
  });

  it("says why it was emptied", async () => {
    const reasons: [reason: string, harm: (folder: string) => void, more: Parameters<typeof openIndex>[1]][] = [
      ["missing", (folder) => rmSync(join(folder, "index"), { recursive: true }), {}],
      ["missing", (folder) => rmSync(join(folder, "index", "state.json")), {}],
      ["unreadable", (folder) => writeFileSync(join(folder, "index", "state.json"), "{"), {}],
      ["other-format", (folder) => setState(folder, { format: 3 }), {}],
      ["other-stream", () => {}, { stream: "00000000000000bb" }],
      ["ahead-of-log", () => {}, { lastPosition: 599 }],
      ["other-history", () => {}, { rootAt: (size) => rootOf(size + 1) }],
      ["changed", (folder) => writeFileSync(join(folder, "index", "data.mdb"), Buffer.alloc(16_384, 7)), {}],
      ["missing", (folder) => rmSync(join(folder, "index", "data.mdb")), {}],
      ["crash", (folder) => setState(folder, { closedBytes: undefined, bootId: "boot-0" }), {}],
      ["changed", notADatabase, {}],
      ["changed", (folder) => appendFileSync(join(folder, "index", "data.mdb"), Buffer.alloc(4096)), {}],
    ];
    for (const [reason, harm, more] of reasons) {
      const folder = temporaryFolder();
      const { made, model } = await filled(folder);
      harm(folder);
      const index = await openIndex(folder, more);
      expect([reason, index.rebuild, index.appliedPosition]).toEqual([reason, reason, 0]);
      for (const group of made.groups) index.applyGroup(group);
      expectSame(index, model, made);
      await index.close();
    }
  });

  it("leaves an index alone that it cannot rebuild, since the log has lost its beginning", async () => {
    const folder = temporaryFolder();
    const { made, model } = await filled(folder);
    const harm = { stream: "00000000000000bb", firstPosition: 2 };
    await expect(openIndex(folder, harm)).rejects.toMatchObject({
      code: "index-needs-pruned",
      details: { firstPosition: 2, reason: "other-stream" },
    });
    const index = await openIndex(folder, { firstPosition: 2 });
    expectSame(index, model, made);
    await index.close();
  });

  it("notes on disk that it is being written to before it writes", async () => {
    const folder = temporaryFolder();
    const index = await openIndex(folder);
    const state = () => JSON.parse(readFileSync(join(folder, "index", "state.json"), "utf8"));
    expect(state()).toEqual({ format: 2, stream: STREAM, bootId: "boot-1" });
    await index.close();
    expect(state().closedBytes).toBe(statSync(join(folder, "index", "data.mdb")).size);
    const again = await openIndex(folder);
    expect(state().closedBytes).toBeUndefined();
    await again.close();
  });

  function notADatabase(folder: string): void {
    setState(folder, { closedBytes: undefined });
    writeFileSync(join(folder, "index", "data.mdb"), Buffer.alloc(16_384));
  }

  function setState(folder: string, change: object): void {
    const path = join(folder, "index", "state.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
  }
});
