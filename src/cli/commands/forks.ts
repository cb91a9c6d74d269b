import { AntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { AgentHome } from "../../agent/home.js";
import { type ForkSurvey, surveyForks } from "../../client/forks.js";
import type { IdentityLog } from "../../client/identity-log.js";
import { systemPorts } from "../../client/ports.js";
import { RelayPool } from "../../client/relay-pool.js";
import { EXIT } from "../../protocol/errors.js";
import { verifyFork } from "../../protocol/fork.js";
import type { CommandContext, CommandResult } from "../context.js";
import { forkJson, forkLines } from "../fork-text.js";
import { readPasted } from "../pasted.js";
import { relayUrl } from "../relay-url-option.js";
import { resolverOf } from "../resolving.js";
import { usageError } from "../usage.js";
import { atMost, tellWaiting } from "../waiting.js";

export interface ForksCommandOptions {
  /** A handle or DID; this home's agent unless given. */
  readonly name?: string;
  /** A file with two lines to verify, "-" for standard input. */
  readonly verify?: string;
  readonly relay?: readonly string[];
  readonly allowPrivate?: true;
  /** Seconds for each relay. */
  readonly timeout: number;
}

/** Shows where one key of an agent wrote two events into one place, with the lines that prove it. */
export async function forks(context: CommandContext, options: ForksCommandOptions): Promise<CommandResult> {
  if (options.verify !== undefined) return verify(context, options.verify, options.name);
  const { out } = context;
  const log = await identityOf(context, options);
  const urls = options.relay?.map((url) => relayUrl(url, "forks")) ?? [];
  const survey = await readAll(context, log, urls, options.timeout * 1000);
  const { did } = log;
  await out.result({ did, ...surveyJson(survey) }, [
    survey.forks.length === 0 ? `no fork of ${did} is known to ${readBy(survey)}` : `forks of ${did}:`,
    ...survey.forks.flatMap((fork) => forkLines(fork)),
  ]);
  return tellFailed(context, survey);
}

/** Asks every relay of an agent; throws "relay-unreachable" where none answers. */
export async function readAll(
  context: CommandContext,
  log: IdentityLog,
  urls: readonly string[],
  timeoutMs: number,
): Promise<ForkSurvey> {
  const { signal } = context;
  const pool = new RelayPool(systemPorts);
  using _waiting = tellWaiting(context, () => `the relays of ${log.did}, ${atMost(timeoutMs)} for each`);
  try {
    const survey = await surveyForks({ did: log.did, log, urls, pool, ports: systemPorts, timeoutMs, signal });
    if (survey.relays.some(({ state }) => state === "read")) return survey;
    const [first] = survey.relays.flatMap((relay) => (relay.state === "failed" ? [relay.error] : []));
    throw new AntsError("relay-unreachable", `no relay of ${log.did} could be asked for forks`, {
      hint: "check the network, or name a relay that has this agent with --relay",
      ...(first === undefined ? {} : { cause: first }),
      details: { did: log.did, relays: survey.relays.map(({ url }) => url) },
    });
  } finally {
    await pool.close();
  }
}

/** Says which relays could not be asked; the exit code that this calls for. */
export function tellFailed({ out }: CommandContext, { relays }: ForkSurvey): CommandResult {
  const failed = relays.flatMap((relay) => (relay.state === "failed" ? [relay] : []));
  for (const { url, error } of failed) out.warn(`${url} could not be asked: ${error.message}`);
  return failed.length === 0 ? undefined : EXIT.partlyDone;
}

function readBy({ relays }: ForkSurvey): string {
  const count = relays.filter(({ state }) => state === "read").length;
  return count === 1 ? "the relay that answered" : `the ${count} relays that answered`;
}

function surveyJson({ forks, relays }: ForkSurvey) {
  return {
    forks: forks.map(({ proof, relays, isHealed }) => {
      const { did: _, ...fork } = forkJson(proof);
      return { ...fork, healed: isHealed, relays };
    }),
    relays: relays.map((relay) =>
      relay.state === "read" ? relay : { url: relay.url, state: relay.state, code: relay.error.code },
    ),
  };
}

/** The identity log of whoever is asked for. Throws "agent-unknown". */
async function identityOf(context: CommandContext, options: ForksCommandOptions): Promise<IdentityLog> {
  const { name, relay, allowPrivate } = options;
  if (name === undefined) return (await AgentHome.open(nodeDisk, context.home)).identity;
  const resolving = {
    ...(relay === undefined ? {} : { relay }),
    ...(allowPrivate === undefined ? {} : { allowPrivate }),
  };
  const result = await (await resolverOf(context, resolving, "forks")).resolve(name, { signal: context.signal });
  if ("log" in result) return result.log;
  throw new AntsError("agent-unknown", `${name} is ${result.status}${"why" in result ? `: ${result.why}` : ""}`, {
    hint: `ants resolve ${name} says who was asked; --relay names another relay to ask`,
    details: { name, status: result.status },
  });
}

/** Verifies two lines alone: no relay, no home, no identity log. */
async function verify({ out }: CommandContext, file: string, name: string | undefined): Promise<CommandResult> {
  if (name !== undefined) throw usageError("name an agent, or a file with --verify, not both", "forks");
  const lines = (await readPasted(file)).split("\n").filter((line) => line !== "");
  const [a, b] = lines;
  if (a === undefined || b === undefined || lines.length > 2) {
    throw usageError(`--verify ${file}: expected two lines, an event each, got ${lines.length}`, "forks");
  }
  const proof = verifyFork(a, b);
  const { epoch, seq, key, did } = proof;
  await out.result({ verified: true, ...forkJson(proof) }, [
    `it is a fork: ${key} signed two events of ${did} for epoch ${epoch}, seq ${seq}`,
    "whether that key was the agent's own is in its identity log (ants resolve)",
  ]);
  return undefined;
}
