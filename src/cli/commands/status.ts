import { isAntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { systemClock } from "../../../keys/ports.js";
import { BACKUP_TIERS, isAhead } from "../../agent/backup/archive-name.js";
import { Catalogue } from "../../agent/backup/catalogue.js";
import { readBackupConfig, scheduleOf } from "../../agent/backup/config.js";
import { RunRecords } from "../../agent/backup/run-records.js";
import { jobStates } from "../../agent/backup/schedule.js";
import { type DormantMark, dormantMark } from "../../agent/dormant.js";
import { AgentHome } from "../../agent/home.js";
import { type Departure, homeMoved, readDeparture } from "../../agent/moved.js";
import { EXIT } from "../../protocol/errors.js";
import { type AgentStatus, agentStatus, type RelayCopy, type Turn } from "../agent-status.js";
import { hasArrived } from "../arrival.js";
import type { CommandContext, CommandResult } from "../context.js";
import type { DisplacementOptions } from "../displacement.js";
import { lengthText } from "../when.js";

export interface StatusCommandOptions {
  /** Seconds for each relay. */
  readonly timeout: number;
}

/** Where the agent stands: pen, chain here and at each relay, what waits, backups. Needs no key, and changes nothing. */
export async function status(context: CommandContext, options: StatusCommandOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { did } = home.config;
  const asking = { timeoutMs: options.timeout * 1000, signal };
  const found = await agentStatus(home, asking);
  const rest = await restOf(home, asking);
  const isAtRest = rest.dormant !== undefined || rest.departure !== undefined;
  const all = await backupsOf(home);
  // Nothing makes backups here then, whatever the plan says.
  const backups = isAtRest ? { ...all, jobs: [] } : all;
  const nowMs = systemClock.nowMs();
  const furthest = furthestBehind(found);
  await out.result({ did, ...rest, ...found, ...(furthest === undefined ? {} : { furthest }), backups }, [
    did,
    ...restLines(home, rest),
    `  pen     ${penText(found.pen, nowMs)}`,
    `  chain   ${found.head === undefined ? "empty" : `seq ${found.head.seq}, epoch ${found.head.epoch}, ${agoText(nowMs - found.head.timeMs)}, ${found.head.id}`}`,
    ...found.relays.map((relay) => `  relay   ${relay.url}  ${copyText(relay)}`),
    `  copies  ${copiesText(found)}`,
    ...missingLines(found, rest),
    `  queued  ${queuedText(found)}`,
    ...lostLines(found),
    `  backup  ${backupText(backups, nowMs)}`,
    ...(backups.jobs.length === 0
      ? []
      : [`  next    ${backups.jobs.map(({ job, nextMs }) => `${job} ${inText(nextMs - nowMs)}`).join(", ")}`]),
  ]);
  const isWhole = found.relays.every(({ state }) => state === "reached") && backups.fault === undefined;
  return isWhole ? undefined : EXIT.partlyDone;
}

/** Why nothing begins to work in a home: it sleeps, or its agent has left. */
interface Rest {
  readonly dormant?: DormantMark;
  readonly departure?: Departure;
  /** Whether it has been at work where it went. */
  readonly hasArrived?: boolean;
}

async function restOf(home: AgentHome, asking: DisplacementOptions): Promise<Rest> {
  const dormant = await dormantMark(nodeDisk, home);
  const departure = await readDeparture(nodeDisk, home);
  const left = departure && { departure, hasArrived: await hasArrived(home, departure, asking) };
  return { ...(dormant === undefined ? {} : { dormant }), ...left };
}

function restLines(home: AgentHome, { dormant, departure, hasArrived: isThere }: Rest): string[] {
  const lines: string[] = [];
  if (dormant !== undefined) {
    const from = dormant.archive === "" ? "a backup" : dormant.archive;
    lines.push(`  home    sleeps: it is a copy from ${from} (ants activate wakes it)`);
  }
  if (departure !== undefined) {
    const { message, hint } = homeMoved(home, departure, isThere);
    lines.push(`  home    at rest: ${message}${hint === undefined ? "" : ` (${hint})`}`);
  }
  return lines;
}

/** The relay that answers and lacks most: what would be lost if it were the only one left. */
function furthestBehind({ relays }: AgentStatus): { url: string; events: number; oldestMs: number } | undefined {
  return relays.reduce<{ url: string; events: number; oldestMs: number } | undefined>((most, relay) => {
    if (relay.state !== "reached" || (most !== undefined && most.events >= relay.behind.events)) return most;
    return { url: relay.url, ...relay.behind };
  }, undefined);
}

interface BackupState {
  /** Whether there is one that names a target. */
  readonly plan: boolean;
  /** Why the plan cannot be read. */
  readonly fault?: { readonly code: string; readonly message: string };
  readonly archives: readonly { readonly tier: "hot" | "cold"; readonly timeMs: number; readonly targets: number }[];
  readonly verifiedMs?: number;
  /** Archives that their targets have lost, as far as this home has noticed. */
  readonly missing: number;
  readonly jobs: readonly { readonly job: string; readonly nextMs: number }[];
}

/** What the home remembers of its backups: no target is asked. */
async function backupsOf(home: AgentHome): Promise<BackupState> {
  const { state } = home.layout;
  const config = await readBackupConfig(nodeDisk, state).catch((error: unknown) => {
    // A slip in one file takes nothing else away.
    if (isAntsError(error)) return { fault: { code: error.code, message: error.message } };
    throw error;
  });
  const archives = await new Catalogue(nodeDisk, state).archives();
  const nowMs = systemClock.nowMs();
  const planned = "fault" in config ? [] : config.target.map(({ url }) => url);
  // A copy that somebody put elsewhere once is looked after by nobody, and may be gone by now.
  const counts = (url: string) => planned.length === 0 || planned.includes(url);
  const good = archives.flatMap((archive) => {
    const copies = [...archive.copies].filter(
      ([url, { failedMs, missingMs }]) => counts(url) && failedMs === undefined && missingMs === undefined,
    );
    return copies.length === 0 || isAhead(archive, nowMs) ? [] : [{ ...archive, targets: copies.length }];
  });
  const verified = archives.flatMap(({ copies }) =>
    [...copies].flatMap(([url, { verifiedMs }]) => (counts(url) ? (verifiedMs ?? []) : [])),
  );
  const records = await new RunRecords(nodeDisk, state).all();
  const states = "fault" in config ? [] : jobStates(scheduleOf(config, home.config.did), records, nowMs);
  return {
    missing: archives.filter(({ copies }) => [...copies.values()].some(({ missingMs }) => missingMs !== undefined))
      .length,
    ...("fault" in config ? { plan: false, fault: config.fault } : { plan: config.target.length > 0 }),
    archives: BACKUP_TIERS.flatMap((tier) => {
      const newest = good.findLast((archive) => archive.tier === tier);
      return newest === undefined ? [] : [{ tier, timeMs: newest.timeMs, targets: newest.targets }];
    }),
    ...(verified.length === 0 ? {} : { verifiedMs: Math.max(...verified) }),
    jobs: states.map(({ job, nextMs }) => ({ job, nextMs })),
  };
}

function penText(pen: AgentStatus["pen"], nowMs: number): string {
  switch (pen.at) {
    case "here":
      return `held here: ${pen.holder}`;
    case "elsewhere":
      return `elsewhere: ${turnText(pen.turn, nowMs)}, as ${pen.relay} says`;
    case "nowhere":
      return pen.turn === undefined
        ? "nobody's: nothing was published yet"
        : `nobody at work here; last held by ${turnText(pen.turn, nowMs)}`;
  }
}

function turnText({ epoch, label, instance, sinceMs }: Turn, nowMs: number): string {
  const who = label === undefined ? "an instance" : `"${label}"`;
  const since = sinceMs === undefined ? "" : `, claimed ${agoText(nowMs - sinceMs)}`;
  return `${who}${instance === undefined ? "" : ` (instance ${instance})`} in epoch ${epoch}${since}`;
}

function copyText(relay: RelayCopy): string {
  switch (relay.state) {
    case "reached":
      if (relay.ahead > 0) return `has ${eventsText(relay.ahead)} that this home lacks`;
      if (relay.behind.events === 0) return "has every event";
      return `lacks ${eventsText(relay.behind.events)}, the oldest ${lengthText(relay.behind.oldestMs)} old`;
    case "other-stream":
      return `is another log now (stream ${relay.now}): it counts for nothing`;
    case "unreachable":
      return `not reached: ${relay.why}`;
  }
}

/** How much of the agent is elsewhere than on this disk: its continuous backup. */
function copiesText(found: AgentStatus): string {
  const { relays, complete, quorum } = found;
  const whole = `the whole chain is at ${complete} of ${relays.length} relays (${quorum} are a quorum)`;
  const furthest = furthestBehind(found);
  if (furthest === undefined) return `${whole}; none of them was reached`;
  if (furthest.events === 0) return whole;
  return `${whole}; the furthest behind is ${furthest.url}, by ${eventsText(furthest.events)} and ${lengthText(furthest.oldestMs)}`;
}

function missingLines({ missing }: AgentStatus, { dormant, departure }: Rest): string[] {
  if (missing === undefined) return [];
  const way =
    departure !== undefined
      ? "it went on where it lives now"
      : `${dormant === undefined ? "the next ants publish" : "ants activate"} fetches them`;
  const span = missing.spanMs === undefined ? "" : ` and ${lengthText(missing.spanMs)}`;
  return [`  behind  this home, by ${eventsText(missing.events)}${span}: ${way}`];
}

function queuedText({ queued }: AgentStatus): string {
  const parts = queued.events.map(({ url, events }) => `${eventsText(events)} for ${url}`);
  if (queued.messages > 0) parts.push(queued.messages === 1 ? "1 message" : `${queued.messages} messages`);
  if (queued.drafts > 0) parts.push(`${eventsText(queued.drafts)} not signed yet (for the next turn of the pen)`);
  if (queued.damaged.length > 0)
    parts.push(`not readable any more: ${queued.damaged.join(", ")} (look at it, and remove it)`);
  return parts.length === 0 ? "nothing" : parts.join(", ");
}

/** Each with what is to be done about it: nothing brings it any more. */
function lostLines({ queued }: AgentStatus): string[] {
  return (queued.lost ?? []).map(
    ({ id, to }) =>
      `  lost    message ${id} to ${to.join(", ")}: its key was rotated away before their relays took it; send it anew (ants log cat --open shows it)`,
  );
}

function backupText({ plan, fault, archives, verifiedMs, missing }: BackupState, nowMs: number): string {
  const made = archives.map(({ tier, timeMs, targets }) => {
    const places = targets === 1 ? "1 target" : `${targets} targets`;
    return `${tier} ${lengthText(nowMs - timeMs)} old at ${places}`;
  });
  const read = verifiedMs === undefined ? "never read back" : `read back ${agoText(nowMs - verifiedMs)}`;
  const parts = made.length === 0 ? ["none"] : [...made, read];
  if (missing > 0)
    parts.push(`${missing} GONE from where ${missing === 1 ? "it was" : "they were"} stored (ants doctor)`);
  const lacks = fault === undefined ? "there is no plan (ants doctor)" : `the plan cannot be read: ${fault.message}`;
  return `${parts.join(", ")}${plan ? "" : `; ${lacks}`}`;
}

function eventsText(count: number): string {
  return count === 1 ? "1 event" : `${count} events`;
}

function agoText(ms: number): string {
  return ms < 60_000 ? "just now" : `${lengthText(ms)} ago`;
}

function inText(ms: number): string {
  return ms <= 0 ? "due now" : `in ${lengthText(ms)}`;
}
