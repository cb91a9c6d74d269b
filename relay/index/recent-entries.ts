import type { IndexEntry } from "./index-group.js";

/** Entries kept for readers near the head: a few seconds of a busy relay. */
const MAX_RECENT = 8_192;

/** The newest entries as readers' filters see them, so that live followers never wait for the database. */
export class RecentEntries {
  #entries: IndexEntry[] = [];
  /** Position of the first one. */
  #first = 1;

  /** `position`: that of the first of `entries`. */
  push(position: number, entries: readonly IndexEntry[]): void {
    if (this.#entries.length === 0) this.#first = position;
    for (const entry of entries) this.#entries.push(entry);
    if (this.#entries.length > 2 * MAX_RECENT) {
      this.#first += this.#entries.length - MAX_RECENT;
      this.#entries = this.#entries.slice(-MAX_RECENT);
    }
  }

  /** Whether the entry at `position` and all after it are here. */
  has(position: number): boolean {
    return this.#entries.length > 0 && position >= this.#first;
  }

  at(position: number): IndexEntry | undefined {
    return this.#entries[position - this.#first];
  }
}
