import { AntsError } from "../../../keys/errors.js";
import { relaySetOf } from "../../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../../keys/identity/shape.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { AgentHome } from "../../agent/home.js";
import { EXIT } from "../../protocol/errors.js";
import type { CommandContext, CommandResult } from "../context.js";
import { addressOf, type ChangeOptions, makeChange } from "../identity-change.js";
import { type RelayStanding, standings, withheldText } from "../relay-standing.js";
import { relayUrl } from "../relay-url-option.js";
import { usageError } from "../usage.js";

export interface RelaysChangeOptions extends ChangeOptions {
  readonly url: readonly string[];
  readonly faults?: number;
}

/** The relays that the identity names, as this home knows it. Needs no key and no network. */
export async function relaysList({ out, home }: CommandContext): Promise<CommandResult> {
  const { identity, config } = await AgentHome.open(nodeDisk, home);
  const { newest, resolution } = identity;
  const set = newest === undefined ? undefined : relaySetOf(newest);
  await out.result(
    {
      did: config.did,
      status: resolution.status,
      operation: newest?.hash,
      relays: set?.relays ?? [],
      faults: set?.faults ?? 0,
      quorum: set?.quorum ?? 0,
      ...(resolution.status === "contested" ? { branches: resolution.branches } : {}),
    },
    [
      ...(set?.relays ?? []).map(({ url, stream }) => `${url} (stream ${stream})`),
      ...(set === undefined ? [] : [`${set.quorum} of ${set.relays.length} are a quorum, ${set.faults} may lie`]),
      ...(resolution.status === "verified" ? [] : [`the identity is ${resolution.status}`]),
      ...(resolution.status === "contested" ? resolution.branches.map((hash) => `  branch ${hash}`) : []),
    ],
  );
  return undefined;
}

export interface RelaysStatusOptions {
  /** Seconds for each relay. */
  readonly timeout: number;
  readonly deep?: true;
}

/** Each relay as a stranger finds it, compared with this home's chain. Exit code 3 where one is not as it should be. */
export async function relaysStatus(context: CommandContext, options: RelaysStatusOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const found = await standings(home, { signal, timeoutMs: options.timeout * 1000, deep: options.deep === true });
  const { resolution } = home.identity;
  await out.result(
    {
      did: home.config.did,
      status: resolution.status,
      ...(resolution.status === "contested" ? { branches: resolution.branches } : {}),
      relays: found,
    },
    found.map((relay) => `${relay.url}  ${standingText(relay)}`),
  );
  for (const { url, state } of found) {
    if (state === "withholds")
      out.warn(
        `${url} keeps events from readers: replace it (ants relays add, then ants relays remove ${url}); others serve them`,
      );
    if (state === "other-stream")
      out.warn(`${url} was rebuilt: ants relays add ${url} names its new log, and it gets the chain anew`);
  }
  const isOld = found.some((relay) => "identityAhead" in relay && relay.identityAhead);
  if (isOld)
    out.warn(
      "this home is an old copy, or somebody else changed the identity: ants doctor says more; if it was not you: ants rotate",
    );
  if (resolution.status === "contested")
    out.warn(
      "two updates of the identity clash: ants relays settle goes on with the one that this home knows as its own",
    );
  return !isOld && found.every(({ state }) => state === "serves") ? undefined : EXIT.partlyDone;
}

function identityText({ identityBehind, identityAhead }: { identityBehind: boolean; identityAhead: boolean }): string {
  if (identityAhead) return ", and a newer identity than this home has";
  return identityBehind ? ", and an older identity" : "";
}

function standingText(relay: RelayStanding): string {
  switch (relay.state) {
    case "serves":
      return `serves all of the chain${identityText(relay)}`;
    case "behind":
      return `lacks ${relay.behind} events, and serves what it has`;
    case "beyond":
      return `goes on from seq ${relay.audit.goneOnAt} in a later turn than this home${identityText(relay)}`;
    case "withholds":
      return withheldText(relay);
    case "other-stream":
      return `is another log now (stream ${relay.now} instead of ${relay.stream}): it counts for nothing`;
    case "unreachable":
      return `not reached: ${relay.why}`;
  }
}

/** Adds relays in one update; one that is named already is named as what it is now, where it was rebuilt. */
export async function relaysAdd(context: CommandContext, options: RelaysChangeOptions): Promise<CommandResult> {
  const urls = urlsOf(options.url, "relays add");
  const found = await Promise.all(urls.map((url) => addressOf(url, context)));
  const { identity } = await AgentHome.open(nodeDisk, context.home);
  for (const relay of found) {
    const twin = twinOf(relay, identity.newest?.op.relays ?? []);
    if (twin !== undefined && twin.url !== relay.url) throw usageError(nameOfTwin(relay, twin), "relays add");
  }
  return makeChange(context, options, ({ op }) => {
    const added = new Map(found.map((relay) => [relay.url, relay]));
    const before = new Set(op.relays.map(({ url }) => url));
    return {
      relays: [
        ...op.relays.map((relay) => added.get(relay.url) ?? relay),
        ...found.filter(({ url }) => !before.has(url)),
      ],
      ...(options.faults === undefined ? {} : { faults: options.faults }),
    };
  });
}

/** Removes relays in one update. */
export async function relaysRemove(context: CommandContext, options: RelaysChangeOptions): Promise<CommandResult> {
  const urls = urlsOf(options.url, "relays remove");
  const { identity } = await AgentHome.open(nodeDisk, context.home);
  for (const url of urls) requireNamed(url, identity.newest?.op.relays ?? []);
  return makeChange(
    context,
    options,
    ({ op }) => ({
      relays: op.relays.filter(({ url }) => !urls.includes(url)),
      ...(options.faults === undefined ? {} : { faults: options.faults }),
    }),
    { takesBack: ({ relays }) => relays.some((url) => urls.includes(url)) },
  );
}

/** Ends a contest in favour of this home's branch. */
export function relaysSettle(context: CommandContext, options: ChangeOptions): Promise<CommandResult> {
  return makeChange(context, options, () => ({}), { settle: true });
}

export interface MoveOptions extends ChangeOptions {
  readonly from: readonly string[];
  readonly to: readonly string[];
}

/** Replaces relays by others, in their places, in one update. */
export async function move(context: CommandContext, options: MoveOptions): Promise<CommandResult> {
  const { from, to, ...rest } = options;
  const left = urlsOf(from, "move");
  const next = urlsOf(to, "move");
  if (left.length !== next.length) throw usageError("move: name as many --to as --from", "move");
  const found = await Promise.all(next.map((url) => addressOf(url, context)));
  const { identity } = await AgentHome.open(nodeDisk, context.home);
  const named = identity.newest?.op.relays ?? [];
  for (const url of left) requireNamed(url, named);
  const staying = named.filter(({ url }) => !left.includes(url));
  for (const [at, relay] of found.entries()) {
    const twin = twinOf(relay, staying);
    if (twin !== undefined) throw usageError(`${nameOfTwin(relay, twin)}: ants relays remove ${left[at]}`, "move");
  }
  const remarks = left.map(
    (url) => `  left    ${url}: it keeps the identity log, so whoever asks there is sent on; it gets nothing new`,
  );
  return makeChange(
    context,
    rest,
    ({ op }) => ({
      relays: op.relays.map((relay) => {
        const at = left.indexOf(relay.url);
        return at < 0 ? relay : found[at]!;
      }),
    }),
    { remarks, takesBack: (waiting) => waiting.relays.some((url) => left.includes(url)) },
  );
}

function urlsOf(texts: readonly string[], command: string): string[] {
  const urls = texts.map((text) => relayUrl(text, command));
  if (new Set(urls).size < urls.length) throw usageError("the same relay is named twice", command);
  return urls;
}

/** The relay among `relays` with the same address or the same log: an identity names each once. */
function twinOf(relay: RelayAddress, relays: readonly RelayAddress[]): RelayAddress | undefined {
  return relays.find(({ url, stream }) => url === relay.url || stream === relay.stream);
}

function nameOfTwin(relay: RelayAddress, twin: RelayAddress): string {
  return twin.url === relay.url ? `${relay.url} is named already` : `${relay.url} is named already, as ${twin.url}`;
}

function requireNamed(url: string, relays: readonly { readonly url: string }[]): void {
  if (relays.some((relay) => relay.url === url)) return;
  throw new AntsError("relays-unnamed", `the identity does not name ${url}`, {
    details: { url, relays: relays.map(({ url }) => url) },
  });
}
