import { fromUtf8, utf8 } from "../../keys/bytes.js";
import type { Disk } from "../../keys/ports.js";
import type { ChainStore } from "../client/chain-store.js";
import { parseEvent } from "../protocol/event.js";

/** An event of this agent that is on this disk and not on its chain. */
export interface LeftBehind {
  readonly epoch: number;
  readonly seq: number;
  readonly id: string;
  readonly kind: string;
}

/**
 * The events that this home has beside the chain, oldest first: signed by a run that lost the pen before a quorum had
 * them, while another instance took the chain another way. No relay counts them and no reader is owed them. Claims are
 * left out: one that came to nothing says nothing.
 */
export async function sideEvents(chain: ChainStore): Promise<LeftBehind[]> {
  const found: LeftBehind[] = [];
  for (const event of chain.tree.side()) {
    if (event.claim) continue;
    const { epoch, seq, id, kind } = parseEvent(await chain.line(event)).event;
    found.push({ epoch, seq, id, kind });
  }
  return found;
}

/** Those of them that nobody was told of yet. `path`: the file of ids of which somebody was. */
export async function untoldSideEvents(disk: Disk, path: string, chain: ChainStore): Promise<LeftBehind[]> {
  const side = await sideEvents(chain);
  if (side.length === 0) return side;
  const told = new Set(fromUtf8((await disk.read(path)) ?? new Uint8Array()).split("\n"));
  return side.filter(({ id }) => !told.has(id));
}

/** Notes that somebody was told. An id that a crash tears is told again. */
export async function noteTold(disk: Disk, path: string, events: readonly LeftBehind[]): Promise<void> {
  // A torn last line must not run into the first one of these.
  if (events.length > 0) await disk.append(path, utf8(`\n${events.map(({ id }) => `${id}\n`).join("")}`));
}
