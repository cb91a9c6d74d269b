import type { SentMessage, SentTo } from "../../client/send-message.js";
import { EXIT } from "../../protocol/errors.js";
import { KIND, TAG_LABEL } from "../../protocol/event.js";
import { MAX_RECIPIENTS, MAX_TAGS } from "../../protocol/limits.js";
import { agentAtWork } from "../agent-at-work.js";
import type { CommandContext, CommandResult } from "../context.js";
import { readBody } from "../event-body.js";
import { relayUrl } from "../relay-url-option.js";
import { usageError } from "../usage.js";
import { atMost, tellWaiting } from "../waiting.js";

export interface SendCommandOptions {
  /** Recipients, and the text at the end unless it comes from a file. */
  readonly words: readonly string[];
  readonly file?: string;
  readonly kind: string;
  readonly tag?: readonly string[];
  readonly relay?: readonly string[];
  /** Seconds. */
  readonly timeout: number;
  readonly wait?: true;
  readonly takeover?: true;
  readonly vault?: string;
}

/** Sends one message, and says what became of it at every relay of every recipient. */
export async function send(context: CommandContext, options: SendCommandOptions): Promise<CommandResult> {
  const { signal } = context;
  const { file, kind, tag } = options;
  const [names, argument] = file === undefined ? [options.words.slice(0, -1), options.words.at(-1)] : [options.words];
  checkOptions(options, names);
  const via = options.relay?.map((url) => relayUrl(url, "send")) ?? [];
  const source = {
    stdin: process.stdin,
    command: "send",
    ...(argument === undefined ? {} : { argument }),
    ...(file === undefined ? {} : { file }),
  };
  // What cannot be read is found out before the pen is taken.
  const body = await readBody(source, signal);
  const timeoutMs = options.timeout * 1000;
  return agentAtWork(context, { ...options, timeoutMs }, async (agent) => {
    using _waiting = tellWaiting(context, () => `the relays of ${names.join(", ")}, ${atMost(timeoutMs)}`);
    const sent = await agent.send(names, body, {
      kind,
      via,
      deliverMs: timeoutMs,
      signal: AbortSignal.any([signal, AbortSignal.timeout(3 * timeoutMs)]),
      ...(tag === undefined ? {} : { tags: tag }),
    });
    return report(context, sent);
  });
}

async function report({ out }: CommandContext, { id, epoch, seq, recipients }: SentMessage): Promise<CommandResult> {
  const rows = recipients.map(({ relays, ...recipient }) => ({
    ...recipient,
    relays: Object.entries(relays).map(([url, result]) => ({
      url,
      state: result.state,
      ...("error" in result && result.error !== undefined ? { why: result.error.message } : {}),
    })),
  }));
  await out.result({ id, epoch, seq, recipients: rows }, [
    `${id} (seq ${seq}, epoch ${epoch})`,
    ...rows.flatMap(({ did, handle, delivered, relays }) => [
      `  ${handle === undefined ? did : `${handle} (${did})`}  ${delivered ? "delivered" : "not delivered yet"}`,
      ...relays.map(({ url, state, why }) => `    ${url}  ${state}${why === undefined ? "" : `: ${why}`}`),
    ]),
  ]);
  for (const { handle, did, stale } of recipients) {
    if (stale !== undefined)
      out.warn(`${handle ?? did} was not confirmed just now (${stale}): its key may be out of date`);
  }
  const left = recipients.filter(({ delivered }) => !delivered);
  if (left.length === 0) return undefined;
  out.warn(`${whoText(left)} not reached yet; the message is kept, and every later run of this agent tries again`);
  return EXIT.partlyDone;
}

function whoText(left: readonly SentTo[]): string {
  return left.length === 1 ? "one recipient is" : `${left.length} recipients are`;
}

function checkOptions({ kind, tag = [], file }: SendCommandOptions, names: readonly string[]): void {
  if (names.length === 0) {
    const what = file === undefined ? "a recipient and a text" : "a recipient";
    throw usageError(`expected ${what}: ants send <handle or DID> "text"`, "send");
  }
  if (names.length > MAX_RECIPIENTS) {
    throw usageError(`a message has at most ${MAX_RECIPIENTS} recipients, ${names.length} are named`, "send");
  }
  if (new Set(names).size < names.length) throw usageError("the same recipient is named twice", "send");
  if (!KIND.test(kind) || kind.startsWith("ants.")) {
    throw usageError(`--kind ${kind}: expected [a-z][a-z0-9.-]{0,63}, and nothing that begins with "ants."`, "send");
  }
  const unfit = tag.find((label) => !TAG_LABEL.test(label));
  if (unfit !== undefined) throw usageError(`--tag ${unfit}: expected [A-Za-z0-9._:/@+=#-]{1,64}`, "send");
  if (tag.length > MAX_TAGS) throw usageError(`at most ${MAX_TAGS} times --tag, ${tag.length} are named`, "send");
}
