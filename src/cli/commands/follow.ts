import { hex } from "../../../keys/bytes.js";
import { canonicalize } from "../../../keys/canonical.js";
import { isDid } from "../../../keys/did.js";
import { AntsError, isAntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { AgentHome } from "../../agent/home.js";
import type { AuthLine } from "../../client/connection.js";
import { type FollowedAgent, type FollowOptions, follow as followRelays } from "../../client/follow.js";
import { errorOfProblem, type ProblemItem } from "../../client/follow-item.js";
import type { FollowState } from "../../client/follow-state.js";
import { systemPorts } from "../../client/ports.js";
import { isPrivateHost } from "../../client/private-hosts.js";
import { createAuth } from "../../protocol/auth.js";
import { parseCursor } from "../../protocol/cursor.js";
import { EXIT } from "../../protocol/errors.js";
import { KIND, TAG_LABEL } from "../../protocol/event.js";
import type { Filter } from "../../protocol/filter.js";
import type { CommandContext, CommandResult } from "../context.js";
import { FollowPrinter } from "../follow-printer.js";
import { FollowStateFile } from "../follow-state-file.js";
import { allowsPrivate } from "../places.js";
import { relayUrl } from "../relay-url-option.js";
import { resolverOf } from "../resolving.js";
import { unlock } from "../unlock.js";
import { usageError } from "../usage.js";

export interface FollowCommandOptions {
  /** Agents to follow wherever they are: DIDs or handles. */
  readonly agents?: readonly string[];
  readonly allowPrivate?: true;
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
  const { agents: names = [] } = options;
  const home =
    (options.relay === undefined && names.length === 0) || options.asAgent
      ? await AgentHome.open(nodeDisk, context.home)
      : undefined;
  const relays =
    options.relay?.map((url) => relayUrl(url, "follow")) ??
    (names.length > 0 ? [] : (home!.identity.newest?.op.relays.map(({ url }) => url) ?? []));
  const reader = options.asAgent === true ? await readAs(context, home!, options) : undefined;
  const { did: dids, kind: kinds, tag: tags } = options;
  const allowPrivate = options.allowPrivate ?? allowsPrivate(context.env);
  const chosen = { ...(kinds === undefined ? {} : { kinds }), ...(tags === undefined ? {} : { tags }) };
  const file =
    options.state === undefined
      ? undefined
      : await FollowStateFile.open(
          options.state,
          canonicalize({
            ...(dids === undefined ? {} : { dids }),
            ...chosen,
            ...(names.length === 0 ? {} : { agents: [...names] }),
          }),
        );
  const agents = await Promise.all(names.map((name) => found(context, options, name, file?.state)));
  const filter: Filter =
    names.length > 0 ? { dids: agents.map(({ did }) => did) } : dids === undefined ? chosen : { dids };
  const printer = new FollowPrinter(out, chosen);
  const done = new Set<string>();
  let lastStop: ProblemItem | undefined;
  const following = followRelays({
    relays,
    filter,
    signal,
    ...(agents.length === 0 ? {} : { agents }),
    ...(allowPrivate ? { mayDial: (url: string) => url.startsWith("wss:") || isPrivateHost(url) } : {}),
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
  const read = agents.length === 0 ? relays : following.relays;
  if (options.untilCaughtUp !== true || read.every((url) => done.has(url))) return undefined;
  if (done.size > 0) return EXIT.partlyDone;
  throw lastStop === undefined
    ? new AntsError("relay-unreachable", "no relay could be read")
    : errorOfProblem(lastStop);
}

/**
 * An agent by its name. Where nobody answers who it is now, what the state remembers of it will do: its relays may lead
 * on. Throws "agent-unknown".
 */
async function found(
  context: CommandContext,
  { relay, allowPrivate }: FollowCommandOptions,
  name: string,
  state: FollowState | undefined,
): Promise<FollowedAgent> {
  const resolving = {
    ...(relay === undefined ? {} : { relay }),
    ...(allowPrivate === undefined ? {} : { allowPrivate }),
  };
  const resolver = await resolverOf(context, resolving, "follow");
  const result = await resolver.resolve(name, { signal: context.signal });
  if ("log" in result) {
    // A contest is told of by the follow itself.
    if (result.status !== "verified" && result.status !== "contested")
      context.out.warn(`${name} is ${result.status}: what is known of it is followed`);
    return { did: result.did, operations: result.log.operations() };
  }
  const operations = isDid(name) ? state?.agents?.[name]?.operations : undefined;
  if (operations !== undefined) return { did: name, operations };
  throw new AntsError("agent-unknown", `${name} is ${result.status}${"why" in result ? `: ${result.why}` : ""}`, {
    hint: `ants resolve ${name} says who was asked; --relay names another relay to ask`,
    details: { name, status: result.status },
  });
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

function checkOptions({ agents, relay, after, did, kind, tag }: FollowCommandOptions): void {
  const wrong = (option: string, value: string, expected: string): AntsError =>
    usageError(`--${option} ${value}: expected ${expected}`, "follow");
  if (agents !== undefined && agents.length > 0 && did !== undefined)
    throw usageError("name agents, or authors of --relay with --did, not both", "follow");
  if (new Set(agents).size < (agents?.length ?? 0)) throw usageError("the same agent is named twice", "follow");
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
