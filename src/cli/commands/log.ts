import { fromUtf8 } from "../../../keys/bytes.js";
import { nodeDisk } from "../../../keys/node/disk.js";
import { AgentHome } from "../../agent/home.js";
import type { ChainStore } from "../../client/chain-store.js";
import { type Event, parseEvent } from "../../protocol/event.js";
import { DEFAULT_LIMITS } from "../../protocol/limits.js";
import { readChain, tornText } from "../chain-reading.js";
import type { CommandContext, CommandResult } from "../context.js";
import { eventText } from "../event-text.js";

export interface LogCatOptions {
  readonly kind?: readonly string[];
  readonly sinceSeq: number;
}

/** Lines read from disk at a time. */
const PAGE = { maxBytes: DEFAULT_LIMITS.maxFrameBytes, maxEntries: DEFAULT_LIMITS.maxFrameEntries };

/** Prints the chain: with --json the exact signed lines, else a line or two a person can read. */
export async function logCat(context: CommandContext, options: LogCatOptions): Promise<CommandResult> {
  const { out, signal } = context;
  const home = await AgentHome.open(nodeDisk, context.home);
  const { chain } = await readChain(home);
  for await (const { event, line } of events(chain, options.sinceSeq)) {
    signal.throwIfAborted();
    if (options.kind !== undefined && !options.kind.includes(event.kind)) continue;
    await (out.json ? out.exact(fromUtf8(line)) : out.line(eventText(event, { author: false })));
  }
  return undefined;
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

async function* events(chain: ChainStore, fromSeq: number): AsyncGenerator<{ event: Event; line: Uint8Array }> {
  for (let seq = fromSeq; seq <= (chain.head?.seq ?? -1); ) {
    const lines = await chain.read(seq, PAGE);
    if (lines.length === 0) return;
    for (const line of lines) yield { event: parseEvent(line).event, line };
    seq += lines.length;
  }
}
