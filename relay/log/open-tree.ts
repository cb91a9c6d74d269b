import { equalBytes } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { leafHash } from "../../keys/merkle/hashes.js";
import { TILE_WIDTH } from "../../keys/merkle/tiles.js";
import type { LogFiles } from "./log-files.js";
import { idsBlocking, idsOf, readEntry } from "./log-ids.js";
import { entriesOf } from "./log-slice.js";
import type { SegmentLog } from "./segment-log.js";
import { TreeLog } from "./tree-log.js";

/** Full tiles in memory that are not written yet, beyond which building waits for the disk: 4 MiB. */
const MAX_UNWRITTEN_ENTRIES = 65_536;

/** What a signed head says of the tree. */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** How far a long start has come. */
export type Progress = (done: {
  readonly what: string;
  readonly position: number;
  readonly lastPosition: number;
}) => void;

/**
 * The tree over all of a log. As far as `head` (the last signed one) vouches for them the tiles on disk are used, the
 * rest is computed from the log; without a head all of it. Throws "log-rewritten" when log and head disagree, and
 * "log-damaged".
 */
export async function openTree(
  folder: string,
  files: LogFiles,
  log: SegmentLog,
  head: TreeHead | undefined,
  onProgress: Progress = () => undefined,
): Promise<TreeLog> {
  const options = {
    folder,
    files,
    idsBlocking: (first: number, count: number) => idsBlocking(log, first, count),
  };
  for (const stored of head === undefined ? [] : treesFromTiles(options, head.size, log.firstPosition)) {
    await grow(stored, log, onProgress);
    if (agrees(stored, head)) {
      await compareChanged(stored, log, onProgress);
      return stored;
    }
  }
  if (log.firstPosition > 1) throw prunedTree(log.firstPosition);
  const built = new TreeLog(options);
  await grow(built, log, onProgress);
  if (!agrees(built, head)) throw rewritten(head!.size);
  return built;
}

/**
 * Trees over at least the entries before `firstPosition`, from the tiles on disk; to be compared with the signed head.
 * The first needs most tiles, and some may be missing after a crash: they are written without being waited for. Of a
 * log without its beginning the tiles below its first position must do, since nothing else says what was there.
 */
export function* treesFromTiles(
  options: ConstructorParameters<typeof TreeLog>[0],
  headSize: number,
  firstPosition: number,
): Generator<TreeLog> {
  const removed = firstPosition - 1;
  const sizes = removed === 0 ? [headSize] : [headSize, Math.ceil(removed / TILE_WIDTH) * TILE_WIDTH, removed];
  for (const size of sizes) {
    const tree = TreeLog.fromTiles(options, size);
    if (tree !== undefined && tree.size >= removed) yield tree;
  }
}

async function grow(tree: TreeLog, log: SegmentLog, onProgress: Progress): Promise<void> {
  const { lastPosition } = log;
  let unwritten = 0;
  for await (const slice of log.slices(tree.size + 1, lastPosition)) {
    tree.append(slice.first, idsOf(slice));
    unwritten += slice.count;
    if (unwritten >= MAX_UNWRITTEN_ENTRIES) {
      await tree.flush();
      unwritten = 0;
    }
    onProgress({ what: "tree", position: tree.size, lastPosition });
  }
}

function agrees(tree: TreeLog, head: TreeHead | undefined): boolean {
  return head === undefined || (head.size <= tree.size && equalBytes(tree.rootAt(head.size), head.root));
}

/** Files that changed without the relay must still hold what the tree was built over. */
async function compareChanged(tree: TreeLog, log: SegmentLog, onProgress: Progress): Promise<void> {
  for (const { first, last } of log.changed) {
    for await (const slice of log.slices(first, last)) {
      for (const entry of entriesOf(slice)) {
        const id = Buffer.from(readEntry(entry).id, "hex");
        if (!equalBytes(leafHash(id), tree.leaf(entry.position))) throw rewritten(entry.position);
      }
      onProgress({ what: "changed segment", position: slice.first + slice.count - 1, lastPosition: last });
    }
  }
}

function rewritten(position: number): AntsError {
  return new AntsError(
    "log-rewritten",
    `the log up to position ${position} is not what this relay signed: entries were changed, removed or put in between`,
    {
      hint: "restore the newest copy of the data folder; if there is none, start a new stream: readers and agents will notice",
      details: { position },
    },
  );
}

function prunedTree(firstPosition: number): AntsError {
  return new AntsError(
    "tree-damaged",
    `the tree is missing or wrong, and the log that it is computed from begins at position ${firstPosition} only`,
    {
      hint: "restore the folders log and tree from a copy, and remove segments only after an orderly stop; if there is none, start a new stream",
      details: { firstPosition },
    },
  );
}
