import { MAX_AHEAD_MS } from "./archive-name.js";

/**
 * What is done by the clock. `verify` reads the newest archives back, `rehearse` restores the newest hot one and throws
 * the copy away; pruning follows each archive that was made.
 */
export type BackupJob = "hot" | "cold" | "verify" | "rehearse";

export const BACKUP_JOBS: readonly BackupJob[] = ["hot", "cold", "verify", "rehearse"];

/** How often each job runs, in milliseconds; a job that is absent never does. */
export interface Schedule {
  readonly everyMs: { readonly [job in BackupJob]?: number };
  /**
   * By how much this home's turns are later than those of the clock, in milliseconds: its own share, always the same,
   * so that many agents of one host or one target don't all begin on the hour.
   */
  readonly shiftMs: number;
}

/** One run of a job that came to an end. */
export interface RunRecord {
  readonly job: BackupJob;
  /** Milliseconds since 1970, this host's clock. */
  readonly startedMs: number;
  readonly endedMs: number;
  readonly outcome: "ok" | "failed";
  /** Of a failure. */
  readonly code?: string;
  readonly message?: string;
  /** What was made or read. */
  readonly archives?: readonly string[];
  /** What a job found, for people. */
  readonly found?: string;
  /** Of a failure: the addresses of targets that took the archive all the same. */
  readonly took?: readonly string[];
}

/** A week of turns begins on a Monday, and 1970 on a Thursday. */
const FIRST_MONDAY_MS = 4 * 86_400_000;
const FIRST_RETRY_MS = 5 * 60_000;
/** Where a job stands. */
export interface JobState {
  readonly job: BackupJob;
  readonly everyMs: number;
  /** When the last run that succeeded began; undefined where none did. */
  readonly lastOkMs?: number;
  /** Runs that failed since then. */
  readonly failures: readonly RunRecord[];
  /** Targets that took an archive in the present turn, in a run that failed at others: they get no second one. */
  readonly took: readonly string[];
  /** When it runs next; not after now: it is due. */
  readonly nextMs: number;
}

/**
 * Where each job of the plan stands. Time is cut into turns of the job's length, counted in UTC (weeks from Monday), and
 * a job is due once in each: turns that were missed, however many, are caught up by the one run of the present turn. A
 * run that failed, at one target of several too, is tried again in the same turn, after 5, 10, 20 … minutes. Pure.
 */
export function jobStates(schedule: Schedule, records: readonly RunRecord[], nowMs: number): JobState[] {
  return BACKUP_JOBS.flatMap((job) => {
    const everyMs = schedule.everyMs[job];
    if (everyMs === undefined) return [];
    // One of a time that has not come was made while the clock was wrong: it would keep the job from running for ever.
    const own = records.filter((record) => record.job === job && record.startedMs <= nowMs + MAX_AHEAD_MS);
    const lastOk = own.filter(({ outcome }) => outcome === "ok").at(-1);
    const failures = lastOk === undefined ? own : own.slice(own.lastIndexOf(lastOk) + 1);
    const turn = (timeMs: number) => Math.floor((timeMs - schedule.shiftMs - FIRST_MONDAY_MS) / everyMs);
    const beginOf = (number: number) => number * everyMs + FIRST_MONDAY_MS + schedule.shiftMs;
    const present = turn(nowMs);
    const isDone = lastOk !== undefined && turn(lastOk.startedMs) >= present;
    const dueMs = beginOf(isDone ? present + 1 : present);
    const took = failures.flatMap((record) => (turn(record.startedMs) === present ? (record.took ?? []) : []));
    const failed = failures.at(-1);
    const retryMs =
      failed === undefined ? 0 : failed.endedMs + Math.min(everyMs, FIRST_RETRY_MS * 2 ** (failures.length - 1));
    return [
      {
        job,
        everyMs,
        failures,
        took,
        nextMs: Math.max(dueMs, Math.min(retryMs, nowMs + everyMs)),
        ...(lastOk === undefined ? {} : { lastOkMs: lastOk.startedMs }),
      },
    ];
  });
}

/** The jobs that run now, in the order in which they run: an archive is made before archives are read back. */
export function dueJobs(states: readonly JobState[], nowMs: number): JobState[] {
  return states.filter(({ nextMs }) => nextMs <= nowMs);
}

/** This home's share of `withinMs`, from its DID: the same at each start. */
export function shiftOf(did: string, withinMs: number): number {
  let share = 0;
  for (const character of did.slice(-12)) share = (share * 32 + character.charCodeAt(0)) % 1_000_003;
  return Math.floor((share / 1_000_003) * withinMs);
}
