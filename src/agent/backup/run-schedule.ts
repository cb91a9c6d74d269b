import { AntsError, isAntsError } from "../../../keys/errors.js";
import type { Clock } from "../../../keys/ports.js";
import type { RunRecords } from "./run-records.js";
import { dueJobs, type JobState, jobStates, type RunRecord, type Schedule } from "./schedule.js";

/** What a job came to. */
export interface JobResult {
  /** That it made or read. */
  readonly archives: readonly string[];
  /** What it found, for people. */
  readonly found?: string;
  /** Why it was done in part only. */
  readonly failed?: AntsError;
  /** Of an archive that not every target took: the addresses of those that did. */
  readonly took?: readonly string[];
}

export interface RunScheduleOptions {
  /** Asked before each look at the clock: a plan that is edited counts from then on. */
  readonly schedule: () => Promise<Schedule>;
  readonly records: RunRecords;
  readonly clock: Clock;
  /** Does a job. Throws where nothing of it was done. */
  readonly run: (state: JobState) => Promise<JobResult>;
  /** Ends it: a job that runs is waited for, which ends as soon as it can by this same signal. */
  readonly signal: AbortSignal;
  /** Do what is due, and no more. */
  readonly once?: boolean;
  /** With `once`: every job of the plan counts as due, whatever was done or failed before. */
  readonly all?: boolean;
  readonly onRun?: (record: RunRecord) => void;
  readonly onWait?: (states: readonly JobState[]) => void;
  /** The plan cannot be read any more, or a run cannot be recorded. */
  readonly onTrouble?: (error: AntsError) => void;
}

/** Clocks jump, laptops sleep, plans are edited: no wait is longer than this. */
const MAX_WAIT_MS = 60_000;

/**
 * Runs the jobs of a plan by the clock until `signal` ends it, one after the other. What a job throws is recorded, and
 * it is tried again later; a job that `signal` cut short is not recorded, and is due at the next start. Gives the
 * records of this call. Nothing that goes wrong on the way ends it: with a plan that cannot be read it goes on by the
 * one of before, and what cannot be recorded it remembers as long as it runs. Throws what reading the plan and the
 * records throws at its beginning, and with `once` what recording does.
 */
export async function runSchedule(options: RunScheduleOptions): Promise<RunRecord[]> {
  const { schedule, records, clock, signal, once, all, onRun, onWait, onTrouble } = options;
  const made: RunRecord[] = [];
  let told = -1;
  let known = await records.all();
  let plan = await schedule();
  let trouble = "";
  const troubled = (error: unknown) => {
    const { message } = antsError(error);
    // Once a minute the same is no news.
    if (message !== trouble) onTrouble?.(antsError(error));
    trouble = message;
  };
  for (let turn = 0; ; turn++) {
    if (turn > 0) {
      try {
        plan = await schedule();
      } catch (error) {
        troubled(error);
      }
    }
    const nowMs = clock.nowMs();
    const states = jobStates(plan, known, nowMs);
    for (const state of all === true ? states : dueJobs(states, nowMs)) {
      const record = await runOne(state, options);
      if (record === undefined) return made;
      known = [...known, record];
      made.push(record);
      onRun?.(record);
      await records.note(record).catch((error: unknown) => {
        if (once === true) throw error;
        troubled(error);
      });
    }
    if (once === true || signal.aborted) return made;
    const after = jobStates(plan, known, clock.nowMs());
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

async function runOne(state: JobState, { run, clock, signal }: RunScheduleOptions): Promise<RunRecord | undefined> {
  if (signal.aborted) return undefined;
  const { job } = state;
  const startedMs = clock.nowMs();
  try {
    const { failed, ...result } = await run(state);
    const endedMs = clock.nowMs();
    if (failed === undefined) return { job, startedMs, endedMs, outcome: "ok", ...result };
    const { code, message } = failed;
    return { job, startedMs, endedMs, outcome: "failed", code, message, ...result };
  } catch (error) {
    if (signal.aborted) return undefined;
    const { code, message } = antsError(error);
    return { job, startedMs, endedMs: clock.nowMs(), outcome: "failed", code, message };
  }
}

/** Whatever it is: a daemon that ends by it makes no backups from then on. */
function antsError(error: unknown): AntsError {
  if (isAntsError(error)) return error;
  return new AntsError("internal", error instanceof Error ? error.message : String(error), { cause: error });
}
