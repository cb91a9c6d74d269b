import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseBackupConfig } from "../../../src/agent/backup/config.js";
import { type Keepable, keep } from "../../../src/agent/backup/retention.js";
import { spanMs } from "../../../src/agent/backup/span.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const at = (text: string) => Date.parse(text);
const archive = (text: string): Keepable => ({ name: text, timeMs: at(text) });
const kept = (archives: readonly Keepable[], policy: Parameters<typeof keep>[1], now: string) =>
  [...keep(archives, policy, at(now)).keep.keys()].sort();

/** One an hour, on the hour. */
const hourly = (from: string, count: number): Keepable[] =>
  Array.from({ length: count }, (_, i) => archive(new Date(at(from) + i * HOUR).toISOString()));

describe("retention", () => {
  test("the newest of each of the last hours, days, weeks and months that have one", () => {
    const archives = [
      "2026-01-31T23:00:00Z",
      "2026-02-28T10:00:00Z",
      "2026-03-01T23:30:00Z", // a Sunday
      "2026-03-02T00:30:00Z", // the Monday after it
      "2026-03-04T08:00:00Z",
      "2026-03-04T08:59:59Z",
      "2026-03-04T09:00:00Z",
    ].map(archive);
    const now = "2026-03-04T09:30:00Z";
    expect(kept(archives, { hourly: 2 }, now)).toEqual(["2026-03-04T08:59:59Z", "2026-03-04T09:00:00Z"]);
    expect(kept(archives, { daily: 3 }, now)).toEqual([
      "2026-03-01T23:30:00Z",
      "2026-03-02T00:30:00Z",
      "2026-03-04T09:00:00Z",
    ]);
    expect(kept(archives, { weekly: 2 }, now)).toEqual(["2026-03-01T23:30:00Z", "2026-03-04T09:00:00Z"]);
    expect(kept(archives, { monthly: 3 }, now)).toEqual([
      "2026-01-31T23:00:00Z",
      "2026-02-28T10:00:00Z",
      "2026-03-04T09:00:00Z",
    ]);
    expect(kept(archives, { within: 25 * HOUR }, now)).toEqual([
      "2026-03-04T08:00:00Z",
      "2026-03-04T08:59:59Z",
      "2026-03-04T09:00:00Z",
    ]);
    expect(keep(archives, { hourly: 1, daily: 1 }, at(now)).keep.get("2026-03-04T09:00:00Z")).toEqual([
      "hourly",
      "daily",
    ]);
  });

  test("ten days of hourly archives, pruned every hour, leave exactly what the plan's defaults say", () => {
    const { keep: plan } = parseBackupConfig("", "x");
    let there: Keepable[] = [];
    const all = hourly("2026-03-01T00:00:00Z", 240);
    for (const next of all) {
      there.push(next);
      const { drop } = keep(there, plan.hot, next.timeMs);
      there = there.filter(({ name }) => !drop.includes(name));
    }
    // Two days whole, and before them the last one of each day.
    const lastOf = (day: number) => `2026-03-0${day}T23:00:00.000Z`;
    expect(there.map(({ name }) => name)).toEqual([
      ...[1, 2, 3, 4, 5, 6, 7, 8].map(lastOf),
      ...all.slice(-48).map(({ name }) => name),
    ]);
    expect(there).toHaveLength(56);
  });

  test.each([{}, { hourly: 0, daily: 0 }, { within: DAY }])("refuses to leave nothing: %j", (policy) => {
    const archives = hourly("2026-03-01T00:00:00Z", 3);
    expect(() => keep(archives, policy, at("2026-03-09T00:00:00Z"))).toThrow(
      expect.objectContaining({ code: "backup-keeps-nothing" }),
    );
  });

  test("one from a time that has not come stays, stands for no hour, and is not what is left", () => {
    const archives = [...hourly("2026-03-01T00:00:00Z", 3), archive("2031-01-01T00:00:00Z")];
    const now = "2026-03-01T02:30:00Z";
    expect(kept(archives, { hourly: 1, monthly: 1 }, now)).toEqual([
      "2026-03-01T02:00:00.000Z",
      "2031-01-01T00:00:00Z",
    ]);
    expect(() => keep(archives, { within: 60_000 }, at(now))).toThrow(
      expect.objectContaining({ code: "backup-keeps-nothing" }),
    );
    // A clock that went back to its beginning removes nothing.
    expect(keep(archives, { hourly: 1 }, at("1970-01-01T00:00:00Z")).drop).toEqual([]);
  });

  test("one that does not open stands for no day, and does not count as what is left", () => {
    const [good, bad] = [archive("2026-03-01T10:00:00Z"), { ...archive("2026-03-01T11:00:00Z"), isDamaged: true }];
    const now = at("2026-03-01T12:00:00Z");
    expect([...keep([good, bad], { daily: 1 }, now).keep.keys()]).toEqual([good.name]);
    expect(() => keep([bad], { within: DAY, daily: 1 }, now)).toThrow(
      expect.objectContaining({ code: "backup-keeps-nothing" }),
    );
  });

  test("a clock that was ahead costs nothing: archives of the future stay", () => {
    const archives = hourly("2027-01-01T00:00:00Z", 2);
    expect(keep(archives, { within: HOUR }, at("2026-03-01T00:00:00Z")).drop).toEqual([]);
  });

  const policies = fc.record(
    {
      within: fc.integer({ min: 0, max: 40 * DAY }),
      hourly: fc.nat(50),
      daily: fc.nat(20),
      weekly: fc.nat(9),
      monthly: fc.nat(5),
    },
    { requiredKeys: [] },
  );
  const histories = fc
    .uniqueArray(fc.integer({ min: 0, max: 200 * 24 }), { minLength: 1, maxLength: 200 })
    .map((hours) => hours.map((hour) => archive(new Date(at("2026-01-01T00:00:00Z") + hour * HOUR).toISOString())));

  test("every archive is kept or dropped, the newest is among the kept, and pruning again drops nothing", () => {
    fc.assert(
      fc.property(histories, policies, (archives, policy) => {
        const now = Math.max(...archives.map(({ timeMs }) => timeMs));
        let outcome: ReturnType<typeof keep>;
        try {
          outcome = keep(archives, policy, now);
        } catch {
          return;
        }
        const dropped = new Set(outcome.drop);
        expect(outcome.keep.size + dropped.size).toBe(archives.length);
        expect([...outcome.keep.keys()].some((name) => dropped.has(name))).toBe(false);
        expect(outcome.keep.has(archives.find(({ timeMs }) => timeMs === now)!.name)).toBe(true);
        const left = archives.filter(({ name }) => !dropped.has(name));
        expect(keep(left, policy, now).drop).toEqual([]);
      }),
    );
  });
});

describe("the plan of a home", () => {
  const text = `
[[target]]
url = "/srv/backups"
tier = ["hot"]

[[target]]
url = "ssh://me@host/srv"

[keep]
hot = { within = "36h", hourly = 3 }
`;
  test("is read, with defaults for what it leaves out", () => {
    const { target, keep } = parseBackupConfig(text, "x");
    expect(() => parseBackupConfig(`${text}\nurl = = 1\n`, "x")).toThrow(
      expect.objectContaining({ code: "backup-config", message: expect.stringMatching(/^x: line \d+, column \d+: /) }),
    );
    expect(target).toEqual([
      { url: "/srv/backups", tier: ["hot"] },
      { url: "ssh://me@host/srv", tier: ["hot", "cold"] },
    ]);
    expect(keep.hot).toEqual({ within: 36 * HOUR, hourly: 3 });
    expect(keep.cold).toEqual({ weekly: 8, monthly: 24 });
  });

  test.each([
    ["[[target]]\nurl = 3", "target.0.url"],
    ['[[target]]\nurl = "/x"\ntier = ["warm"]', "target.0.tier"],
    ['[keep]\nhot = { within = "long" }', "keep.hot.within"],
    ["[keep]\nhot = { daily = -1 }", "keep.hot.daily"],
    ["[keep]\nwarm = { daily = 1 }", "keep"],
    ["nonsense", "x"],
  ])("%j is refused, with the field", (bad, field) => {
    expect(() => parseBackupConfig(bad, "x")).toThrow(
      expect.objectContaining({ code: "backup-config", message: expect.stringContaining(field) }),
    );
  });

  test.each([
    ["90s", 90_000],
    ["2d", 2 * DAY],
    ["4w", 28 * DAY],
    ["2 d", undefined],
    ["d", undefined],
    ["1y", undefined],
  ])("the span %s is %s ms", (span, ms) => expect(spanMs(span as string)).toBe(ms));
});
