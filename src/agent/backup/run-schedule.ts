import { isAntsError } from "../../../keys/errors.js";
import type { Clock } from "../../../keys/ports.js";
import type { RunRecords } from "./run-records.js";
import { type BackupJob, dueJobs, type JobState, jobStates, type RunRecord, type Schedule } from "./schedule.js";

export interface RunScheduleOptions {
  /** Asked before each look at the clock: a plan that is edited counts from then on. */
  readonly schedule: () => Promise<Schedule>;
  readonly records: RunRecords;
  readonly clock: Clock;
  /** Does a job; gives the names of the archives that it made or read. Throws where it failed. */
  readonly run: (job: BackupJob) => Promise<readonly string[]>;
  /** Ends it: a job that runs is waited for, which ends as soon as it can by this same signal. */
  readonly signal: AbortSignal;
  /** Do what is due, and no more. */
  readonly once?: boolean;
  readonly onRun?: (record: RunRecord) => void;
  readonly onWait?: (states: readonly JobState[]) => void;
}

/** Clocks jump, laptops sleep, plans are edited: no wait is longer than this. */
const MAX_WAIT_MS = 60_000;

/**
 * Runs the jobs of a plan by the clock until `signal` ends it, one after the other. What a job throws is recorded, and
 * it is tried again later; a job that `signal` cut short is not recorded, and is due at the next start. Gives the
 * records of this call. Throws disk errors, and what `schedule` throws.
 */
export async function runSchedule(options: RunScheduleOptions): Promise<RunRecord[]> {
  const { schedule, records, clock, signal, once, onRun, onWait } = options;
  const made: RunRecord[] = [];
  let told = -1;
  for (;;) {
    const known = await records.all();
    const nowMs = clock.nowMs();
    const states = jobStates(await schedule(), known, nowMs);
    for (const job of dueJobs(states, nowMs)) {
      const record = await runOne(job, options);
      if (record === undefined) return made;
      await records.note(record);
      made.push(record);
      onRun?.(record);
    }
    if (once === true || signal.aborted) return made;
    const after = jobStates(await schedule(), [...known, ...made], clock.nowMs());
    const nextMs = Math.min(...after.map(({ nextMs }) => nextMs), clock.nowMs() + MAX_WAIT_MS);
    const soonest = Math.min(...after.map(({ nextMs }) => nextMs));
    if (soonest !== told) onWait?.(after);
    told = soonest;
    try {
      await clock.sleep(Math.max(nextMs - clock.nowMs(), 0), signal);
    } catch (error) {
      if (signal.aborted) return made;
      throw error;
    }
  }
}

async function runOne(job: BackupJob, { run, clock, signal }: RunScheduleOptions): Promise<RunRecord | undefined> {
  if (signal.aborted) return undefined;
  const startedMs = clock.nowMs();
  try {
    const archives = await run(job);
    return { job, startedMs, endedMs: clock.nowMs(), outcome: "ok", archives };
  } catch (error) {
    if (signal.aborted) return undefined;
    if (!isAntsError(error)) throw error;
    return { job, startedMs, endedMs: clock.nowMs(), outcome: "failed", code: error.code, message: error.message };
  }
}
