import { describe, expect, test } from "vitest";
import { AntsError } from "../../../keys/errors.js";
import { archiveName } from "../../../src/agent/backup/archive-name.js";
import { parseBackupConfig, scheduleOf } from "../../../src/agent/backup/config.js";
import { keep } from "../../../src/agent/backup/retention.js";
import { RunRecords } from "../../../src/agent/backup/run-records.js";
import { type RunScheduleOptions, runSchedule } from "../../../src/agent/backup/run-schedule.js";
import {
  type BackupJob,
  dueJobs,
  type JobState,
  jobStates,
  type RunRecord,
  type Schedule,
  shiftOf,
} from "../../../src/agent/backup/schedule.js";
import { SimClock } from "../../simulation/sim-clock.js";
import { SimDisk } from "../../simulation/sim-disk.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A Monday, 00:00 UTC. */
const MONDAY = Date.parse("2026-11-16T00:00:00Z");
const PLAN: Schedule = { everyMs: { hot: HOUR, cold: 7 * DAY, verify: DAY }, shiftMs: 2 * MINUTE };

const ran = (job: BackupJob, atMs: number, outcome: "ok" | "failed" = "ok"): RunRecord => ({
  job,
  startedMs: atMs,
  endedMs: atMs,
  outcome,
});

const jobsOf = (states: readonly JobState[], nowMs: number) => dueJobs(states, nowMs).map(({ job }) => job);

/** A host whose scheduler starts and stops while days pass. */
class Host {
  readonly clock: SimClock;
  readonly disk: SimDisk;
  readonly runs: { job: BackupJob; timeMs: number }[] = [];
  /** Jobs that fail now. */
  failing = new Set<BackupJob>();
  plan = PLAN;

  constructor(epochMs = MONDAY) {
    this.clock = new SimClock(epochMs);
    this.disk = new SimDisk();
  }

  /** Starts the scheduler, and stops it after a time. */
  async up(forMs: number, more: Partial<RunScheduleOptions> = {}): Promise<RunRecord[]> {
    const stop = new AbortController();
    this.clock.at(forMs, () => stop.abort());
    const running = runSchedule({
      schedule: async () => this.plan,
      records: new RunRecords(this.disk, "/home/.ants"),
      clock: this.clock,
      signal: stop.signal,
      run: async ({ job }) => {
        await this.clock.sleep(20_000);
        if (this.failing.has(job)) throw new AntsError("backup-target-unreachable", "nobody answers");
        this.runs.push({ job, timeMs: this.clock.nowMs() });
        return { archives: [`ants-${job}`] };
      },
      ...more,
    });
    return this.clock.run(running, forMs + HOUR);
  }

  /** Nothing runs on this host. */
  async down(forMs: number): Promise<void> {
    await this.clock.run(this.clock.sleep(forMs), forMs + 1);
  }

  timesOf(job: BackupJob): number[] {
    return this.runs.filter((run) => run.job === job).map(({ timeMs }) => timeMs);
  }
}

describe("the jobs of a plan (B12)", () => {
  test("are all due where nothing ever ran", () => {
    expect(jobsOf(jobStates(PLAN, [], MONDAY + DAY), MONDAY + DAY)).toEqual(["hot", "cold", "verify"]);
  });

  test("run once in each turn, counted from the clock and not from the last run", () => {
    const at = (minutes: number) => {
      const nowMs = MONDAY + minutes * MINUTE;
      return jobStates({ ...PLAN, everyMs: { hot: HOUR } }, [ran("hot", MONDAY + 50 * MINUTE)], nowMs)[0]!.nextMs;
    };
    expect(at(50)).toBe(MONDAY + HOUR + 2 * MINUTE);
    expect(at(61)).toBe(MONDAY + HOUR + 2 * MINUTE);
    expect(at(62)).toBe(MONDAY + HOUR + 2 * MINUTE);
    expect(at(200)).toBe(MONDAY + 3 * HOUR + 2 * MINUTE);
  });

  test("that failed are tried again after 5, 10, 20 minutes, and at most their own length", () => {
    const next = (failures: number) =>
      jobStates(
        { everyMs: { hot: HOUR }, shiftMs: 0 },
        Array.from({ length: failures }, () => ran("hot", MONDAY, "failed")),
        MONDAY + 1,
      )[0]!.nextMs - MONDAY;
    expect([1, 2, 3, 4, 5, 9].map(next)).toEqual([5, 10, 20, 40, 60, 60].map((minutes) => minutes * MINUTE));
  });

  test("run although a record is from a time that has not come", () => {
    const states = jobStates(PLAN, [ran("hot", MONDAY + 90 * DAY), ran("cold", MONDAY + 5 * MINUTE)], MONDAY + HOUR);
    expect(jobsOf(states, MONDAY + HOUR)).toEqual(["hot", "verify"]);
  });

  test("are those that the plan has targets for", () => {
    const of = (text: string) => Object.keys(scheduleOf(parseBackupConfig(text, "backup.toml"), "did:ants:a").everyMs);
    expect(of("")).toEqual([]);
    expect(of('[[target]]\nurl = "/b"\n')).toEqual(["hot", "cold", "verify", "rehearse"]);
    expect(of('[[target]]\nurl = "/b"\ntier = ["cold"]\n[schedule]\nverify = "off"\n')).toEqual(["cold"]);
    expect(() => of('[schedule]\nhot = "1s"\n')).toThrow(expect.objectContaining({ code: "backup-config" }));
  });

  test("begin at a share of the hour that is each agent's own", () => {
    const shifts = ["a", "b", "c", "d"].map((end) => shiftOf(`did:ants:${end.repeat(52)}`, 5 * MINUTE));
    expect(new Set(shifts).size).toBe(4);
    expect(shifts.every((shift) => shift >= 0 && shift < 5 * MINUTE)).toBe(true);
  });
});

describe("ten days (B8)", () => {
  test("of a host that is always up: every hour, every day, every week, each once", async () => {
    const host = new Host();
    await host.up(10 * DAY);
    const turnsOf = (job: BackupJob, lengthMs: number) =>
      host.timesOf(job).map((timeMs) => Math.floor((timeMs - PLAN.shiftMs - MONDAY) / lengthMs));
    // The first is of the turn in which it was started, two minutes before the next one.
    expect(turnsOf("hot", HOUR)).toEqual(Array.from({ length: 241 }, (_, hour) => hour - 1));
    expect(turnsOf("verify", DAY)).toEqual(Array.from({ length: 11 }, (_, day) => day - 1));
    expect(turnsOf("cold", 7 * DAY)).toEqual([-1, 0, 1]);
  });

  test("with the plan's own retention: the last two days whole, and one of each day before", async () => {
    const host = new Host();
    const { keep: rules } = parseBackupConfig("", "backup.toml");
    let stored: { name: string; timeMs: number }[] = [];
    const run = async ({ job }: Pick<JobState, "job">) => {
      const timeMs = host.clock.nowMs();
      if (job === "verify" || job === "rehearse") return { archives: [] };
      const name = archiveName(job, timeMs, "00000000");
      stored.push({ name, timeMs });
      const of = (tier: BackupJob) => stored.filter((archive) => archive.name.startsWith(`ants-${tier}-`));
      const { drop } = keep(of(job), rules[job], timeMs);
      stored = stored.filter((archive) => !drop.includes(archive.name));
      return { archives: [name] };
    };
    await host.up(10 * DAY, { run });
    const hourly = Array.from({ length: 240 }, (_, hour) => MONDAY + hour * HOUR + PLAN.shiftMs);
    const lastMs = hourly.at(-1)!;
    const expected = [
      ...hourly.filter((timeMs) => lastMs - timeMs < 2 * DAY),
      // The newest of each day before: that of 23:02.
      ...Array.from({ length: 8 }, (_, day) => MONDAY + (day + 1) * DAY - HOUR + PLAN.shiftMs),
    ];
    const timesOf = (tier: string) =>
      stored.filter(({ name }) => name.startsWith(`ants-${tier}-`)).map(({ timeMs }) => timeMs);
    expect(new Set(timesOf("hot"))).toEqual(new Set(expected));
    expect(timesOf("hot")).toHaveLength(new Set(expected).size);
    expect(timesOf("cold")).toEqual([MONDAY + PLAN.shiftMs, MONDAY + 7 * DAY + PLAN.shiftMs]);
  });

  test("with a night in which nothing ran: one run of each job catches up", async () => {
    const host = new Host(MONDAY + 10 * MINUTE);
    await host.up(10 * HOUR);
    const before = host.runs.length;
    await host.down(9 * DAY);
    await host.up(10 * MINUTE);
    expect(host.runs.slice(before).map(({ job }) => job)).toEqual(["hot", "cold", "verify"]);
  });

  test("started anew every twenty minutes: nothing runs twice", async () => {
    const host = new Host();
    for (let i = 0; i < 36; i++) {
      await host.up(15 * MINUTE);
      await host.down(5 * MINUTE);
    }
    expect(host.timesOf("hot")).toHaveLength(13);
    expect(host.timesOf("verify")).toHaveLength(2);
  });

  test("with a target that is away for five hours: tried again, later and later, then hourly again", async () => {
    const host = new Host(MONDAY + 3 * MINUTE);
    await host.up(HOUR);
    host.failing = new Set(["hot"]);
    const records = await host.up(5 * HOUR);
    const failed = records.filter(({ outcome }) => outcome === "failed");
    expect(failed.length).toBeGreaterThan(4);
    expect(failed.length).toBeLessThan(10);
    expect(failed[0]).toMatchObject({ job: "hot", code: "backup-target-unreachable", message: "nobody answers" });
    host.failing = new Set();
    const again = await host.up(3 * HOUR);
    expect(again.filter(({ job, outcome }) => job === "hot" && outcome === "ok").length).toBeGreaterThanOrEqual(2);
  });
});

describe("the scheduler", () => {
  test("tries an archive again that one of two targets did not take, for that one only, in the same turn", async () => {
    const host = new Host(MONDAY + 3 * MINUTE);
    host.plan = { everyMs: { hot: HOUR }, shiftMs: 2 * MINUTE };
    const asked: string[][] = [];
    const targets = ["a:", "b:", "c:"];
    let isAway = true;
    const run = async ({ took }: Pick<JobState, "took">) => {
      const due = targets.filter((url) => !took.includes(url));
      asked.push(due);
      // The second is away for two runs, the third for one.
      const away = !isAway ? [] : asked.length === 1 ? ["b:", "c:"] : ["b:"];
      if (asked.length === 2) isAway = false;
      const stored = due.filter((url) => !away.includes(url));
      if (stored.length === due.length) return { archives: ["x"] };
      return { archives: ["x"], failed: new AntsError("backup-target", "away"), took: stored };
    };
    const records = await host.up(58 * MINUTE, { run });
    expect(asked).toEqual([targets, ["b:", "c:"], ["b:"]]);
    expect(records.map(({ outcome }) => outcome)).toEqual(["failed", "failed", "ok"]);
    // The next turn is everybody's again.
    await host.up(5 * MINUTE, { run });
    expect(asked.at(-1)).toEqual(targets);
  });

  test("goes on whatever a run throws, and whatever becomes of its plan and its records", async () => {
    const host = new Host(MONDAY + 3 * MINUTE);
    const told: string[] = [];
    let looks = 0;
    const schedule = async () => {
      looks += 1;
      if (looks > 60 && looks < 180) throw new AntsError("backup-config", "the plan is torn");
      return PLAN;
    };
    const records = new RunRecords(host.disk, "/home/.ants");
    const notes = records.note.bind(records);
    records.note = async (record) => {
      if (told.length < 2) throw new AntsError("disk-full", "no space is left");
      return notes(record);
    };
    const run = async () => {
      if (looks < 30) throw new TypeError("a raw one");
      return { archives: [] };
    };
    const made = await host.up(5 * HOUR, { run, schedule, records, onTrouble: ({ code }) => told.push(code) });
    expect(made.find(({ outcome }) => outcome === "failed")).toMatchObject({ code: "internal", message: "a raw one" });
    expect(made.filter(({ job, outcome }) => job === "hot" && outcome === "ok").length).toBeGreaterThan(3);
    expect(told).toEqual(["disk-full", "backup-config"]);
  });

  test("does what is due once, and ends, when told to", async () => {
    const host = new Host();
    const jobs = async () => (await host.up(HOUR, { once: true })).map(({ job }) => job);
    expect(await jobs()).toEqual(["hot", "cold", "verify"]);
    expect(await jobs()).toEqual([]);
  });

  test("does every job of the plan at once when told to, whatever was done or failed before", async () => {
    const host = new Host();
    host.failing = new Set(["verify"]);
    await host.up(HOUR, { once: true });
    host.failing = new Set();
    // It waits before it tries that again, and whoever put it right does not want to.
    expect(await host.up(MINUTE, { once: true })).toEqual([]);
    const made = await host.up(HOUR, { once: true, all: true });
    expect(made.map(({ job, outcome }) => `${job} ${outcome}`)).toEqual(["hot ok", "cold ok", "verify ok"]);
  });

  test("takes a plan that was edited without a new start", async () => {
    const host = new Host();
    host.plan = { everyMs: {}, shiftMs: 0 };
    host.clock.at(2 * HOUR, () => {
      host.plan = { everyMs: { verify: DAY }, shiftMs: 0 };
    });
    await host.up(3 * HOUR);
    expect(host.runs.map(({ job }) => job)).toEqual(["verify"]);
  });

  test("records nothing of a job that its end cut short: it is due at the next start", async () => {
    const host = new Host();
    await host.up(10_000, {
      run: async () => {
        await host.clock.sleep(20_000);
        throw new AntsError("aborted", "cut short");
      },
    });
    expect(await new RunRecords(host.disk, "/home/.ants").all()).toEqual([]);
  });

  test("passes over lines of its records that a crash tore, and cuts a long file", async () => {
    const disk = new SimDisk();
    const records = new RunRecords(disk, "/home/.ants");
    const text = `{"job":"hot","startedMs":1,"endedMs":2,"outcome":"ok"}\n{"job":"hot","star`;
    await disk.append("/home/.ants/backup-runs.ndjson", Buffer.from(text));
    await records.note(ran("verify", 3));
    expect((await records.all()).map(({ job }) => job)).toEqual(["hot", "verify"]);
    const long = { ...ran("cold", 4, "failed"), message: "x".repeat(1_000) };
    const lines = `${JSON.stringify(long)}\n`.repeat(1_100);
    await disk.append("/home/.ants/backup-runs.ndjson", Buffer.from(lines));
    await records.trim();
    expect(await records.all()).toHaveLength(1_000);
  });
});

test("the records of runs are a line each, also after a crash that tore one", async () => {
  const host = new Host();
  const records = new RunRecords(host.disk, "/home/.ants");
  const record = { job: "hot", startedMs: 1, endedMs: 2, outcome: "ok" } as const;
  await records.note(record);
  await records.note(record);
  const path = "/home/.ants/backup-runs.ndjson";
  const text = async () => new TextDecoder().decode(await host.disk.read(path));
  expect((await text()).split("\n").map((line) => line.length > 0)).toEqual([true, true, false]);
  await host.disk.append(path, new TextEncoder().encode('{"job":"h'));
  await records.note(record);
  expect(await records.all()).toHaveLength(3);
});
