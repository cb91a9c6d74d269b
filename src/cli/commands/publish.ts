import type { JsonObject } from "../../../keys/canonical.js";
import { isDid } from "../../../keys/did.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { systemClock } from "../../../keys/ports.js";
import type { Agent } from "../../agent/open-agent.js";
import type { Durability, Publication, PublishDraft } from "../../client/publication.js";
import { EXIT } from "../../protocol/errors.js";
import { type ChainHead, KIND, TAG_LABEL } from "../../protocol/event.js";
import { MAX_RECIPIENTS, MAX_TAGS } from "../../protocol/limits.js";
import { agentAtWork } from "../agent-at-work.js";
import type { CommandContext, CommandResult } from "../context.js";
import { queueDrafts } from "../draft-queueing.js";
import { type BodyInput, type BodySource, openLines, readBodies, readBody } from "../event-body.js";
import type { Output } from "../output.js";
import { usageError } from "../usage.js";
import { atMost, tellWaiting } from "../waiting.js";

export interface PublishCommandOptions {
  readonly body?: string;
  readonly file?: string;
  readonly lines?: true;
  readonly kind: string;
  readonly to?: readonly string[];
  readonly tag?: readonly string[];
  readonly private?: true;
  readonly durability: Durability;
  /** Seconds. */
  readonly timeout: number;
  readonly takeover?: true;
  readonly wait?: true;
  /** Keep it for the next turn where there is no quorum. */
  readonly queue?: true;
  readonly vault?: string;
}

/** Events of --lines that may wait for their durability: four full batches keep every relay busy. */
const MAX_WAITING = 1_024;
/** The durability is reached; relays that are about to answer get this long, so that the report is of use. */
const LAGGARDS_MS = 1_000;
const LOOK_AGAIN_MS = 20;

/** Publishes one event, or with --lines one a line as the lines come. Reports what every relay did. */
export async function publish(context: CommandContext, options: PublishCommandOptions): Promise<CommandResult> {
  checkOptions(options);
  const source: BodySource = {
    stdin: process.stdin,
    ...(options.body === undefined ? {} : { argument: options.body }),
    ...(options.file === undefined ? {} : { file: options.file }),
  };
  // A body that cannot be read is found out before the pen is taken.
  const body = options.lines === true ? undefined : await readBody(source, context.signal);
  const lines = options.lines === true ? await openLines(source) : undefined;
  const timeoutMs = options.timeout * 1000;
  try {
    const atWork = { ...options, timeoutMs, unlessAllRefuse: options.queue === true && options.wait !== true };
    return await agentAtWork(context, atWork, async (agent) => {
      if (body !== undefined) return publishOne(context, options, agent, body);
      if (lines !== undefined) await publishLines(context, options, agent, lines);
      return undefined;
    });
  } catch (error) {
    if (options.queue !== true || !isAntsError(error, "no-quorum")) throw lossFirst(error);
    const bodies = body === undefined ? readBodies(lines!, context.signal) : [body];
    return queueDrafts(context, bodies, (each) => draftOf(options, each), error);
  }
}

/** Whoever lost the pen has to stop: that comes before what became of the last events, which the next turn shows. */
function lossFirst(error: unknown): unknown {
  if (!isAntsError(error, "publish-unknown") || !isAntsError(error.cause, "pen-lost")) return error;
  const { cause } = error;
  return new AntsError(cause.code, `${cause.message}; ${error.message}`, {
    cause: error,
    details: { ...cause.details, ...error.details },
    ...(cause.hint === undefined ? {} : { hint: cause.hint }),
  });
}

async function publishOne(
  context: CommandContext,
  options: PublishCommandOptions,
  agent: Agent,
  body: JsonObject,
): Promise<CommandResult> {
  const { out, signal } = context;
  const { durability, timeout } = options;
  let published: Published;
  /** Why nobody waits any longer for a durability that is not reached. */
  let late: unknown;
  using _waiting = tellWaiting(context, () => missingText(agent, timeout));
  try {
    published = await agent.publisher.publish([draftOf(options, body)], {
      durability,
      signal: AbortSignal.any([signal, lateAfter(options)]),
    });
    await laggards(agent, signal);
  } catch (error) {
    if (!isAntsError(error, "publish-unknown") || signal.aborted) throw error;
    late = error;
    published = { events: [agent.pen.head], relays: error.details.relays as Publication["relays"] };
  }
  const relays = relayReport(agent, published);
  const { id, epoch, seq } = published.events[0]!;
  const committed = agent.pen.committedSeq >= seq;
  await out.result({ did: agent.did, id, epoch, seq, durability, reached: late === undefined, committed, relays }, [
    `${id} (seq ${seq}, epoch ${epoch})`,
    ...relays.map(({ url, stored, why }) => `  ${url}  ${stored ? "on disk" : `not yet: ${why} (kept in the outbox)`}`),
  ]);
  if (late === undefined) return undefined;
  if (!committed) throw late;
  const wanted = durability === "all" ? "every relay" : "the relay";
  out.warn(`not on ${wanted} within ${timeout} s; a quorum has it, so it stays: do not publish it again`);
  return EXIT.partlyDone;
}

/** Which relays lack something, while they are waited for. */
function missingText({ publisher }: Agent, timeout: number): string {
  const lacking = publisher.relays().filter(({ behind }) => behind > 0);
  const which = lacking.length === 0 ? "the relays" : lacking.map(({ url }) => url).join(", ");
  return `${which} to have it on disk, ${atMost(timeout * 1000)}`;
}

/** What is known of a publication, also of one that nobody waits for any longer. */
interface Published extends Pick<Publication, "relays"> {
  readonly events: readonly ChainHead[];
}

async function publishLines(
  context: CommandContext,
  options: PublishCommandOptions,
  agent: Agent,
  input: BodyInput,
): Promise<void> {
  const { out, signal } = context;
  const failed = new AbortController();
  const reading = AbortSignal.any([signal, failed.signal]);
  /** One for each event whose turn to be reported has not come, in order. */
  const reports: Promise<void>[] = [];
  let last: Promise<void> = Promise.resolve();
  let events = 0;
  /** Of the input: that of the last body that was read, and that of the body whose turn to be reported it is. */
  let readLine = 0;
  let reportedLine = 0;
  const onLine = (number: number) => {
    readLine = number;
  };
  let stopped: unknown;
  try {
    for await (const body of readBodies(input, reading, onLine)) {
      const line = readLine;
      const publication = agent.publisher.publish([draftOf(options, body)], {
        durability: options.durability,
        signal: AbortSignal.any([signal, lateAfter(options)]),
      });
      // Awaited in its turn; one that fails before must not count as unhandled.
      publication.catch(() => {});
      last = last.then(async () => {
        reportedLine = line;
        const [event] = (await publication).events;
        events += 1;
        if (out.json) await out.value({ id: event!.id, seq: event!.seq, epoch: event!.epoch });
      });
      last.catch((error: unknown) => failed.abort(error));
      reports.push(last);
      if (reports.length >= MAX_WAITING) await reports.shift();
    }
  } catch (error) {
    stopped = error;
  }
  // A line that cannot be published does not take the report of those before it away.
  using _waiting = tellWaiting(context, () => missingText(agent, options.timeout));
  const unpublished: unknown = await last.then(
    () => undefined,
    (error: unknown) => error,
  );
  await laggards(agent, signal);
  await reportLines(out, agent, events);
  if (unpublished !== undefined) {
    out.warn(
      `line ${reportedLine} is the first that is not known to be published; what ants log cat shows of it and of later ones is signed already`,
    );
    throw unpublished;
  }
  if (stopped !== undefined) throw stopped;
}

async function reportLines(out: Output, agent: Agent, events: number): Promise<void> {
  if (out.json) return;
  await out.line(`${events} events (up to seq ${agent.pen.head.seq})`);
  for (const { url, behind } of agent.publisher.relays()) {
    await out.line(`  ${url}  ${behind === 0 ? "on disk" : `lacks ${behind} (kept in the outbox)`}`);
  }
}

interface RelayReport {
  readonly url: string;
  readonly stored: boolean;
  /** Position in the relay's log, where it was acknowledged in time. */
  readonly at?: number;
  readonly why?: string;
}

/** What became of the event at each relay: what its publication knew, and what has come since. */
function relayReport(agent: Agent, publication: Published): RelayReport[] {
  const { seq } = publication.events[0]!;
  return agent.publisher.relays().map(({ url, acknowledgedSeq, status }) => {
    const result = publication.relays[url];
    if (result?.state === "acknowledged") {
      const [at] = result.at;
      return { url, stored: true, ...(at === undefined ? {} : { at }) };
    }
    if (acknowledgedSeq >= seq) return { url, stored: true };
    const error = "error" in status ? status.error : undefined;
    return {
      url,
      stored: false,
      why: error?.message ?? (status.state === "wrong-stream" ? "it has another log now" : "no answer yet"),
    };
  });
}

/** Waits a moment for relays that are being sent to, and not at all for those that cannot be reached. */
async function laggards(agent: Agent, signal: AbortSignal): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + LAGGARDS_MS;
  const underWay = (): boolean =>
    agent.publisher
      .relays()
      .some(
        ({ status }) => status.state === "sending" || (status.state === "unreachable" && status.error === undefined),
      );
  while (underWay() && !signal.aborted && systemClock.monotonicMs() < deadlineMs) {
    // An interruption ends the waiting, and the report is given all the same.
    await systemClock.sleep(LOOK_AGAIN_MS, signal).catch(() => {});
  }
}

function lateAfter({ timeout }: PublishCommandOptions): AbortSignal {
  return AbortSignal.timeout(timeout * 1000);
}

function draftOf(options: PublishCommandOptions, body: JsonObject): PublishDraft {
  const { kind, to, tag } = options;
  return {
    kind,
    body,
    ...(to === undefined ? {} : { to }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(options.private === true ? { private: true } : {}),
  };
}

function checkOptions({ kind, to, tag }: PublishCommandOptions): void {
  if (!KIND.test(kind)) throw usageError(`--kind ${kind}: expected [a-z][a-z0-9.-]{0,63}`, "publish");
  if (kind.startsWith("ants."))
    throw usageError(`--kind ${kind}: kinds that begin with "ants." are the protocol's own`, "publish");
  const wrong = to?.find((did) => !isDid(did));
  if (wrong !== undefined) throw usageError(`--to ${wrong}: expected did:ants:… with 52 characters`, "publish");
  const unfit = tag?.find((label) => !TAG_LABEL.test(label));
  if (unfit !== undefined) throw usageError(`--tag ${unfit}: expected [A-Za-z0-9._:/@+=#-]{1,64}`, "publish");
  checkList("--to", to ?? [], MAX_RECIPIENTS);
  checkList("--tag", tag ?? [], MAX_TAGS);
}

function checkList(option: string, values: readonly string[], max: number): void {
  if (new Set(values).size < values.length) throw usageError(`the same ${option} is named twice`, "publish");
  if (values.length > max) throw usageError(`at most ${max} times ${option}, ${values.length} are named`, "publish");
}
