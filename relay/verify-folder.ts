import path from "node:path";
import { equalBytes, hex } from "../keys/bytes.js";
import { AntsError, isAntsError } from "../keys/errors.js";
import { leafHash } from "../keys/merkle/hashes.js";
import { parseTilePath, TILE_WIDTH } from "../keys/merkle/tiles.js";
import type { Disk, DiskLock } from "../keys/ports.js";
import { RootCache, verifyEventSignature } from "../src/protocol/batch.js";
import { type ParsedEntry, parseEntry } from "../src/protocol/entry.js";
import { layoutOf } from "./data-folder.js";
import { readBootId } from "./index/boot-id.js";
import type { RebuildReason } from "./index/index-state.js";
import { StoredIndex } from "./index/stored-index.js";
import { HeadFile } from "./log/head-file.js";
import { type LineBlock, readLines } from "./log/line-blocks.js";
import type { LogFiles } from "./log/log-files.js";
import { type TreeHead, treesFromTiles } from "./log/open-tree.js";
import { TreeLog } from "./log/tree-log.js";
import { type RelayIdentity, readRelayFile, relayFilePath } from "./relay-file.js";

/** Problems that are listed one by one; what is wrong beyond that is as wrong. */
const MAX_PROBLEMS = 1_000;

/** Something in the folder that is not as it must be. */
export interface Problem {
  /** The entry concerned; 0 when it is none in particular. */
  readonly position: number;
  /** A code of docs/errors.md. */
  readonly code: string;
  readonly message: string;
}

export interface FolderReport {
  readonly stream: string;
  /** Entries that were read and checked. */
  readonly entries: number;
  /** Position of the first of them: 1, unless older segments were removed. */
  readonly firstPosition: number;
  /** Entries that the last signed head covers; undefined before the first head. */
  readonly signed: number | undefined;
  /** A relay was using the folder: only what its signed head covers was looked at. */
  readonly running: boolean;
  /** Entries that were looked up in the index, or why the next start builds it anew. */
  readonly index: { readonly checked: number } | { readonly rebuild: RebuildReason };
  /** Empty: all is well. At most 1,000. */
  readonly problems: readonly Problem[];
}

export interface VerifyOptions {
  readonly disk: Disk;
  readonly files: LogFiles;
  /** Called now and then with the last position checked. */
  readonly onProgress?: (position: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Checks a relay's data folder without changing it: every line (canonical form, grammar, id, signatures), the order of
 * the segments, the tree's tiles, the signed head, and that the index has every entry where it is. Whether each key was
 * entitled to sign is admission's matter and follows from replaying the log.
 *
 * Throws "relay-file-missing", "relay-file-damaged", "relay-file-version" (there is nothing to check against), the
 * disk's errors, and the signal's reason. What is wrong with the content is in the report.
 */
export async function verifyFolder(folder: string, options: VerifyOptions): Promise<FolderReport> {
  const identity = await readRelayFile(options.disk, folder);
  if (identity === undefined) {
    throw new AntsError("relay-file-missing", `${relayFilePath(folder)} is not there: is this a data folder?`, {
      hint: "name the folder that the relay was started with (--data)",
    });
  }
  const lock = await lockIfFree(options.disk, layoutOf(folder).lock);
  try {
    return await new FolderCheck(folder, identity, options, lock === undefined).run();
  } finally {
    await lock?.release();
  }
}

/** Held while the folder is looked at, so that no relay starts in it; undefined when one is running. */
async function lockIfFree(disk: Disk, file: string): Promise<DiskLock | undefined> {
  try {
    return await disk.lock(file);
  } catch (error) {
    if (isAntsError(error, "locked")) return undefined;
    throw error;
  }
}

/** One pass over a folder. */
class FolderCheck {
  readonly #layout: ReturnType<typeof layoutOf>;
  readonly #identity: RelayIdentity;
  readonly #options: VerifyOptions;
  readonly #running: boolean;
  readonly #problems: Problem[] = [];
  readonly #roots = new RootCache();
  /** Position of the first entry whose id is lost; from there on nothing can be said about the tree. */
  #lostFrom = Number.POSITIVE_INFINITY;
  #next = 0;
  #first = 1;
  #indexed = 0;

  constructor(folder: string, identity: RelayIdentity, options: VerifyOptions, running: boolean) {
    this.#identity = identity;
    this.#layout = layoutOf(folder);
    this.#options = options;
    this.#running = running;
  }

  async run(): Promise<FolderReport> {
    const { disk, files } = this.#options;
    const { stream } = this.#identity;
    const head = await this.#readHead();
    const bootId = await readBootId(disk);
    const index = await StoredIndex.open({ folder: this.#layout.index, disk, files, stream, bootId });
    try {
      await this.#checkLog(head, typeof index === "string" ? undefined : index);
    } finally {
      if (typeof index !== "string") await index.close();
    }
    return {
      stream,
      entries: Math.max(0, this.#next - this.#first),
      firstPosition: this.#first,
      signed: head?.size,
      running: this.#running,
      index: typeof index === "string" ? { rebuild: index } : { checked: this.#indexed },
      problems: this.#problems,
    };
  }

  async #readHead(): Promise<TreeHead | undefined> {
    try {
      return (await HeadFile.open(this.#options.disk, this.#layout.head, this.#identity)).head;
    } catch (error) {
      if (!isAntsError(error, "head-damaged")) throw error;
      this.#report(0, error.code, error.message);
      return undefined;
    }
  }

  async #checkLog(head: TreeHead | undefined, index: StoredIndex | undefined): Promise<void> {
    const { files, onProgress, signal } = this.#options;
    const until = this.#running ? (head?.size ?? 0) : Number.POSITIVE_INFINITY;
    let tree: TreeLog | undefined;
    for await (const block of readLines(files, this.#layout.log)) {
      signal?.throwIfAborted();
      if (tree === undefined) {
        this.#next = this.#first = block.first;
        tree = this.#treeFrom(block.first, head);
      }
      this.#checkOrder(block);
      for (const [i, line] of block.lines.entries()) {
        const position = block.first + i;
        if (position > until) break;
        this.#checkEntry(position, line, tree, index);
        this.#next = position + 1;
      }
      await tree.flush();
      onProgress?.(this.#next - 1);
      if (this.#next > until) break;
    }
    this.#checkHead(head, tree);
  }

  /**
   * The tree that the log's ids go into. Of a log without its beginning it is what the tiles say, which the signed head
   * then confirms or not.
   */
  #treeFrom(first: number, head: TreeHead | undefined): TreeLog {
    const options = { folder: this.#layout.tree, files: this.#comparing(), idsBlocking: () => [] };
    if (first === 1) return new TreeLog(options);
    for (const stored of treesFromTiles(options, head?.size ?? 0, first)) return stored;
    this.#report(first, "tree-damaged", "the tree over the entries before this one is not there");
    this.#lostFrom = first;
    return new TreeLog(options);
  }

  /** Files that are compared where a tree would write them. A tile that is not there is no problem: it is derived. */
  #comparing(): LogFiles {
    const { files } = this.#options;
    return {
      ...files,
      writeWhole: async (file, bytes) => {
        const stored = files.readWhole(file);
        if (stored === undefined || equalBytes(stored, bytes)) return;
        const tile = parseTilePath(path.relative(this.#layout.tree, file).split(path.sep).join("/"));
        if (tile === undefined) return;
        let offset = 0;
        while (offset < bytes.length - 1 && stored[offset] === bytes[offset]) offset++;
        const position = (tile.index * TILE_WIDTH + Math.floor(offset / 32)) * TILE_WIDTH ** tile.level + 1;
        if (position < this.#lostFrom) this.#report(position, "tree-damaged", `${file} is not the tree over the log`);
      },
    };
  }

  #checkOrder(block: LineBlock): void {
    if (block.first !== this.#next) {
      this.#report(block.first, "log-damaged", `a segment begins at position ${block.first}, expected ${this.#next}`);
      this.#lostFrom = Math.min(this.#lostFrom, this.#next, block.first);
      this.#next = block.first;
    }
    if (block.torn > 0 && !this.#running) {
      const position = block.first + block.lines.length;
      this.#report(position, "log-torn", `${block.torn} bytes at the end of a segment are no whole line`);
    }
  }

  #checkEntry(position: number, line: Uint8Array, tree: TreeLog, index: StoredIndex | undefined): void {
    const entry = this.#parse(position, line);
    const id = entry?.id ?? claimedId(line);
    if (id === undefined) this.#lostFrom = Math.min(this.#lostFrom, position);
    if (position < this.#lostFrom && id !== undefined) {
      if (position > tree.size) tree.append(position, [id]);
      else if (!equalBytes(tree.leaf(position), leafHash(Buffer.from(id, "hex")))) {
        this.#report(position, "tree-damaged", "the tree was built over another entry");
      }
    }
    if (entry === undefined || index === undefined || position > index.progress.applied) return;
    this.#indexed++;
    this.#checkIndexed(position, entry, index);
  }

  #parse(position: number, line: Uint8Array): ParsedEntry | undefined {
    try {
      const entry = parseEntry(line);
      if (entry.type !== "event" || verifyEventSignature(entry, this.#roots)) return entry;
      this.#report(position, "bad-signature", "the event's signature does not verify under the key that it names");
      return entry;
    } catch (error) {
      if (!isAntsError(error)) throw error;
      this.#report(position, error.code, error.message);
      return undefined;
    }
  }

  #checkIndexed(position: number, entry: ParsedEntry, index: StoredIndex): void {
    const { type, did, id } = entry;
    const found = index.positionOf({ type, did, id, ...(entry.type === "event" ? { seq: entry.event.seq } : {}) });
    // A pruned line that a full one replaced later is known under the later position.
    if (found === position && entry.type === "identity") {
      const fault = index.nameFault(entry.operation, position);
      if (fault !== undefined) this.#report(position, "index-mismatch", `the index ${fault}`);
      return;
    }
    if (found === position || (found !== undefined && found > position && entry.type === "event" && entry.pruned))
      return;
    const where = found === undefined ? "does not know it" : `has it at position ${found}`;
    this.#report(position, "index-mismatch", `the index ${where}`);
  }

  #checkHead(head: TreeHead | undefined, tree: TreeLog | undefined): void {
    if (head === undefined || head.size === 0) return;
    const last = this.#next - 1;
    if (tree === undefined || last < head.size) {
      const message = `the log ends at position ${Math.max(last, 0)}, the signed head covers ${head.size}`;
      this.#report(head.size, "log-behind-head", message);
    } else if (head.size < this.#lostFrom && !equalBytes(tree.rootAt(head.size), head.root)) {
      const root = hex(tree.rootAt(head.size));
      this.#report(head.size, "log-rewritten", `the tree's root is ${root}, the signed head says ${hex(head.root)}`);
    }
  }

  #report(position: number, code: string, message: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push({ position, code, message });
  }
}

/**
 * The id that an event's line names, although something else in it is wrong; undefined when it names none. The last one
 * in the line: a body, which may have an `id` too, sorts before the event's own.
 */
function claimedId(line: Uint8Array): string | undefined {
  return [
    ...Buffer.from(line)
      .toString("latin1")
      .matchAll(/"id":"([0-9a-f]{64})"/g),
  ].at(-1)?.[1];
}
