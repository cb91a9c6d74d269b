import { EventPage, type EventRecord } from "./event-page.js";
import { eventsKey } from "./index-keys.js";
import type { Tables } from "./tables.js";

/** Pages kept in memory, about 1 KiB each: more than the agents that publish within a few minutes. */
const MAX_PAGES = 16_384;

/** The pages of events in use. Changed ones stay until they are written. */
export class PageCache {
  readonly #tables: Tables;
  readonly #pages = new Map<string, EventPage>();
  readonly #dirty = new Set<EventPage>();
  #latest: EventPage | undefined;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  /** The page of these events; empty when there are none yet. */
  get(agentNo: number, bucket: number): EventPage {
    // Entries of a frame are one author's, in order: nearly always the same page as before.
    const latest = this.#latest;
    if (latest !== undefined && latest.agentNo === agentNo && latest.bucket === bucket) return latest;
    const name = `${agentNo}/${bucket}`;
    let page = this.#pages.get(name);
    if (page === undefined) {
      page = new EventPage(agentNo, bucket, this.#tables.get(this.#tables.agents, eventsKey(agentNo, bucket)));
      this.#pages.set(name, page);
    }
    this.#latest = page;
    return page;
  }

  push(page: EventPage, record: Buffer): EventRecord {
    this.#dirty.add(page);
    return page.push(record);
  }

  /** A record of the page was written to. */
  changed(page: EventPage): void {
    this.#dirty.add(page);
  }

  /** Writes changed pages; inside a transaction. */
  write(): void {
    const { agents } = this.#tables;
    for (const page of this.#dirty) agents.putSync(eventsKey(page.agentNo, page.bucket), page.stored);
  }

  /** After the transaction. */
  written(): void {
    this.#dirty.clear();
  }

  /** Frees the pages that were read first. Only while nobody holds a page that he means to change. */
  makeRoom(): void {
    if (this.#pages.size <= MAX_PAGES) return;
    let surplus = this.#pages.size - (MAX_PAGES * 3) / 4;
    this.#latest = undefined;
    for (const [name, page] of this.#pages) {
      if (surplus-- <= 0) return;
      if (!this.#dirty.has(page)) this.#pages.delete(name);
    }
  }
}
