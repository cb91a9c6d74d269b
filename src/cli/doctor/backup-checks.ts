import { AntsError, isAntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { systemClock } from "../../../keys/ports.js";
import { BACKUP_TIERS, type BackupTier, isAhead, MAX_AHEAD_MS } from "../../agent/backup/archive-name.js";
import type { KnownArchive, KnownCopy } from "../../agent/backup/catalogue.js";
import { type BackupConfig, scheduleOf } from "../../agent/backup/config.js";
import { goneCopies } from "../../agent/backup/lost-copies.js";
import { RunRecords } from "../../agent/backup/run-records.js";
import { jobStates, type RunRecord, type Schedule } from "../../agent/backup/schedule.js";
import type { BackupTarget, StoredArchive } from "../../agent/backup/target.js";
import type { AgentHome } from "../../agent/home.js";
import { BackupPlace } from "../backup-place.js";
import type { CommandContext } from "../context.js";
import { opensUnattended } from "../unlock.js";
import { lengthText } from "../when.js";
import { advice, broken, brokenBy, type Finding, ok } from "./finding.js";

export interface BackupCheckOptions {
  readonly vault?: string;
  /** For each target. */
  readonly timeoutMs: number;
  /** To whom new archives are encrypted; undefined where the vault was not opened. */
  readonly recipients?: ReadonlyMap<BackupTier, readonly string[]>;
}

/** A run may be late by a turn, and by what a long one takes: after two turns nobody is making backups. */
const TURNS_UNTIL_STALE = 2;
const SLACK_MS = 10 * 60_000;

/** Whether backups are made, read back, reachable, and encrypted to those who need them. Changes nothing. */
export async function checkBackups(
  context: CommandContext,
  home: AgentHome,
  options: BackupCheckOptions,
): Promise<Finding[]> {
  let place: BackupPlace;
  const { vault, timeoutMs } = options;
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(timeoutMs)]);
  try {
    place = await BackupPlace.open({ ...context, signal }, vault === undefined ? {} : { vault });
  } catch (error) {
    return [brokenBy("backup plan", error)];
  }
  await using opened = place;
  const { config, catalogue } = opened;
  const { state } = home.layout;
  const nowMs = systemClock.nowMs();
  const archives = await catalogue.archives();
  const schedule = scheduleOf(config, home.config.did);
  if (config.target.length === 0) return [noPlan(state, archives, nowMs)];
  const findings = [planFinding(opened, schedule)];
  const targets = await Promise.all(openedTargets(opened).map((target) => look(context, target)));
  const present = presentCopies(archives, targets, nowMs);
  for (const tier of BACKUP_TIERS) {
    const urls = opened.addresses(tier);
    if (urls.length > 0) findings.push(freshness(tier, urls, present, schedule.everyMs[tier], nowMs));
  }
  findings.push(...ahead(archives, nowMs));
  findings.push(verification(opened.addresses(), archives, targets, schedule.everyMs.verify, nowMs));
  const records = await new RunRecords(nodeDisk, state).all();
  if (opened.addresses("hot").length > 0) findings.push(rehearsal(records, schedule.everyMs.rehearse, nowMs));
  const states = jobStates(schedule, records, nowMs);
  for (const { job, failures } of states) {
    const last = failures.at(-1);
    if (last === undefined) continue;
    const ago = lengthText(nowMs - last.endedMs);
    const found = `the last run failed ${ago} ago: ${last.message ?? last.code ?? "for no reason that it gave"}`;
    const fix =
      last.code === "home-displaced"
        ? 'on a host that the agent left, stop the timer; to go on here: ants publish; or displaced = "make" under [schedule] in .ants/backup.toml'
        : "put that right; it is tried again by itself, or at once with ants backup schedule run --now";
    findings.push(broken(`backup job ${job}`, found, fix));
  }
  for (const target of targets) findings.push(reachability(target, archives, config, nowMs));
  if (options.recipients !== undefined) findings.push(...recipients(archives, options.recipients));
  return findings;
}

function noPlan(state: string, archives: readonly KnownArchive[], nowMs: number): Finding {
  const newest = archives.at(-1);
  const byHand =
    newest === undefined ? "" : ` (the last archive was made by hand, ${lengthText(nowMs - newest.timeMs)} ago)`;
  return broken(
    "backup plan",
    `there is none: when this disk is lost, all that no relay has is lost with it${byHand}`,
    `name a place under [[target]] in ${state}/backup.toml, and start ants backup schedule run (docs/backup-schedule.md)`,
  );
}

function planFinding({ config }: BackupPlace, schedule: Schedule): Finding {
  const jobs = Object.entries(schedule.everyMs).map(([job, everyMs]) => `${job} every ${lengthText(everyMs)}`);
  const targets = config.target.length === 1 ? "1 target" : `${config.target.length} targets`;
  if (schedule.everyMs.hot === undefined && schedule.everyMs.cold === undefined) {
    const fix = 'set hot = "1h" and cold = "1w" under [schedule] in .ants/backup.toml, and a target for them';
    return broken("backup plan", `${targets}, and nothing that makes an archive by itself`, fix);
  }
  return ok("backup plan", `${targets}; ${jobs.join(", ")}`);
}

function freshness(
  tier: BackupTier,
  urls: readonly string[],
  archives: readonly KnownArchive[],
  everyMs: number | undefined,
  nowMs: number,
): Finding {
  const check = `${tier} backup`;
  const make = `ants backup create --tier ${tier}; and see that ants backup schedule run is at work, or its timer`;
  const ages = urls.map((url) => {
    const newest = archives.findLast((archive) => archive.tier === tier && archive.copies.has(url));
    return { url, ageMs: newest === undefined ? undefined : nowMs - newest.timeMs };
  });
  const never = ages.filter(({ ageMs }) => ageMs === undefined);
  if (never.length > 0) return broken(check, `there is none at ${never.map(({ url }) => url).join(", ")}`, make);
  const oldest = ages.reduce((a, b) => ((a.ageMs ?? 0) > (b.ageMs ?? 0) ? a : b));
  const text = `the newest one at ${oldest.url} is ${lengthText(oldest.ageMs ?? 0)} old`;
  if (everyMs === undefined) return advice(check, `${text}, and the plan makes none`, make);
  if ((oldest.ageMs ?? 0) > TURNS_UNTIL_STALE * everyMs + SLACK_MS)
    return broken(check, `${text}; the plan makes one every ${lengthText(everyMs)}`, make);
  return ok(check, text);
}

function verification(
  urls: readonly string[],
  archives: readonly KnownArchive[],
  targets: readonly Looked[],
  everyMs: number | undefined,
  nowMs: number,
): Finding {
  const check = "verified backup";
  const job = 'set verify = "1d" under [schedule] in .ants/backup.toml';
  if (everyMs === undefined)
    return broken(
      check,
      "nobody reads backups back: the plan has no verify job",
      `${job}; until then: ants backup verify`,
    );
  const copies = archives.flatMap(({ name, copies }) => [...copies].map(([url, copy]) => ({ name, url, ...copy })));
  // One that was removed by hand is nobody's any more.
  const isGone = (name: string, url: string) =>
    targets.some((one) => one.url === url && one.listed?.every((archive) => archive.name !== name) === true);
  const wrong = copies.filter(({ name, url, failedMs }) => failedMs !== undefined && !isGone(name, url)).at(-1);
  if (wrong !== undefined) {
    const found = `${wrong.name} at ${wrong.url} was read back and is not what was stored`;
    return broken(check, found, "make another one (ants backup create), and find out what happened to that storage");
  }
  const read = urls.map((url) => ({
    url,
    lastMs: lastVerified(
      copies.filter((copy) => copy.url === url),
      nowMs,
    ),
  }));
  const never = read.filter(({ lastMs }) => lastMs === undefined);
  const fix = "ants backup verify; and see that ants backup schedule run is at work, or its timer";
  if (never.length > 0)
    return broken(check, `nothing was ever read back from ${never.map(({ url }) => url).join(", ")}`, fix);
  const oldest = read.reduce((a, b) => ((a.lastMs ?? 0) < (b.lastMs ?? 0) ? a : b));
  const agoMs = nowMs - (oldest.lastMs ?? 0);
  const text = `${oldest.url} was read back ${lengthText(agoMs)} ago`;
  if (agoMs > TURNS_UNTIL_STALE * everyMs + SLACK_MS)
    return broken(check, `${text}; the plan does it every ${lengthText(everyMs)}`, fix);
  return ok(check, text);
}

function lastVerified(copies: readonly KnownCopy[], nowMs: number): number | undefined {
  const times = copies.flatMap(({ verifiedMs }) => verifiedMs ?? []).filter((timeMs) => timeMs <= nowMs + MAX_AHEAD_MS);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** A target, as it answered. */
interface Looked {
  readonly url: string;
  /** Its archives; undefined where it was not asked, or did not answer. */
  readonly listed?: readonly StoredArchive[];
  /** Why there are none. */
  readonly finding?: Finding;
}

function openedTargets(place: BackupPlace): (BackupTarget | { url: string; error: unknown })[] {
  try {
    return place.targets();
  } catch (error) {
    return [{ url: "", error }];
  }
}

async function look(
  { env, signal }: CommandContext,
  target: BackupTarget | { url: string; error: unknown },
): Promise<Looked> {
  const { url } = target;
  if ("error" in target) return { url, finding: brokenBy("backup targets", target.error) };
  const check = `backup target ${url}`;
  const mayUnlock = opensUnattended(env) || Boolean(env.AWS_ACCESS_KEY_ID && env.AWS_SECRET_ACCESS_KEY);
  if (url.startsWith("s3:") && !mayUnlock) {
    const fix = "set up an unlocking without a person: docs/vault.md";
    return { url, finding: advice(check, "not asked: its credentials are in the vault", fix) };
  }
  try {
    return { url, listed: await target.list() };
  } catch (error) {
    signal.throwIfAborted();
    const late = new AntsError("backup-target-unreachable", "no answer in time");
    return { url, finding: brokenBy(check, isAntsError(error) ? error : late) };
  }
}

/** Whether a target answers, and still has what it took. */
function reachability(
  { url, listed, finding }: Looked,
  archives: readonly KnownArchive[],
  { keep }: BackupConfig,
  nowMs: number,
): Finding {
  if (finding !== undefined) return finding;
  const there = listed ?? [];
  const check = `backup target ${url}`;
  const { lost } = goneCopies(archives, url, there, keep, nowMs);
  if (lost.length > 0) {
    const newest = lost.at(-1);
    const found =
      lost.length === 1
        ? `${newest} was stored there and is gone`
        : `${newest} and ${lost.length - 1} more were stored there and are gone`;
    const fix = "find out who removed it; then ants backup create (ants backup prune forgets what is gone)";
    return broken(check, found, fix);
  }
  const cut = archives.flatMap(({ name, copies }) => {
    const copy = copies.get(url);
    const size = there.find((archive) => archive.name === name)?.size;
    // What was read back and found wrong is told already.
    if (copy === undefined || copy.failedMs !== undefined || size === undefined || size === copy.size) return [];
    return [{ name, size, stored: copy.size }];
  });
  const newest = cut.at(-1);
  if (newest !== undefined) {
    const { name, size, stored } = newest;
    const more = cut.length === 1 ? "" : `, and ${cut.length - 1} more are of another size than was stored`;
    const fix = "make another one (ants backup create), and find out what happened to that storage";
    return broken(check, `${name} has ${size} bytes there, and ${stored} were stored${more}`, fix);
  }
  return ok(check, `answers, and has ${there.length} ${there.length === 1 ? "archive" : "archives"}`);
}

/** What is at its targets as far as anybody knows, of its size, was not found damaged there, and is of a time that has come. */
function presentCopies(archives: readonly KnownArchive[], targets: readonly Looked[], nowMs: number): KnownArchive[] {
  const sizes = new Map(
    targets.map(({ url, listed }) => [url, listed && new Map(listed.map(({ name, size }) => [name, size]))]),
  );
  return archives.flatMap((archive) => {
    if (isAhead(archive, nowMs)) return [];
    const isThere = ([url, { failedMs, size }]: [string, KnownCopy]) => {
      const listed = sizes.get(url);
      return failedMs === undefined && (listed === undefined || listed.get(archive.name) === size);
    };
    return [{ ...archive, copies: new Map([...archive.copies].filter(isThere)) }];
  });
}

function ahead(archives: readonly KnownArchive[], nowMs: number): Finding[] {
  const newest = archives.findLast((archive) => isAhead(archive, nowMs));
  if (newest === undefined) return [];
  const found = `${newest.name} is of a time that has not come: the clock was wrong when it was made, or is wrong now`;
  return [advice("backup clock", found, "check the clock (timedatectl); such archives count for nothing, and stay")];
}

/** Whether a restore is tried from time to time, and what came of it. */
function rehearsal(records: readonly RunRecord[], everyMs: number | undefined, nowMs: number): Finding {
  const check = "rehearsed restore";
  if (everyMs === undefined) {
    const fix = 'set rehearse = "1w" under [schedule] in .ants/backup.toml; until then: ants drill';
    return broken(check, "nobody tries whether a backup can be restored: the plan has no rehearse job", fix);
  }
  const fix = "ants backup schedule run --now; and see that ants backup schedule run is at work, or its timer";
  const last = records.findLast(
    ({ job, outcome, startedMs }) => job === "rehearse" && outcome === "ok" && startedMs <= nowMs + MAX_AHEAD_MS,
  );
  if (last === undefined) return broken(check, "no restore was ever rehearsed", fix);
  const agoMs = nowMs - last.startedMs;
  const text = `${last.archives?.[0] ?? "an archive"} was restored and thrown away ${lengthText(agoMs)} ago`;
  if (agoMs > TURNS_UNTIL_STALE * everyMs + SLACK_MS)
    return broken(check, `${text}; the plan does it every ${lengthText(everyMs)}`, fix);
  return ok(check, last.found === undefined ? text : `${text}: ${last.found}`);
}

/** Archives that somebody opens who should not, or does not who should: from before keys or words changed. */
function recipients(archives: readonly KnownArchive[], current: ReadonlyMap<BackupTier, readonly string[]>): Finding[] {
  const check = "backup recipients";
  if (current.size === 0) {
    return [
      broken(
        check,
        "the vault does not know to whom backups are encrypted",
        "tell it once: ants backup recipient --phrase-file FILE",
      ),
    ];
  }
  const old = archives.filter(({ tier, copies }) =>
    [...copies.values()].some(({ recipients }) => !sameSet(recipients, current.get(tier) ?? [])),
  );
  if (old.length === 0) return archives.length === 0 ? [] : [ok(check, "every archive is encrypted to those of today")];
  const count = old.length === 1 ? "1 archive is" : `${old.length} archives are`;
  const found = `${count} encrypted to other keys than those of today: the words or the host's key changed`;
  return [advice(check, found, "ants backup rewrap encrypts them anew, and says what still opens with the old key")];
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}
