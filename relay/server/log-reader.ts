/**
 * Reads the log a page at a time, for sockets, long polls and event streams alike: from a position, through a filter,
 * for a viewer. A page without filter and without addressed events is one slice of the log, untouched and unlooked at.
 */
import { startCursor } from "../../src/protocol/cursor.js";
import type { Filter } from "../../src/protocol/filter.js";
import type { TreeHead, Withheld } from "../../src/protocol/messages.js";
import { readDetails } from "../admission/agent-state.js";
import type { DataFolder } from "../data-folder.js";
import { addressedIn, type LogSlice } from "../log/log-slice.js";
import type { Reading } from "../reading.js";
import { addressedEvent, type Viewer, withheldFrom } from "./viewer.js";

/** Room for the envelope in a frame: positions and withheld events of 256 entries take less. */
const ENVELOPE_BYTES = 64 * 1024;

/** Lookups of one filtered page: some milliseconds at most, whatever the filter asks for. */
const MAX_SEARCH_STEPS = 4_096;
/** Entries found, and bytes of them looked at, in one turn of a search that passes over what is hidden. */
const MAX_SEARCH_ENTRIES = 256;
const MAX_SEARCH_BYTES = 1024 * 1024;

/** What one reader gets at once. */
export interface Page {
  /** One position for each line in `lines`. */
  readonly at: readonly number[];
  readonly withheld: readonly Withheld[];
  /** The lines in order, each with its newline, in as few pieces as possible: views into shared memory. */
  readonly lines: readonly Uint8Array[];
  /** Everything up to here is in the page, withheld, or not wanted. */
  readonly position: number;
  /** The page ends where the log ended when it was read. */
  readonly isEnd: boolean;
}

export interface PageWish {
  readonly viewer: Viewer;
  readonly filter?: Filter;
  readonly maxEntries: number;
  /** Bytes of the whole frame. */
  readonly maxBytes: number;
}

/** What becomes a page, piece by piece. */
class PageBuilder {
  readonly at: number[] = [];
  readonly withheld: Withheld[] = [];
  readonly lines: Uint8Array[] = [];
  bytes = 0;
  /** Entries looked at. */
  taken = 0;
  readonly #viewer: Viewer;

  constructor(viewer: Viewer) {
    this.#viewer = viewer;
  }

  /** Adds a slice, and tells of what is hidden in it; only its addressed events are looked into. */
  add(slice: LogSlice): void {
    let start = 0;
    let next = 0;
    for (const index of addressedIn(slice)) {
      let end = start;
      for (let i = next; i < index; i++) end += slice.lengths[i]!;
      const length = slice.lengths[index]!;
      const event = addressedEvent(slice.bytes.subarray(end, end + length - 1));
      if (this.#viewer.isOneOf(event.parties)) continue;
      this.#take(slice, next, index, start, end);
      this.withheld.push(withheldFrom(event, slice.first + index));
      next = index + 1;
      start = end + length;
    }
    this.#take(slice, next, slice.count, start, slice.bytes.length);
    this.taken += slice.count;
  }

  /**
   * Adds what the viewer may see of a slice, and nothing else counts; false when the page is full, with what comes
   * after its last entry left out.
   */
  addVisible(slice: LogSlice, { maxEntries, maxBytes }: Omit<PageWish, "viewer">): boolean {
    const addressed = new Set(addressedIn(slice));
    let start = 0;
    for (let i = 0; i < slice.count; i++) {
      const end = start + slice.lengths[i]!;
      if (!addressed.has(i) || this.#viewer.isOneOf(addressedEvent(slice.bytes.subarray(start, end - 1)).parties)) {
        if (this.at.length > 0 && this.bytes + end - start > maxBytes) return false;
        this.#take(slice, i, i + 1, start, end);
        if (this.at.length >= maxEntries) return false;
      }
      start = end;
    }
    return true;
  }

  page(position: number, isEnd: boolean): Page {
    const { at, withheld, lines } = this;
    return { at, withheld, lines, position, isEnd };
  }

  #take(slice: LogSlice, from: number, until: number, start: number, end: number): void {
    if (until <= from) return;
    for (let i = from; i < until; i++) this.at.push(slice.first + i);
    this.lines.push(slice.bytes.subarray(start, end));
    this.bytes += end - start;
  }
}

export class LogReader {
  readonly #folder: DataFolder;
  readonly #reading: Reading;

  constructor(folder: DataFolder, reading: Reading) {
    this.#folder = folder;
    this.#reading = reading;
  }

  /** The position that `after` stands for: `start`, `head`, or a cursor. Throws the cursor's errors. */
  positionAfter(after: string, allowGap: boolean): number {
    const { position, oldest } = this.#reading;
    if (after === "head") return position;
    if (after !== "start") return this.#reading.checkCursor(after, allowGap);
    return oldest === 1 ? 0 : this.#reading.checkCursor(startCursor(this.#folder.stream), allowGap);
  }

  cursorAt(position: number): string {
    return this.#reading.cursorAt(position);
  }

  /**
   * What comes after a position, as much as fits; nothing is skipped that the viewer may see and the filter wants. A
   * search that is more than a moment's work asks `goOn`, which resolves when it is its turn again, with false when
   * nobody waits for the page any more.
   */
  async page(after: number, wish: PageWish, goOn: () => Promise<boolean>): Promise<Page> {
    const { filter } = wish;
    if (filter === undefined) return this.#everything(after, wish);
    return asksWhatIsHidden(filter) ? this.#visible(after, wish, filter, goOn) : this.#filtered(after, wish, filter);
  }

  /** An agent's chain from a seq on; undefined where the relay knows nothing of the agent. */
  async chainPage(did: string, from: number, wish: PageWish): Promise<Page | undefined> {
    const { index } = this.#folder;
    const record = index.agent(did);
    if (record === undefined) return undefined;
    const positions = index.chainFrom(record.no, from, wish.maxEntries).map(({ position }) => position);
    const page = await this.#collect(positions, wish);
    return page.page(this.#reading.position, page.taken === positions.length);
  }

  /** Where every identity operation held of an agent stands, in the order of arrival; nowhere for a stranger. */
  identityPositions(did: string): readonly number[] {
    const record = this.#folder.index.agent(did);
    return record === undefined ? [] : readDetails(record.details).operations;
  }

  /** Lines with their newlines, from `positions[from]` on: at least one, and no more once there are `maxBytes`. */
  async linesAt(
    positions: readonly number[],
    from: number,
    maxBytes: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly next: number }> {
    const lines: Uint8Array[] = [];
    let bytes = 0;
    let next = from;
    while (next < positions.length && bytes < maxBytes) {
      const slice = await this.#reading.after(positions[next++]! - 1, { maxEntries: 1, maxBytes: 1 });
      lines.push(slice.bytes);
      bytes += slice.bytes.length;
    }
    return { bytes: Buffer.concat(lines), next };
  }

  /** The newest signed tree head that covers at least `minPosition`, and the cursor of its position. */
  async treeHead(minPosition = 0): Promise<TreeHead> {
    let checkpoint = await this.#reading.checkpoint();
    let size = checkpointSize(checkpoint);
    // Twice: the signing that was under way when it was asked for may have begun before that much was here.
    for (let attempt = 0; size < minPosition && attempt < 2; attempt++) {
      checkpoint = await this.#reading.checkpoint({ fresh: true });
      size = checkpointSize(checkpoint);
    }
    return { cursor: this.cursorAt(size), checkpoint };
  }

  async #everything(after: number, wish: PageWish): Promise<Page> {
    const slice = await this.#reading.after(after, {
      maxEntries: wish.maxEntries,
      maxBytes: wish.maxBytes - ENVELOPE_BYTES,
    });
    const page = new PageBuilder(wish.viewer);
    page.add(slice);
    const position = after + slice.count;
    return page.page(position, position >= this.#reading.position);
  }

  async #filtered(after: number, wish: PageWish, filter: Filter): Promise<Page> {
    const found = this.#folder.index.search(filter, after, { limit: wish.maxEntries, maxSteps: MAX_SEARCH_STEPS });
    const page = await this.#collect(found.positions, wish);
    const isWhole = page.taken === found.positions.length;
    const position = isWhole ? found.through : found.positions[page.taken]! - 1;
    return page.page(position, position >= this.#reading.position);
  }

  /**
   * A page of what the viewer may see, and of nothing else: where it ends, and what is in it, would be the same if
   * what is hidden were not there. So what is hidden counts neither as an entry nor by its bytes, and a page with
   * something in it ends where it is full, or with the log, not where a search happened to pause.
   */
  async #visible(after: number, wish: PageWish, filter: Filter, goOn: () => Promise<boolean>): Promise<Page> {
    const page = new PageBuilder(wish.viewer);
    const maxBytes = wish.maxBytes - ENVELOPE_BYTES;
    let through = after;
    do {
      const bounds = { limit: MAX_SEARCH_ENTRIES, maxSteps: MAX_SEARCH_STEPS };
      const found = this.#folder.index.search(filter, through, bounds);
      let looked = 0;
      for (let bytes = 0; looked < found.positions.length && bytes < MAX_SEARCH_BYTES; ) {
        const slice = await this.#run(found.positions, looked, MAX_SEARCH_BYTES);
        if (!page.addVisible(slice, { ...wish, maxBytes })) return this.#fullPage(page);
        looked += slice.count;
        bytes += slice.bytes.length;
      }
      through = looked === found.positions.length ? found.through : found.positions[looked]! - 1;
    } while (page.at.length > 0 && through < this.#reading.position && (await goOn()));
    return page.page(through, through >= this.#reading.position);
  }

  #fullPage(page: PageBuilder): Page {
    const position = page.at.at(-1)!;
    return page.page(position, position >= this.#reading.position);
  }

  /** Reads entries here and there, runs of neighbours at once, until the page is full; one fits always. */
  async #collect(positions: readonly number[], wish: PageWish): Promise<PageBuilder> {
    const page = new PageBuilder(wish.viewer);
    const maxBytes = wish.maxBytes - ENVELOPE_BYTES;
    while (page.taken < positions.length && (page.taken === 0 || page.bytes < maxBytes)) {
      const left = Math.max(1, maxBytes - page.bytes);
      const slice = await this.#run(positions, page.taken, left);
      if (page.taken > 0 && slice.bytes.length > left) break;
      page.add(slice);
    }
    return page;
  }

  /** The entry at `positions[from]`, and those right behind it that are wanted as well. */
  #run(positions: readonly number[], from: number, maxBytes: number): Promise<LogSlice> {
    const first = positions[from]!;
    let maxEntries = 1;
    while (positions[from + maxEntries] === first + maxEntries) maxEntries += 1;
    return this.#reading.after(first - 1, { maxEntries, maxBytes });
  }
}

/**
 * Kind, recipients and tags of an event that a reader may not see are not for it to learn, neither by reading nor by
 * trying filters: a filter with one of these fields tells of no withheld events.
 */
function asksWhatIsHidden({ kinds, to, tags }: Filter): boolean {
  return kinds !== undefined || to !== undefined || tags !== undefined;
}

/** The size in a checkpoint: its second line. */
function checkpointSize(note: string): number {
  return Number(note.split("\n", 2)[1]);
}
