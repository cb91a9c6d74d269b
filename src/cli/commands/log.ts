import { fromUtf8 } from "../../../keys/bytes.js";
import type { JsonObject } from "../../../keys/canonical.js";
import { isAntsError } from "../../../keys/errors.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import type { VaultContent } from "../../../keys/node/vault-content.js";
import { AgentHome } from "../../agent/home.js";
import { openedMessage } from "../../agent/mail.js";
import type { ChainStore } from "../../client/chain-store.js";
import { type Event, parseEvent } from "../../protocol/event.js";
import { DEFAULT_LIMITS } from "../../protocol/limits.js";
import { isSealedBody, openBody } from "../../protocol/private-body.js";
import { readChain, tornText } from "../chain-reading.js";
import type { CommandContext, CommandResult } from "../context.js";
import { eventText } from "../event-text.js";
import type { Output } from "../output.js";
import { unlock } from "../unlock.js";

export interface LogSideOptions {
  readonly kind?: readonly string[];
  /** Show what was sealed in the agent's own private bodies. */
  readonly open?: true;
  readonly vault?: string;
}

export interface LogCatOptions extends LogSideOptions {
  readonly sinceSeq: number;
}

interface ChainLine {
  readonly event: Event;
  readonly line: Uint8Array;
}

/** Lines read from disk at a time. */
const PAGE = { maxBytes: DEFAULT_LIMITS.maxFrameBytes, maxEntries: DEFAULT_LIMITS.maxFrameEntries };

/** Prints the chain: with --json the exact signed lines, else a line each that a person can read. */
export async function logCat(context: CommandContext, options: LogCatOptions): Promise<CommandResult> {
  const home = await AgentHome.open(nodeDisk, context.home);
  const { chain } = await readChain(home);
  return print(context, home, events(chain, options.sinceSeq), options);
}

/** Prints what is on this disk and not on the chain: what lost its place to another instance before a quorum had it. */
export async function logSide(context: CommandContext, options: LogSideOptions): Promise<CommandResult> {
  const home = await AgentHome.open(nodeDisk, context.home);
  const { chain } = await readChain(home);
  return print(context, home, sideEvents(chain), options);
}

async function print(
  context: CommandContext,
  home: AgentHome,
  lines: AsyncIterable<ChainLine>,
  options: LogSideOptions,
): Promise<CommandResult> {
  const { out, signal } = context;
  const unlocked = options.open === true ? await unlock(context, home.config.did, options) : undefined;
  try {
    for await (const { event, line } of lines) {
      signal.throwIfAborted();
      if (options.kind !== undefined && !options.kind.includes(event.kind)) continue;
      const body = unlocked === undefined ? undefined : opened(out, event, unlocked.vault.content);
      if (!out.json) await out.line(eventText(body === undefined ? event : { ...event, body }, { author: false }));
      // No longer what was signed, and said so.
      else await (body === undefined ? out.exact(fromUtf8(line)) : out.value({ ...event, body, opened: true }));
    }
  } finally {
    unlocked?.vault.close();
  }
  return undefined;
}

/** What is sealed in a private body or a message; undefined for any other, and where this agent's keys don't open it. */
function opened(out: Output, event: Event, content: VaultContent): JsonObject | undefined {
  try {
    if (event.body === undefined || !isSealedBody(event.body)) return openedMessage(event, event.did, content);
    return openBody(
      event.body,
      [content, ...content.earlier].map(({ stateKey }) => stateKey),
      event,
    );
  } catch (error) {
    if (!isAntsError(error, "body-sealed") && !isAntsError(error, "message-sealed")) throw error;
    out.warn(`seq ${event.seq}: ${error.message}`);
    return undefined;
  }
}

/** Checks every line: canonical form, hash, signature, link, key. */
export async function logVerify(context: CommandContext): Promise<CommandResult> {
  const { out } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { chain, tornBytes } = await readChain(home, "all");
  const { head } = chain;
  if (tornBytes > 0) out.warn(`${tornText(tornBytes)}; the next ants publish mends it from the relays`);
  const events = head === undefined ? 0 : head.seq + 1;
  await out.result(
    { did: home.config.did, ok: true, events, tornBytes, ...(head === undefined ? {} : { head: head.id }) },
    [
      head === undefined
        ? "the chain is empty"
        : `${events} events, every signature, hash and link verified; head ${head.id} (epoch ${head.epoch})`,
    ],
  );
  return undefined;
}

async function* sideEvents(chain: ChainStore): AsyncGenerator<ChainLine> {
  for (const place of chain.tree.side()) {
    // A claim that came to nothing says nothing.
    if (place.claim) continue;
    const line = await chain.line(place);
    yield { event: parseEvent(line).event, line };
  }
}

async function* events(chain: ChainStore, fromSeq: number): AsyncGenerator<ChainLine> {
  for (let seq = fromSeq; seq <= (chain.head?.seq ?? -1); ) {
    const lines = await chain.read(seq, PAGE);
    if (lines.length === 0) return;
    for (const line of lines) yield { event: parseEvent(line).event, line };
    seq += lines.length;
  }
}
