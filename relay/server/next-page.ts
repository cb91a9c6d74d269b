/** The next page for a reader by HTTP, whoever it is: nobody authenticates there. */
import type { Filter } from "../../src/protocol/filter.js";
import { makePage } from "./answer-bytes.js";
import type { Exchange } from "./exchange.js";
import type { Page } from "./log-reader.js";
import { ANYONE } from "./viewer.js";

/** Where a reader stands, and what it wants. */
export interface Wanted {
  readonly position: number;
  readonly limit: number;
  readonly filter?: Filter;
}

/** Reads on from a position until there is something for this reader, or the log's end was reached. */
export async function nextPage(
  { context, address, signal }: Exchange,
  { position, limit, filter }: Wanted,
): Promise<Page> {
  const { reader, turns } = context;
  const goOn = async () => {
    await turns.next(address);
    return !signal.aborted;
  };
  let from = position;
  for (;;) {
    await turns.next(address);
    const wish = { viewer: ANYONE, maxEntries: limit, ...(filter === undefined ? {} : { filter }) };
    const page = await makePage(context, (maxBytes) => reader.page(from, { ...wish, maxBytes }, goOn));
    if (page.at.length > 0 || page.withheld.length > 0 || page.isEnd || signal.aborted) return page;
    from = page.position;
  }
}
