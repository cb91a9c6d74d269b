import { rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { utf8 } from "../../../keys/bytes.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { EXIT } from "../../protocol/errors.js";
import type { CommandContext, CommandResult } from "../context.js";
import { Company } from "../demo/company.js";
import type { Isolation } from "../drill/bed.js";
import { bestIsolation, playAll, type ScenarioResult } from "../drill/drill.js";
import type { SshAddress } from "../drill/host-connection.js";
import { serveHost } from "../drill/host-service.js";
import { checkNewestBackup } from "../drill/newest-backup.js";
import { type DrillReport, reportHtml } from "../drill/report.js";
import { SCENARIOS } from "../drill/scenarios/index.js";
import type { Scenario } from "../drill/scenarios/scenario.js";
import { checkHosts, type GivenHosts } from "../drill/ssh-network.js";
import type { Check } from "../drill/stage.js";
import { painted } from "../text.js";
import { usageError } from "../usage.js";
import { VERSION } from "../version.js";

export interface DrillCommandOptions {
  readonly report?: string;
  readonly keep?: true;
  readonly only?: readonly string[];
  readonly isolation?: Isolation;
  readonly atOnce: number;
  readonly capture?: true;
  readonly verbose?: true;
  /** `--no-backup` */
  readonly backup: boolean;
  readonly phraseFile?: string;
  readonly hostA?: string;
  readonly hostB?: string;
  readonly listen?: string;
  readonly identity?: string;
  readonly sshConfig?: string;
  readonly remoteAnts: string;
  /** This process is the service of a drill that runs elsewhere. */
  readonly serve?: true;
}

/**
 * Restores the newest backup of the agent that lives here, where it has a plan for them, and throws it away; then plays
 * every way of losing a host with throw-away agents, on relays of its own: nothing of any other agent is touched.
 * Exit code 1 when something did not hold; the report says what.
 */
export async function drill(context: CommandContext, options: DrillCommandOptions): Promise<CommandResult> {
  const { out, env, signal } = context;
  if (options.serve === true) {
    await serveHost(context);
    return undefined;
  }
  const hosts = givenHosts(options, signal);
  const isolation = hosts === undefined ? (options.isolation ?? bestIsolation()) : "hosts";
  const wanted = chosen(options.only);
  const scenarios = wanted.filter(({ cuts }) => hosts === undefined || cuts !== true);
  if (scenarios.length === 0)
    throw usageError("none of these can be played on given hosts: their network is not the drill's to cut", "drill");
  const notPlayed = wanted
    .filter((scenario) => !scenarios.includes(scenario))
    .map(({ name, title }) => ({ name, title, why: "the network of given hosts is not the drill's to cut" }));
  if (hosts !== undefined) await checkHosts(hosts);
  const folder = await mkdtemp(join(tmpdir(), "ants-drill-"));
  const clearAway = (): void => {
    if (options.keep !== true) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  // A second Ctrl-C exits at once.
  process.once("exit", clearAway);
  const startedMs = Date.now();
  try {
    // Whatever settings the caller has for agents of its own, the drill's are these.
    const own = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("ANTS_")));
    await using company = new Company({ ...own, ANTS_ALLOW_EPHEMERAL: "1" }, signal);
    out.note(
      `${scenarios.length === 1 ? "1 scenario" : `${scenarios.length} scenarios`}, ${isolation === "hosts" ? "on given hosts" : `in ${isolation}`}`,
    );
    for (const { title, why } of notPlayed) if (!out.json) await out.line(`not played here: ${title} (${why})`);
    const newest = options.backup ? await checkNewestBackup(context, company, options) : undefined;
    if (newest !== undefined && !out.json) await out.line(checkLine(newest));
    const played = await playAll({
      scenarios,
      isolation,
      ...(hosts === undefined ? {} : { hosts }),
      folder,
      company,
      signal,
      atOnce: options.atOnce,
      capture: options.capture === true,
      onMoment: ({ name }, { seconds, what }) => {
        if (options.verbose === true) out.note(`${name} ${seconds.toFixed(2)} s: ${what}`);
      },
      onResult: (result) => (out.json ? undefined : tell(context, result)),
    });
    const results = played.scenarios;
    const checks = [...(newest === undefined ? [] : [newest]), ...played.checks];
    const passed = results.every((result) => result.passed) && checks.every(({ ok }) => ok);
    const report: DrillReport = {
      passed,
      startedAt: new Date(startedMs).toISOString(),
      seconds: Math.round((Date.now() - startedMs) / 100) / 10,
      software: `ants ${VERSION}`,
      isolation,
      scenarios: results,
      notPlayed,
      checks,
    };
    const written = options.report === undefined ? undefined : await write(resolve(options.report), report);
    await out.result({ ...report, ...(options.keep ? { folder } : {}), ...(written ? { report: written } : {}) }, [
      ...played.checks.map(checkLine),
      passed
        ? [painted("green", "The agent came back every time."), ` ${report.seconds.toFixed(1)} s.`]
        : [painted("red", "The drill failed."), " The report says where: --report DIR."],
      ...(written === undefined ? [] : [`report: ${written}`]),
      ...(options.keep ? [`everything is still in ${folder}`] : []),
    ]);
    return passed ? undefined : EXIT.failed;
  } finally {
    process.off("exit", clearAway);
    if (options.keep !== true) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function tell({ out }: CommandContext, result: ScenarioResult): Promise<void> {
  const { title, passed, seconds, checks, error } = result;
  const sign = painted(passed ? "green" : "red", passed ? "ok    " : "FAILED");
  await out.line([sign, `  ${title} (${seconds.toFixed(1)} s)`]);
  for (const check of checks) if (!check.ok) await out.line(checkLine(check));
  if (error !== undefined) await out.line(`        ${error}`);
}

function checkLine({ ok, what, found }: Check): string {
  return ok ? `ok      ${what} (${found})` : `FAILED  ${what}: ${found}`;
}

/** Both files, the page last: where it is, the report is whole. */
async function write(folder: string, report: DrillReport): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const page = join(folder, "report.html");
  const mode = { mode: 0o644 };
  await nodeDisk.replace(join(folder, "report.json"), utf8(`${JSON.stringify(report, null, 2)}\n`), mode);
  await nodeDisk.replace(page, utf8(reportHtml(report)), mode);
  return page;
}

/** Undefined where none are given: then the drill makes its own. Throws "usage". */
function givenHosts(options: DrillCommandOptions, signal: AbortSignal): GivenHosts | undefined {
  const { hostA, hostB, listen, identity, sshConfig, remoteAnts } = options;
  if (hostA === undefined && hostB === undefined) return undefined;
  if (hostA === undefined || hostB === undefined || listen === undefined)
    throw usageError("given hosts are two, --host-a and --host-b, and reach this machine at --listen ADDRESS", "drill");
  if (options.isolation !== undefined || options.capture === true)
    throw usageError("--isolation and --capture are for hosts that the drill makes itself", "drill");
  return {
    a: sshAddress(hostA),
    b: sshAddress(hostB),
    listen,
    ssh: {
      remoteAnts,
      signal,
      ...(identity === undefined ? {} : { identity }),
      ...(sshConfig === undefined ? {} : { config: sshConfig }),
    },
  };
}

/** [user@]host[:port], nothing that ssh could take for an option. */
const SSH_ADDRESS = /^(?<to>(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._-]*)(?::(?<port>\d{1,5}))?$/;

function sshAddress(text: string): SshAddress {
  const { to, port } = SSH_ADDRESS.exec(text)?.groups ?? {};
  if (to === undefined) throw usageError(`expected user@host or user@host:port, got ${text}`, "drill");
  return { to, ...(port === undefined ? {} : { port }) };
}

function chosen(only: readonly string[] | undefined): readonly Scenario[] {
  if (only === undefined) return SCENARIOS;
  const names: readonly string[] = SCENARIOS.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw usageError(`--only: expected one of ${names.join(", ")}, got ${unknown}`, "drill");
  return SCENARIOS.filter(({ name }) => only.includes(name));
}
