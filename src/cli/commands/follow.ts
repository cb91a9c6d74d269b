import { hex } from "../../../keys/bytes.js";
import { canonicalize } from "../../../keys/canonical.js";
import { isDid } from "../../../keys/did.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { AgentHome } from "../../agent/home.js";
import type { AuthLine } from "../../client/connection.js";
import { type FollowOptions, follow as followRelays } from "../../client/follow.js";
import { errorOfProblem, type ProblemItem } from "../../client/follow-item.js";
import { systemPorts } from "../../client/ports.js";
import { createAuth } from "../../protocol/auth.js";
import { parseCursor } from "../../protocol/cursor.js";
import { EXIT } from "../../protocol/errors.js";
import { KIND, TAG_LABEL } from "../../protocol/event.js";
import type { Filter } from "../../protocol/filter.js";
import type { CommandContext, CommandResult } from "../context.js";
import { FollowPrinter } from "../follow-printer.js";
import { FollowStateFile } from "../follow-state-file.js";
import { relayUrl } from "../relay-url-option.js";
import { unlock } from "../unlock.js";
import { usageError } from "../usage.js";

export interface FollowCommandOptions {
  readonly relay?: readonly string[];
  readonly after?: string;
  readonly state?: string;
  readonly did?: readonly string[];
  readonly kind?: readonly string[];
  readonly tag?: readonly string[];
  readonly untilCaughtUp?: true;
  readonly asAgent?: true;
  readonly vault?: string;
}

/**
 * Prints events of several relays as one stream. With --did the chains of these authors are read whole, so that gaps
 * show and the order is theirs, and --kind and --tag choose what is printed; without it the relays do the choosing.
 */
export async function follow(context: CommandContext, options: FollowCommandOptions): Promise<CommandResult> {
  const { out, signal } = context;
  checkOptions(options);
  const home =
    options.relay === undefined || options.asAgent ? await AgentHome.open(nodeDisk, context.home) : undefined;
  const relays =
    options.relay?.map((url) => relayUrl(url, "follow")) ??
    home!.identity.newest?.op.relays.map(({ url }) => url) ??
    [];
  const reader = options.asAgent === true ? await readAs(context, home!, options) : undefined;
  const { did: dids, kind: kinds, tag: tags } = options;
  const chosen = { ...(kinds === undefined ? {} : { kinds }), ...(tags === undefined ? {} : { tags }) };
  const filter: Filter = dids === undefined ? chosen : { dids };
  const file =
    options.state === undefined
      ? undefined
      : await FollowStateFile.open(options.state, canonicalize(dids === undefined ? chosen : { dids, ...chosen }));
  const printer = new FollowPrinter(out, chosen);
  const done = new Set<string>();
  let lastStop: ProblemItem | undefined;
  const following = followRelays({
    relays,
    filter,
    signal,
    live: options.untilCaughtUp !== true,
    ...afterOf(options, relays),
    ...(file?.state === undefined ? {} : { state: file.state }),
    ...(reader === undefined ? {} : { authLine: reader.authLine }),
    ...(home === undefined ? {} : { identities: home.identity.operations() }),
  });
  file?.watch(following);
  try {
    for await (const item of following) {
      file?.taken();
      await printer.print(item);
      file?.printed();
      if (item.type === "caught-up") done.add(item.relay);
      if (item.type === "problem" && item.relayIs === "stopped") lastStop = item;
      signal.throwIfAborted();
    }
  } finally {
    await following.close();
    await file?.flush();
    reader?.close();
  }
  if (options.untilCaughtUp !== true || done.size === relays.length) return undefined;
  if (done.size > 0) return EXIT.partlyDone;
  throw lastStop === undefined
    ? new AntsError("relay-unreachable", "no relay could be read")
    : errorOfProblem(lastStop);
}

interface Reader {
  readonly authLine: AuthLine;
  close(): void;
}

/** Who reads, for events that are addressed to it. */
async function readAs(context: CommandContext, home: AgentHome, options: FollowCommandOptions): Promise<Reader> {
  const { did } = home.config;
  const { vault } = await unlock(context, did, options);
  const { clock, random } = systemPorts;
  const instance = hex(random.bytes(8));
  return {
    authLine: ({ relay, challenge }) =>
      createAuth({ did, instance, relay, challenge, timeMs: clock.nowMs(), seed: vault.content.signSeed }),
    close: () => vault.close(),
  };
}

function afterOf({ after }: FollowCommandOptions, relays: readonly string[]): Pick<FollowOptions, "after"> {
  if (after === undefined) return {};
  if (after === "start" || after === "head") return { after };
  return { after: { [relays[0]!]: after } };
}

function checkOptions({ relay, after, did, kind, tag }: FollowCommandOptions): void {
  const wrong = (option: string, value: string, expected: string): AntsError =>
    usageError(`--${option} ${value}: expected ${expected}`, "follow");
  const urls = (relay ?? []).map((url) => relayUrl(url, "follow"));
  if (new Set(urls).size < urls.length) throw usageError("the same --relay is named twice", "follow");
  for (const text of did ?? []) if (!isDid(text)) throw wrong("did", text, "did:ants:…");
  for (const text of kind ?? []) if (!KIND.test(text)) throw wrong("kind", text, "[a-z][a-z0-9.-]{0,63}");
  for (const text of tag ?? []) if (!TAG_LABEL.test(text)) throw wrong("tag", text, "[A-Za-z0-9._:/@+=#-]{1,64}");
  if (after === undefined || after === "start" || after === "head") return;
  try {
    parseCursor(after);
  } catch (error) {
    if (isAntsError(error, "cursor-syntax"))
      throw wrong("after", after, '"start", "head", or a cursor as a relay gave it');
    throw error;
  }
  if (relay?.length !== 1) throw usageError("a cursor is a place in one relay's log: name that one --relay", "follow");
}
