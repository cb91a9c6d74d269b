import { describe, expect, test } from "vitest";
import { AntsError } from "../../keys/errors.js";
import { type GapFacts, gapLines, spanText, summarizeGap } from "../../src/agent/gap.js";
import type { KnownStep } from "../../src/agent/step-records.js";

const head = (seq: number, timeMs: number) => ({ epoch: 1, seq, id: "ab".repeat(32), timeMs });
const relays = ["a", "b", "c"].map((name) => ({ url: `ws://${name}.example`, stream: "0123456789abcdef" }));
const read = (i: number) => ({ ...relays[i]!, state: "read" as const });
const failed = (i: number) => {
  const { url } = relays[i]!;
  return { url, state: "failed" as const, error: new AntsError("relay-unreachable", `${url}: it is gone`) };
};
const step = (key: string, state: KnownStep["state"], parked = false): KnownStep => ({
  key,
  name: "pay",
  state,
  attempts: 1,
  intent: head(3, 0),
  parked,
});

const FACTS: GapFacts = {
  had: head(10, 0),
  commonSeq: 10,
  has: head(47, 15_120_000),
  turns: 2,
  reports: [read(0), read(1), read(2)],
  set: { relays, quorum: 2, faults: 0 },
  steps: [],
  staleSecrets: [],
  vaultKey: "live",
  remembered: undefined,
};
const gapOf = (facts: Partial<GapFacts>) => summarizeGap({ ...FACTS, ...facts });
const textOf = (facts: Partial<GapFacts>) => gapLines(gapOf(facts)).join("\n");

describe("a gap", () => {
  test("is so many events and so much time", () => {
    expect(gapOf({})).toMatchObject({ known: "whole", events: 37, behindMs: 15_120_000, turns: 2 });
    expect(textOf({})).toBe("37 events and 4 h 12 min behind the relays\nwritten in 2 turns since");
    expect(textOf({ has: head(11, 60_000), turns: 0 })).toBe("1 event and 1 min behind the relays");
  });

  test("is none where the copy is as new as the relays, and never negative", () => {
    expect(textOf({ has: head(10, 0), turns: 0 })).toBe("as new as the relays");
    expect(gapOf({ has: head(11, -5_000) }).behindMs).toBe(0);
  });

  test("of a copy without a chain is all of it", () => {
    expect(gapOf({ had: undefined, commonSeq: -1 })).toMatchObject({ events: 48, behindMs: 0, leftTheChain: false });
    expect(textOf({ had: undefined, commonSeq: -1, has: undefined })).toContain("no event on any relay");
  });

  test("is known as far as the relays answer: a quorum knows of all that was acknowledged", () => {
    expect(gapOf({ reports: undefined }).known).toBe("unknown");
    expect(textOf({ reports: undefined })).toContain("not known: no relay was asked");
    expect(gapOf({ reports: [read(0), read(1), failed(2)] }).known).toBe("whole");
    const partly = { reports: [read(0), failed(1), failed(2)] };
    expect(gapOf(partly)).toMatchObject({ known: "partly", read: [relays[0]!.url] });
    expect(textOf(partly)).toContain("not read: ws://b.example: it is gone");
    expect(textOf(partly)).toContain("there may be more");
    const { url } = relays[2]!;
    const error = new AntsError("relay-unreachable", `cannot reach the relay ${url}: it refuses connections`);
    expect(textOf({ reports: [read(0), { ...failed(2), error }] })).toContain(`${url}: it refuses connections`);
    const rebuilt = { ...read(1), stream: "fedcba9876543210" };
    expect(gapOf({ reports: [read(0), rebuilt, failed(2)] }).known).toBe("partly");
  });

  test("says what the copy had that lost its place, and what only the vault remembers", () => {
    expect(gapOf({ commonSeq: 7 })).toMatchObject({ events: 40, leftTheChain: true });
    expect(textOf({ commonSeq: 7 })).toContain("lost their place");
    expect(textOf({ remembered: head(50, 0) })).toContain("the vault remembers 3 events more");
  });

  test("marks steps of unknown outcome, and says where it cannot know", () => {
    const steps = [step("a", "done"), step("b", "unknown"), step("c", "unknown", true), step("d", "failed")];
    expect(gapOf({ steps }).unknownSteps!.map(({ key }) => key)).toEqual(["b", "c"]);
    expect(textOf({ steps })).toContain("step b (pay) was under way");
    expect(textOf({ steps })).toContain("step c (pay) is parked");
    expect(textOf({ steps: undefined })).toContain("steps: not known");
  });

  test("flags stale secrets, and a key that was replaced, with what to do", () => {
    const staleSecrets = [{ name: "token", label: "main", version: 3, why: "revoked" as const }];
    expect(textOf({ staleSecrets })).toContain("secret token (main), version 3 was revoked: ants secret rotate token");
    expect(textOf({ vaultKey: "replaced" })).toContain("ants vault import");
  });
});

test.each([
  [0, "0 s"],
  [40_000, "40 s"],
  [60_000, "1 min"],
  [3_600_000, "1 h"],
  [15_120_000, "4 h 12 min"],
  [180_000_000, "2 d 2 h"],
])("%d ms are %s", (ms, text) => expect(spanText(ms)).toBe(text));
