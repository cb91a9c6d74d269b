import { nodeDisk } from "../../../keys/node/disk.js";
import { dormantMark } from "../../agent/dormant.js";
import { AgentHome } from "../../agent/home.js";
import { type Departure, readDeparture } from "../../agent/moved.js";
import { EXIT } from "../../protocol/errors.js";
import { hasArrived } from "../arrival.js";
import type { CommandContext, CommandResult } from "../context.js";
import { checkBackups } from "../doctor/backup-checks.js";
import { checklist, type Item } from "../doctor/checklist.js";
import { brokenBy, type Finding, type Level } from "../doctor/finding.js";
import { checkChain, checkHome, checkIdentity, checkVault, REPLACED_KEY_FIX } from "../doctor/home-checks.js";
import { checkRelays } from "../doctor/relay-checks.js";
import { painted, type Text } from "../text.js";

export interface DoctorOptions {
  readonly checklist?: true;
  /** Seconds for each relay. */
  readonly timeout: number;
  readonly vault?: string;
}

/** Looks at everything that has to be right. Changes nothing, asks nobody; exit code 1 when something is broken. */
export async function doctor(context: CommandContext, options: DoctorOptions): Promise<CommandResult> {
  const { out } = context;
  const findings = await examine(context, options);
  const isBroken = findings.some(({ level }) => level === "broken");
  const items = options.checklist === true ? checklist(findings) : undefined;
  await out.result({ ok: !isBroken, findings, ...(items === undefined ? {} : { checklist: items }) }, [
    ...(items === undefined ? findings.flatMap((finding) => findingLines(finding)) : itemLines(items)),
  ]);
  return isBroken ? EXIT.failed : undefined;
}

async function examine(context: CommandContext, options: DoctorOptions): Promise<Finding[]> {
  let home: AgentHome;
  try {
    home = await AgentHome.open(nodeDisk, context.home);
  } catch (error) {
    return [brokenBy("home", error)];
  }
  const asking = { timeoutMs: options.timeout * 1000, signal: context.signal };
  // A note that cannot be understood is a finding of its own, and says the same: the agent may have moved.
  const departure = await readDeparture(nodeDisk, home).catch(() => "unreadable" as const);
  const isThere =
    departure === undefined || departure === "unreadable" ? undefined : await hasArrived(home, departure, asking);
  const vault = await checkVault(context, home, options.vault);
  const rest = await restAdvice(home, departure, vault.isReplaced === true);
  const chain = await checkChain(home, vault.highWater, rest.atRest);
  const relays = await checkRelays(home, {
    head: chain.head,
    knownSeq:
      chain.finding.level === "broken" ? undefined : Math.max(chain.head?.seq ?? -1, vault.highWater?.seq ?? -1),
    ...asking,
    ...rest,
  });
  const backups =
    departure === undefined
      ? await checkBackups(context, home, {
          timeoutMs: asking.timeoutMs,
          ...(options.vault === undefined ? {} : { vault: options.vault }),
          ...(vault.recipients === undefined ? {} : { recipients: vault.recipients }),
        })
      : // They are made, and looked at, where the agent lives.
        [];
  return [
    ...(await checkHome(context, home, isThere === undefined ? {} : { hasArrived: isThere })),
    checkIdentity(home),
    ...vault.findings,
    chain.finding,
    ...relays,
    ...backups,
  ];
}

/** Whoever is at work elsewhere is this very agent, where it moved; taking the identity over would hurt it. */
async function restAdvice(
  home: AgentHome,
  departure: Departure | "unreadable" | undefined,
  isReplaced: boolean,
): Promise<{ readonly atRest?: string }> {
  if (departure !== undefined) return { atRest: "nothing here: this home's agent moved, and works where it lives now" };
  const isCopy = (await dormantMark(nodeDisk, home)) !== undefined;
  if (isCopy)
    return { atRest: "nothing here while it sleeps: ants activate reads them, and claims only if nobody is at work" };
  return isReplaced ? { atRest: REPLACED_KEY_FIX } : {};
}

const MARKS = {
  ok: ["green", "ok"],
  advice: ["yellow", "advice"],
  broken: ["red", "broken"],
} as const satisfies Record<Level, readonly [string, string]>;

function findingLines({ check, level, found, fix }: Finding): Text[] {
  const [colour, word] = MARKS[level];
  const line = [painted(colour, word.padEnd(6)), `  ${check}: ${found}`];
  return fix === undefined ? [line] : [line, `        fix: ${fix}`];
}

function itemLines(items: readonly Item[]): Text[] {
  const marks = {
    yes: painted("green", "yes  "),
    no: painted("red", "no   "),
    library: painted("dim", "lib  "),
    later: painted("dim", "later"),
  };
  return items.map(({ group, item, state, why }) => [marks[state], `  ${group}: ${item} (${why})`]);
}
