import path from "node:path";
import { AntsError } from "../keys/errors.js";
import type { ParsedOperation } from "../keys/identity/operation.js";
import type { Resolution } from "../keys/identity/resolve.js";
import type { Clock, Disk, DiskLock, Random } from "../keys/ports.js";
import { signCheckpoint } from "../src/protocol/checkpoint.js";
import { forkPlace } from "../src/protocol/fork.js";
import { readDetails } from "./admission/agent-state.js";
import { ForkEvidence, type ForkPlace, type ForkProof, isAddressed, withoutBody } from "./fork-evidence.js";
import { readBootId } from "./index/boot-id.js";
import { IndexDb } from "./index/index-db.js";
import type { Fork } from "./index/index-group.js";
import { HeadFile } from "./log/head-file.js";
import type { LogFiles } from "./log/log-files.js";
import { readEntry } from "./log/log-ids.js";
import type { LogSlice } from "./log/log-slice.js";
import { openTree, type Progress } from "./log/open-tree.js";
import { SegmentLog } from "./log/segment-log.js";
import type { TreeLog } from "./log/tree-log.js";
import { type NewestOperation, NewestOperations } from "./newest-operations.js";
import { createRelayFile, type RelayIdentity, readRelayFile, relayFilePath, startNewStream } from "./relay-file.js";

export interface DataFolderOptions {
  readonly folder: string;
  /** Its lock says who holds the folder. */
  readonly disk: Disk;
  readonly files: LogFiles;
  readonly random: Random;
  readonly clock: Clock;
  /** `<host>/<stream>` of the relay's heads, asked for at each signing: see `checkpointOrigin`. */
  readonly origin: (stream: string) => string;
  /** Give up the stream that was served before and begin a new one with the entries that are here. */
  readonly newStream?: boolean;
  /** Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Called now and then while a long start goes on. */
  readonly onProgress?: Progress;
}

/** Places of one agent's log that are looked at for forks, those with the highest seq first. */
const MAX_FORK_SEARCH = 64;
/** Lines that are read for proofs at once, each of which waits with its other half. */
const MAX_KEEPING = 64;
const ONE_ENTRY = { maxBytes: 1, maxEntries: 1 };

/** Where things are in a data folder. */
export function layoutOf(folder: string) {
  return {
    lock: path.join(folder, "lock"),
    log: path.join(folder, "log"),
    offsets: path.join(folder, "offsets"),
    tree: path.join(folder, "tree"),
    index: path.join(folder, "index"),
    head: path.join(folder, "head"),
    forks: path.join(folder, "forks.ndjson"),
  };
}

/** What an open folder consists of. */
interface Parts {
  readonly log: SegmentLog;
  readonly tree: TreeLog;
  readonly index: IndexDb;
  readonly identity: RelayIdentity;
  readonly origin: (stream: string) => string;
  readonly head: HeadFile;
  readonly evidence: ForkEvidence;
  readonly lock: DiskLock;
}

/**
 * A relay's data folder, opened and locked: its identity, log, tree, signed head, index and fork evidence. The log is
 * opened only if it is what the relay signed; the index may lag behind it and is brought up by the ledger.
 */
export class DataFolder {
  readonly log: SegmentLog;
  readonly tree: TreeLog;
  readonly index: IndexDb;
  readonly #identity: RelayIdentity;
  readonly #origin: (stream: string) => string;
  readonly #head: HeadFile;
  readonly #evidence: ForkEvidence;
  readonly #lock: DiskLock;
  /** Lines being read for proofs. */
  readonly #keeping = new Set<Promise<void>>();
  readonly #newest = new NewestOperations((position) => this.#operationAt(position));

  private constructor(parts: Parts) {
    this.log = parts.log;
    this.tree = parts.tree;
    this.index = parts.index;
    this.#identity = parts.identity;
    this.#origin = parts.origin;
    this.#head = parts.head;
    this.#evidence = parts.evidence;
    this.#lock = parts.lock;
  }

  /**
   * Opens the folder, or creates it. Throws "locked"; "relay-file-missing", "relay-file-damaged",
   * "relay-file-version"; "head-damaged", "log-missing", "log-behind-head", "log-rewritten", "log-damaged", "tree-damaged";
   * "index-needs-pruned"; "storage-failed" and the disk's own.
   */
  static async open(options: DataFolderOptions): Promise<DataFolder> {
    await options.disk.mkdir(options.folder);
    const lock = await options.disk.lock(layoutOf(options.folder).lock);
    try {
      return new DataFolder(await openParts(options, lock));
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  get stream(): string {
    return this.#identity.stream;
  }

  /** Multikey of the relay's own key. */
  get key(): string {
    return this.#identity.key;
  }

  /** Signs the tree over the first `size` entries; resolves when the note is kept on disk. */
  async signHead(size: number, root: Uint8Array): Promise<string> {
    const { seed, stream } = this.#identity;
    const note = signCheckpoint({ origin: this.#origin(stream), size, root }, seed);
    await this.#head.save(note);
    return note;
  }

  /** An agent's newest identity operation on the branch that counts; undefined where none is here. */
  newestIdentity(did: string): NewestOperation | undefined {
    const record = this.index.agent(did);
    if (record === undefined) return undefined;
    const { operations } = readDetails(record.details);
    return this.#newest.newest(record.did, operations);
  }

  /** What all operations say that are held of an agent; undefined where none is here. Reads those that are not in memory. */
  identity(did: string): Resolution | undefined {
    const record = this.index.agent(did);
    if (record === undefined) return undefined;
    return this.#newest.resolution(record.did, readDetails(record.details).operations);
  }

  /** Reads and verifies at most `count` more of the operations that {@link identity} needs; how many are then left. */
  readOperations(did: string, count: number): number {
    const record = this.index.agent(did);
    return record === undefined ? 0 : this.#newest.read(record.did, readDetails(record.details).operations, count);
  }

  /**
   * Fork proofs of an agent that anybody may see, one a place, without the bodies of their events: first those by keys of
   * its newest operation, the newest first. Read one by one as they are asked for. None of them has an addressed event.
   */
  async *forkProofs(did: string): AsyncGenerator<ForkProof> {
    await Promise.all(this.#keeping);
    const refused = this.#evidence.proofs(did);
    const record = this.index.agent(did);
    const stored = new Map<string, Fork>();
    if (record !== undefined) {
      for (const fork of this.index.forks(record.no, MAX_FORK_SEARCH)) stored.set(forkPlace(fork), fork);
    }
    const live = this.newestIdentity(did)?.signKeys ?? [];
    const isLive = (name: string) => live.some((key) => name.endsWith(` ${key}`));
    const names = new Set([...[...refused.keys()].reverse(), ...stored.keys()]);
    for (const name of [...names].sort((a, b) => Number(isLive(b)) - Number(isLive(a)))) {
      const proof = refused.get(name) ?? (await this.#readProof(stored.get(name)!));
      if (proof !== undefined) yield proof;
    }
  }

  /**
   * Keeps a refused line with the one of the same key that was there first, at `position`. In the background: evidence
   * is worth much, not waiting; and of a flood of forks some are enough.
   */
  keepForkProof(place: ForkPlace, position: number, refused: Uint8Array): void {
    if (this.#keeping.size >= MAX_KEEPING || this.#evidence.has(place)) return;
    const keeping = this.#lineAt(position)
      .then((line) => {
        this.#evidence.add(place, [line, refused]).catch(() => undefined);
      })
      .catch(() => undefined)
      .finally(() => this.#keeping.delete(keeping));
    this.#keeping.add(keeping);
  }

  /** Writes what is derived, as far as the disk takes it, so that the next start is quick, and lets go of the folder. */
  async close(): Promise<void> {
    try {
      await Promise.all(this.#keeping);
      await this.#evidence.settled();
      await this.log.close();
      await this.tree.flush().catch(() => undefined);
      await this.tree.keepPartial(this.log.lastSegmentFirst - 1).catch(() => undefined);
      await this.index.close().catch(() => undefined);
    } finally {
      await this.#lock.release();
    }
  }

  /** Undefined where one of them is addressed. */
  async #readProof({ positions }: Fork): Promise<ForkProof | undefined> {
    const [first, second] = [await this.#lineAt(positions[0]), await this.#lineAt(positions[1])];
    return isAddressed(first) || isAddressed(second) ? undefined : [withoutBody(first), withoutBody(second)];
  }

  #operationAt(position: number): ParsedOperation {
    const entry = readEntry({ position, line: lineOf(this.log.readBlocking(position, ONE_ENTRY)) });
    if (entry.type === "identity") return entry.operation;
    throw new AntsError("index-failed", `position ${position} is no identity operation, as the index says`, {
      hint: "stop the relay, delete data/index and restart it: the index is rebuilt from the log",
    });
  }

  async #lineAt(position: number): Promise<Uint8Array> {
    return lineOf(await this.log.read(position, ONE_ENTRY));
  }
}

/** The only line of a slice, without its newline. */
function lineOf({ bytes }: LogSlice): Uint8Array {
  return bytes.subarray(0, bytes.length - 1);
}

async function openParts(options: DataFolderOptions, lock: DiskLock): Promise<Parts> {
  const { folder, disk, files, segmentBytes, onProgress, origin } = options;
  const layout = layoutOf(folder);
  const identity = await openIdentity(options);
  const head = await HeadFile.open(disk, layout.head, identity);
  const log = await SegmentLog.open({
    folder: layout.log,
    offsetsFolder: layout.offsets,
    files,
    provenPosition: head.head?.size ?? 0,
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
  });
  try {
    const tree = await openTree(layout.tree, files, log, head.head, onProgress);
    const index = await openIndex(options, identity.stream, log, tree);
    const numberOf = (did: string) => index.agent(did)?.no;
    const evidence = await ForkEvidence.open({ disk, files, path: layout.forks, numberOf });
    return { log, tree, index, identity, origin, head, evidence, lock };
  } catch (error) {
    await log.close();
    throw error;
  }
}

async function openIndex(
  { folder, disk, files }: DataFolderOptions,
  stream: string,
  log: SegmentLog,
  tree: TreeLog,
): Promise<IndexDb> {
  return IndexDb.open({
    folder: layoutOf(folder).index,
    disk,
    files,
    stream,
    firstPosition: log.firstPosition,
    lastPosition: log.lastPosition,
    rootAt: (size) => tree.rootAt(size),
    bootId: await readBootId(disk),
  });
}

/** Begun at position 0 the stream would have given positions twice: readers' cursors and promises would lie. */
function logMissing(log: string, stream: string): AntsError {
  return new AntsError("log-missing", `${log} is gone: the log of stream ${stream} was there`, {
    hint: "restore it from a copy of the data folder, or begin a new stream once, with --new-stream: agents and readers will notice",
    details: { path: log, stream },
  });
}

/** The identity in the folder; a new one only where there is no log that belongs to another. */
async function openIdentity(options: DataFolderOptions): Promise<RelayIdentity> {
  const { folder, disk, random, newStream = false } = options;
  const known = await readRelayFile(disk, folder);
  if (newStream) {
    const fresh = known ? startNewStream(disk, folder, known, random) : createRelayFile(disk, folder, options);
    const identity = await fresh;
    await disk.remove(layoutOf(folder).head);
    return identity;
  }
  const layout = layoutOf(folder);
  if (known !== undefined) {
    // A head says itself how long the log has to be.
    const names = await disk.list(folder);
    if (!names.includes(path.basename(layout.log)) && !names.includes(path.basename(layout.head)))
      throw logMissing(layout.log, known.stream);
    return known;
  }
  const { length } = await disk.list(layout.log);
  if (length === 0) {
    // First, and on disk: an identity without the folder of its log has lost it, and was not cut off while it was made.
    await disk.mkdir(layout.log);
    return createRelayFile(disk, folder, options);
  }
  throw new AntsError("relay-file-missing", `${relayFilePath(folder)} is gone, but there is a log beside it`, {
    hint: "restore it from a copy of the data folder, or start a new stream: readers and agents will notice",
  });
}
