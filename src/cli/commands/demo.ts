import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Did } from "../../../keys/did.js";
import { AntsError } from "../../../keys/errors.js";
import { systemClock } from "../../../keys/ports.js";
import type { CommandContext, CommandResult } from "../context.js";
import { type Audit, auditRelay } from "../demo/audit.js";
import { Company } from "../demo/company.js";
import { Reader } from "../demo/reader.js";
import { RelayProcess } from "../demo/relay-process.js";
import { Story } from "../demo/story.js";
import { Writer } from "../demo/writer.js";
import { agentHead } from "../relay-info.js";
import { painted } from "../text.js";

export interface DemoOptions {
  readonly events: number;
  readonly keep?: true;
}

const KIND = "demo";
/** A relay that was away is dialled again after 30 s at the latest. */
const CATCH_UP_MS = 40_000;
const LOOK_AGAIN_MS = 50;

/**
 * Three relays, an agent and a reader, each a process of its own; one relay is killed amid the work and started again,
 * the reader is stopped and resumed. Then every line on every relay is checked by this process, which believes none of
 * the others. Throws AntsError "demo-failed" or "audit-failed" when anything is missing, doubled or out of order.
 */
export async function demo(context: CommandContext, options: DemoOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const story = new Story(out);
  // An agent that lives as long as the demo may live where nothing lasts; a real one is refused there.
  const folder = await mkdtemp(join(tmpdir(), "ants-demo-"));
  const clearAway = (): void => {
    if (options.keep !== true) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  // A second Ctrl-C exits at once.
  process.once("exit", clearAway);
  try {
    const env = await unattended(context.env, folder);
    await using company = new Company(env, signal);
    const result = await play(company, signal, story, folder, options.events);
    await out.result(
      { ...result, seconds: story.seconds, moments: story.moments, ...(options.keep ? { folder } : {}) },
      [
        "",
        [
          painted("green", "Nothing missing, nothing doubled, nothing out of order."),
          ` ${story.seconds.toFixed(1)} s.`,
        ],
        ...(options.keep ? [`Everything is still in ${folder}`] : []),
      ],
    );
    return undefined;
  } finally {
    process.off("exit", clearAway);
    if (options.keep !== true) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function play(company: Company, signal: AbortSignal, story: Story, folder: string, events: number) {
  const home = join(folder, "agent");
  const relays = [1, 2, 3].map((n) => new RelayProcess(`relay-${n}`, folder, company));
  const [, second] = relays as [RelayProcess, RelayProcess, RelayProcess];

  await Promise.all(relays.map((relay) => relay.start()));
  await story.tell(`three relays are running, a process each: ${relays.map(({ url }) => url).join(" ")}`);
  const everywhere = relays.flatMap(({ url }) => ["--relay", url]);

  const did = await keygen(["--home", home, ...everywhere, "--phrase-file", join(folder, "words")], company);
  await story.tell(`an agent: ${did}; its key is in an encrypted vault, its 24 words in a file`);

  const reading = [
    ...everywhere,
    "--did",
    did,
    "--kind",
    KIND,
    "--after",
    "start",
    "--state",
    join(folder, "reader.json"),
  ];
  const first = new Reader(reading, company);
  const writer = new Writer(["--home", home, "--kind", KIND], events, company);
  const writing = writer.write();
  // Awaited at the end; when something else fails first, that is what is told.
  writing.catch(() => {});
  const upTo = async (share: number): Promise<number> => {
    await writer.reached(Math.floor(events * share));
    return writer.committed.length;
  };

  await story.tell(`the agent publishes ${events} events, and a reader follows all three relays`);
  const atKill = await upTo(0.4);
  await second.kill();
  await story.tell(`${second.name} was killed with SIGKILL, after ${atKill} events; the other two are a quorum`);
  await first.stopAfter(Math.floor(events * 0.3));
  await story.tell(`the reader was stopped after ${first.numbers.length} events; its place is in reader.json`);
  const atRestart = await upTo(0.7);
  const { position } = await second.start();
  await story.tell(`${atRestart} events are committed; ${second.name} is back, with ${position} entries from before`);
  await writing;
  await caughtUp(relays, did, signal);
  await writer.end();
  await story.tell(`all ${events} events are committed, and ${second.name} was given what it had missed`);

  const resumed = new Reader([...reading, "--until-caught-up"], company);
  await resumed.finish();
  await story.tell(`the reader went on from its file and read ${resumed.numbers.length} more`);

  await story.heading("Checked here, line by line:");
  const audits = await Promise.all(relays.map(({ url }) => auditRelay(url, did, KIND, signal)));
  for (const [index, audit] of audits.entries()) await tellAudit(story, relays[index]!.name, audit, writer.committed);
  const numbers = [...first.numbers, ...resumed.numbers];
  requireCounted(numbers, events);
  await story.tell(`the reader: ${first.numbers.length} + ${resumed.numbers.length} events, in order, none twice`);

  await Promise.all(relays.map((relay) => relay.stop()));
  return {
    did,
    events,
    relays: audits.map(({ entries, signatures, events: held }, index) => ({
      name: relays[index]!.name,
      events: held.length,
      entries,
      signatures,
    })),
    reader: { before: first.numbers.length, after: resumed.numbers.length },
  };
}

/** What lets every command work without a person: a passphrase in a file, and leave to work in a temporary folder. */
async function unattended(env: CommandContext["env"], folder: string) {
  const passphrase = join(folder, "passphrase");
  await writeFile(passphrase, randomBytes(24).toString("base64"), { mode: 0o600 });
  // Whatever settings the caller has for agents of its own, the demo's are these.
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("ANTS_")));
  const data = join(folder, "data");
  return { ...own, ANTS_PASSPHRASE_FILE: passphrase, ANTS_ALLOW_EPHEMERAL: "1", XDG_DATA_HOME: data };
}

async function keygen(args: readonly string[], company: Company): Promise<Did> {
  const lines: string[] = [];
  const child = company.start(["keygen", "--json", ...args], (line) => lines.push(line));
  await child.expectExit(0);
  return (JSON.parse(lines.join("")) as { did: Did }).did;
}

/** Resolves when every relay has the same newest event of the agent. */
async function caughtUp(relays: readonly RelayProcess[], did: Did, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CATCH_UP_MS)]);
  for (;;) {
    const heads = await Promise.all(relays.map(({ url }) => agentHead(url, did, limit)));
    if (new Set(heads.map((head) => head?.id)).size === 1) return;
    await systemClock.sleep(LOOK_AGAIN_MS, limit).catch(() => {
      signal.throwIfAborted();
      throw failed(
        `after ${CATCH_UP_MS / 1000} s the relays stand at seq ${heads.map((head) => head?.seq).join(", ")}`,
      );
    });
  }
}

async function tellAudit(story: Story, name: string, audit: Audit, committed: readonly string[]): Promise<void> {
  if (audit.events.length !== committed.length || audit.events.some((id, index) => id !== committed[index])) {
    throw failed(
      `${name} holds ${audit.events.length} events that are not the ${committed.length} committed ones, in order`,
    );
  }
  await story.tell(
    `${name}: ${audit.events.length} events, each once, in order; ${audit.signatures} signatures verified; ` +
      `its signed tree head is the root of its ${audit.treeSize} entries`,
  );
}

function requireCounted(numbers: readonly number[], events: number): void {
  const wrong = numbers.findIndex((number, index) => number !== index);
  if (wrong !== -1) throw failed(`the reader got event ${numbers[wrong]} where ${wrong} was due`);
  if (numbers.length !== events) throw failed(`the reader got ${numbers.length} of ${events} events`);
}

function failed(message: string): AntsError {
  return new AntsError("demo-failed", message, {
    hint: "ants demo --keep leaves the files; please report this with them",
  });
}
