import { userInfo } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { utf8 } from "../../../keys/bytes.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { systemClock } from "../../../keys/ports.js";
import { readBackupConfig, scheduleOf } from "../../agent/backup/config.js";
import { RunRecords } from "../../agent/backup/run-records.js";
import { runSchedule } from "../../agent/backup/run-schedule.js";
import { type JobState, jobStates, type RunRecord } from "../../agent/backup/schedule.js";
import { folderOf } from "../../agent/backup/target.js";
import { AgentHome } from "../../agent/home.js";
import { EXIT } from "../../protocol/errors.js";
import { isoTime } from "../../protocol/iso-time.js";
import { runBackupJob } from "../backup-jobs.js";
import { BackupPlace } from "../backup-place.js";
import type { CommandContext, CommandResult } from "../context.js";
import { isInside, vaultPath } from "../places.js";
import { SHARED_TMP, systemdUnits, unitName } from "../systemd-units.js";
import { opensUnattended } from "../unlock.js";
import { lengthText } from "../when.js";

export interface ScheduleRunOptions {
  readonly vault?: string;
  /** Do what is due and end: for timers of somebody else. */
  readonly once?: true;
  /** Do every job of the plan and end, whatever was done or failed before: for people who put something right. */
  readonly now?: true;
}

/**
 * Makes and verifies backups by the clock, in the foreground, until it is told to end. One for each home: a second one
 * is refused ("locked"). The vault has to open without a person.
 */
export async function scheduleRun(context: CommandContext, options: ScheduleRunOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const once = options.once === true || options.now === true;
  const home = await AgentHome.open(nodeDisk, context.home);
  requireUnattended(context);
  const lock = await nodeDisk.lock(scheduleLock(home));
  try {
    const { state } = home.layout;
    const plan = await readBackupConfig(nodeDisk, state);
    if (plan.target.length === 0) throw noPlan(state);
    // A passphrase that is wrong is found now, and not at three in the morning.
    {
      await using place = await BackupPlace.open(context, options);
      await place.requireAtWork();
      await place.vault();
    }
    const records = new RunRecords(nodeDisk, state);
    await records.trim();
    const clean = new Set<string>();
    const schedule = async () => scheduleOf(await readBackupConfig(nodeDisk, state), home.config.did);
    const made = await runSchedule({
      schedule,
      records,
      clock: systemClock,
      signal,
      run: (state) => runBackupJob(context, options, state, clean),
      once,
      all: options.now === true,
      onRun: (record) => {
        // With --once they are the result.
        if (once) return;
        if (record.outcome === "failed") out.warn(runText(record));
        else out.note(runText(record));
      },
      onWait: (states) => out.note(nextText(states)),
      onTrouble: ({ message }) => out.warn(message),
    });
    if (!once) return undefined;
    if (made.length === 0)
      for (const state of jobStates(await schedule(), await records.all(), systemClock.nowMs()))
        if (state.failures.length > 0) out.note(`${retryText(state)}; ants backup schedule run --now does it at once`);
    await out.result({ runs: made }, made.length === 0 ? ["nothing is due"] : made.map(runText));
    return made.some(({ outcome }) => outcome === "failed") ? EXIT.partlyDone : undefined;
  } finally {
    await lock.release();
  }
}

/** When each job ran, when it runs next, and whether something runs them. */
export async function scheduleStatus(context: CommandContext): Promise<CommandResult> {
  const { out } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { state } = home.layout;
  const plan = await readBackupConfig(nodeDisk, state);
  const nowMs = systemClock.nowMs();
  const states = jobStates(scheduleOf(plan, home.config.did), await new RunRecords(nodeDisk, state).all(), nowMs);
  const runner = await runnerOf(home);
  await out.result(
    {
      targets: plan.target.map(({ url, tier }) => ({ url, tier })),
      running: runner !== undefined,
      jobs: states.map(({ failures, took: _, ...state }) => ({
        ...state,
        failures: failures.length,
        lastFailure: failures.at(-1),
      })),
    },
    [
      ...(plan.target.length === 0 ? [`no targets: ${state}/backup.toml names none`] : []),
      ...states.map((state) => stateText(state, nowMs)),
      runner ?? "no ants backup schedule run is at work here; a timer of systemd is not seen from here",
    ],
  );
  return undefined;
}

export interface SchedulePrintOptions {
  readonly vault?: string;
  readonly user?: true;
  /** A folder: the units are written there instead of printed. */
  readonly write?: string;
  readonly credential: string;
}

/** Units for systemd: a service that does what is due, and the timer that starts it. */
export async function schedulePrint(context: CommandContext, options: SchedulePrintOptions): Promise<CommandResult> {
  const { out, env } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { did, label } = home.config;
  const plan = await readBackupConfig(nodeDisk, home.layout.state);
  const vault = vaultPath(options.vault, did, env);
  const sources = ["ANTS_PASSPHRASE_COMMAND", "ANTS_PASSPHRASE_FILE", "ANTS_ALLOW_EPHEMERAL"].flatMap((name) => {
    const value = env[name];
    return value ? [[name, name.endsWith("FILE") ? resolve(value) : value] as const] : [];
  });
  const isNamed = sources.some(([name]) => name.startsWith("ANTS_PASSPHRASE"));
  const folders = plan.target.flatMap(({ url }) => folderOf(url) ?? []);
  const files = sources.flatMap(([, value]) => (isAbsolute(value) ? [value] : []));
  const inTmp = await firstInTmp([context.home, vault, ...folders, ...files, process.argv[1]!]);
  const units = systemdUnits({
    name: unitName(label, did),
    label,
    command: [process.execPath, process.argv[1]!, "backup", "schedule", "run", "--once"],
    environment: { ANTS_HOME: context.home, ANTS_VAULT: vault, ...Object.fromEntries(sources) },
    writes: [context.home, ...folders],
    needsTmp: inTmp !== undefined,
    isOfUser: options.user === true,
    user: userInfo().username,
    ...(isNamed ? {} : { credential: options.credential }),
  });
  if (options.write !== undefined) {
    const folder = resolve(options.write);
    await nodeDisk.mkdir(folder);
    const files = units.map(({ file }) => join(folder, file));
    for (const { file, text } of units) await nodeDisk.replace(join(folder, file), utf8(text), { mode: 0o644 });
    await out.result({ files }, files);
  } else {
    await out.result(
      { units },
      units.flatMap(({ file, text }) => [`# ${file}`, ...text.trimEnd().split("\n"), ""]),
    );
  }
  if (inTmp !== undefined && options.user !== true)
    out.note(`without PrivateTmp=yes: the service would not see ${inTmp}`);
  if (plan.target.length === 0)
    out.warn(
      `${noPlan(home.layout.state).message}: name one first, and print the units again: they may write to targets only`,
    );
  const scope = options.user === true ? "--user " : "";
  out.note(`then: systemctl ${scope}daemon-reload && systemctl ${scope}enable --now ${units[1].file}`);
  return undefined;
}

async function firstInTmp(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) for (const folder of SHARED_TMP) if (await isInside(path, folder)) return path;
  return undefined;
}

/** Held while a schedule runs in a home. */
export function scheduleLock(home: AgentHome): string {
  return join(home.layout.state, "backup-schedule.lock");
}

/** What holds the schedule's lock, for people; undefined where nothing does. */
async function runnerOf(home: AgentHome): Promise<string | undefined> {
  try {
    await (await nodeDisk.lock(scheduleLock(home))).release();
    return undefined;
  } catch (error) {
    if (isAntsError(error, "locked")) return `at work: ${error.message}`;
    throw error;
  }
}

function requireUnattended({ env }: CommandContext): void {
  if (opensUnattended(env)) return;
  throw new AntsError("schedule-attended", "nobody would be there to type the passphrase when a backup is due", {
    hint: "set ANTS_PASSPHRASE_COMMAND or ANTS_PASSPHRASE_FILE, or give the service the systemd credential ants-passphrase (docs/secret-managers.md)",
  });
}

function noPlan(state: string): AntsError {
  return new AntsError("backup-no-target", `there is nothing to run: ${state}/backup.toml names no target`, {
    hint: "name one: docs/backups.md has a sample",
  });
}

function runText({ job, outcome, archives = [], found, message, startedMs, endedMs }: RunRecord): string {
  const took = `${((endedMs - startedMs) / 1000).toFixed(1)} s`;
  const when = isoTime(startedMs) ?? "";
  return outcome === "ok"
    ? `${when}  ${job}: ${archives.join(", ") || "nothing to do"}${found === undefined ? "" : `: ${found}`} (${took})`
    : `${when}  ${job} failed: ${message ?? ""}`;
}

function retryText({ job, nextMs }: JobState): string {
  return `${job} failed, and is tried again in ${lengthText(nextMs - systemClock.nowMs())}`;
}

function nextText(states: readonly JobState[]): string {
  if (states.length === 0) return "the plan has no jobs; waiting for one that has";
  return `next: ${states.map(({ job, nextMs }) => `${job} ${isoTime(nextMs) ?? ""}`).join(", ")}`;
}

function stateText({ job, lastOkMs, nextMs, failures }: JobState, nowMs: number): string {
  const last = lastOkMs === undefined ? "never ran" : `ran ${lengthText(nowMs - lastOkMs)} ago`;
  const next = nextMs <= nowMs ? "due now" : `next in ${lengthText(nextMs - nowMs)}`;
  const failed = failures.at(-1);
  const times = failures.length === 1 ? "failed since" : `failed ${failures.length} times since`;
  return `${job.padEnd(8)}  ${last}, ${next}${failed === undefined ? "" : `; ${times}: ${failed.message ?? failed.code}`}`;
}
