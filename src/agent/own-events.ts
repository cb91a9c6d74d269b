import type { ChainStore } from "../client/chain-store.js";
import { type Event, parseEvent } from "../protocol/event.js";
import { DEFAULT_LIMITS } from "../protocol/limits.js";

/** Lines read from disk at a time. */
const PAGE = { maxBytes: DEFAULT_LIMITS.maxFrameBytes, maxEntries: DEFAULT_LIMITS.maxFrameEntries };

/**
 * The events of some kinds on the chain of this disk, by seq, from `fromSeq` to `toSeq`. Lines of other kinds are not
 * parsed. Throws disk errors.
 */
export async function* ownEvents(
  chain: ChainStore,
  kinds: readonly string[],
  fromSeq: number,
  toSeq: number,
): AsyncGenerator<Event, void, undefined> {
  // In every line of these kinds; in others only by chance, and then parsing tells.
  const marks = kinds.map((kind) => `"kind":"${kind}"`);
  for (let seq = fromSeq; seq <= toSeq; ) {
    const lines = await chain.read(seq, { ...PAGE, toSeq });
    if (lines.length === 0) return;
    for (const line of lines) {
      const text = Buffer.from(line.buffer, line.byteOffset, line.length);
      if (!marks.some((mark) => text.includes(mark))) continue;
      const { event } = parseEvent(line);
      if (kinds.includes(event.kind)) yield event;
    }
    seq += lines.length;
  }
}
