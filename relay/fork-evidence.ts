import { concat, utf8 } from "../keys/bytes.js";
import { isAntsError } from "../keys/errors.js";
import type { Disk } from "../keys/ports.js";
import { parseEvent, pruneEvent } from "../src/protocol/event.js";
import { forkPlace } from "../src/protocol/fork.js";
import { MAX_LINE_BYTES } from "../src/protocol/limits.js";
import type { LogFiles } from "./log/log-files.js";

/** Proofs kept of one key of an agent, the newest: each shows alone that two used the key. */
const MAX_PROOFS_PER_KEY = 4;
/** All that is kept: 32 MiB in memory, and at most twice that and {@link SLACK_BYTES} on disk. */
export const MAX_EVIDENCE_BYTES = 32 * 2 ** 20;
/** What a proof costs is rounded up to this: without their bodies, two lines and what is noted of them take less. */
export const PROOF_BYTES = 2 ** 11;
/** Noted beside the two lines of a proof. */
const NOTE_BYTES = 512;
/** When there is no room, this part of all is made at once. */
const ROOM = 1 / 16;
/** The file is written anew when it has so much more than twice what is kept. */
const SLACK_BYTES = 2 ** 20;
/** The file is read in pieces of this size. */
const PIECE_BYTES = 2 ** 20;
const NEWLINE = Uint8Array.of(0x0a);

/** Two lines by one author for the same epoch and seq, without newlines; anyone can verify them alone. */
export type ForkProof = readonly [stored: Uint8Array, refused: Uint8Array];

/** Where two events are that one key signed. */
export interface ForkPlace {
  readonly did: string;
  readonly epoch: number;
  readonly seq: number;
  readonly key: string;
}

/** A proof as it is kept: without bodies, which prove nothing. */
interface Kept {
  /** {@link forkPlace} of both events. */
  readonly name: string;
  /** Both lines, each with its newline. */
  readonly pair: Uint8Array;
  readonly firstLength: number;
}

interface Agent {
  readonly did: string;
  /** By {@link forkPlace}, the oldest first. */
  readonly proofs: Map<string, Kept>;
}

export interface ForkEvidenceOptions {
  readonly disk: Disk;
  /** The disk as well, for a file that is read in pieces. */
  readonly files: LogFiles;
  readonly path: string;
  /** The how-manieth agent here a DID was; undefined for one that is not. Asked when there is no more room. */
  readonly numberOf: (did: string) => number | undefined;
  /** Default {@link MAX_EVIDENCE_BYTES}. */
  readonly maxBytes?: number;
}

/**
 * The other half of forks that the log does not hold: lines refused because their epoch and seq were taken, each kept
 * behind the line that was there first. The one thing on a relay's disk that is not derived from its log. One proof a
 * place, and of one key the newest four, so that what is kept after any number of forks proves the last ones.
 *
 * When there is no room, who has most proofs loses its oldest ones; and when nobody has two, those lose theirs who came
 * to this relay last. So an agent that was here before a crowd of strangers keeps its proof, however many forks they make.
 * (docs/decisions/0006-evidence-is-kept-beside-the-log.md)
 */
export class ForkEvidence {
  readonly #options: ForkEvidenceOptions;
  readonly #maxBytes: number;
  readonly #agents = new Map<string, Agent>();
  /** What the kept proofs cost. */
  #bytes = 0;
  /** Bytes of the kept pairs. */
  #pairBytes = 0;
  /** Bytes of the file; undefined where only writing it anew makes it whole. */
  #fileBytes: number | undefined = 0;
  /** Not on disk yet. */
  #unwritten = new Set<Kept>();
  #writing: Promise<void> | undefined;

  private constructor(options: ForkEvidenceOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? MAX_EVIDENCE_BYTES;
  }

  /** Reads what is there, and cuts what a crash left of a pair at the end. Throws the system's error where it can't be read. */
  static async open(options: ForkEvidenceOptions): Promise<ForkEvidence> {
    const { disk, files, path } = options;
    const evidence = new ForkEvidence(options);
    const size = (await files.stamp(path))?.bytes ?? 0;
    if (size === 0) return evidence;
    let whole = 0;
    let before: { readonly line: Uint8Array; readonly place: ForkPlace } | undefined;
    for await (const { line, end } of linesOf(files, path, size)) {
      const place = placeOf(line);
      // A line without its other half, which a torn write left, is passed over.
      if (place !== undefined && before !== undefined && forkName(before.place) === forkName(place)) {
        evidence.#remember(place, before.line, line);
        before = undefined;
        whole = end;
      } else before = place && { line, place };
    }
    try {
      if (whole < size) await disk.truncate(path, whole);
      evidence.#fileBytes = whole;
      await evidence.#write();
    } catch {
      // A disk that takes nothing keeps no relay from serving: the next proof writes the file anew.
      evidence.#fileBytes = undefined;
    }
    return evidence;
  }

  /** The proofs kept for an agent by {@link forkPlace}, the oldest first. */
  proofs(did: string): Map<string, ForkProof> {
    const kept = [...(this.#agents.get(did)?.proofs.values() ?? [])];
    return new Map(
      kept.map(({ name, pair, firstLength }) => {
        return [name, [pair.subarray(0, firstLength), pair.subarray(firstLength + 1, pair.length - 1)]];
      }),
    );
  }

  /** What all of it costs in memory, in bytes: never more than the most that was allowed. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a proof for this place is there. */
  has(place: ForkPlace): boolean {
    return this.#agents.get(place.did)?.proofs.has(forkPlace(place)) === true;
  }

  /**
   * Keeps one more proof; does nothing where this place has one, or where an event is addressed: it would be shown to
   * nobody. Both lines are events of this place. Resolves when it is on disk.
   */
  async add(place: ForkPlace, lines: ForkProof): Promise<void> {
    if (this.has(place) || lines.some(isAddressed)) return;
    const kept = this.#remember(place, withoutBody(lines[0]), withoutBody(lines[1]));
    if (!this.has(place)) return;
    this.#unwritten.add(kept);
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await this.#writing?.catch(() => undefined);
  }

  async #writeAll(): Promise<void> {
    while (this.#unwritten.size > 0) await this.#write();
  }

  /** Brings the file up to date: what is new behind it, or all of it anew where that is shorter. */
  async #write(): Promise<void> {
    const { disk, path } = this.#options;
    const fileBytes = this.#fileBytes;
    const pairs = [...this.#unwritten].map(({ pair }) => pair);
    this.#unwritten = new Set();
    // Until the disk has answered, nobody knows what is in the file.
    this.#fileBytes = undefined;
    if (fileBytes === undefined || fileBytes > 2 * this.#pairBytes + SLACK_BYTES) {
      const kept = [...this.#agents.values()].flatMap(({ proofs }) => [...proofs.values()]);
      const all = concat(...kept.map(({ pair }) => pair));
      await disk.replace(path, all);
      this.#fileBytes = all.length;
      return;
    }
    const bytes = concat(...pairs);
    if (bytes.length > 0) await disk.append(path, bytes);
    this.#fileBytes = fileBytes + bytes.length;
  }

  #remember(place: ForkPlace, first: Uint8Array, second: Uint8Array): Kept {
    const name = forkPlace(place);
    const kept = { name, pair: concat(first, NEWLINE, second, NEWLINE), firstLength: first.length };
    const agent = this.#agents.get(place.did) ?? { did: place.did, proofs: new Map<string, Kept>() };
    const known = agent.proofs.get(name);
    if (known !== undefined) this.#forget(agent, known);
    const ofKey = [...agent.proofs.values()].filter((other) => other.name.endsWith(` ${place.key}`));
    for (const old of ofKey.slice(0, Math.max(0, ofKey.length + 1 - MAX_PROOFS_PER_KEY))) this.#forget(agent, old);
    agent.proofs.set(name, kept);
    this.#agents.set(place.did, agent);
    this.#bytes += costOf(kept);
    this.#pairBytes += kept.pair.length;
    if (this.#bytes > this.#maxBytes) this.#makeRoom();
    return kept;
  }

  #forget(agent: Agent, kept: Kept): void {
    agent.proofs.delete(kept.name);
    if (agent.proofs.size === 0) this.#agents.delete(agent.did);
    this.#unwritten.delete(kept);
    this.#bytes -= costOf(kept);
    this.#pairBytes -= kept.pair.length;
  }

  #makeRoom(): void {
    const hasRoom = () => this.#bytes <= this.#maxBytes * (1 - ROOM);
    const agents = [...this.#agents.values()].sort((a, b) => b.proofs.size - a.proofs.size);
    for (let most = agents[0]!.proofs.size; most > 1; most--) {
      for (const agent of agents) {
        if (agent.proofs.size < most) break;
        this.#forgetOldest(agent);
        if (hasRoom()) return;
      }
    }
    const numbers = new Map(agents.map((agent) => [agent, this.#options.numberOf(agent.did) ?? Infinity]));
    agents.sort((a, b) => (numbers.get(a) === numbers.get(b) ? 0 : numbers.get(b)! - numbers.get(a)!));
    for (const agent of agents) {
      this.#forgetOldest(agent);
      if (hasRoom()) return;
    }
  }

  #forgetOldest(agent: Agent): void {
    for (const kept of agent.proofs.values()) {
      this.#forget(agent, kept);
      return;
    }
  }
}

/** Whether an event is for its parties only. */
export function isAddressed(line: Uint8Array): boolean {
  return parseEvent(line).event.to !== undefined;
}

/** An event without its body, as far as it can do without: a claim is kept whole. */
export function withoutBody(line: Uint8Array): Uint8Array {
  const { isClaim, pruned } = parseEvent(line);
  return isClaim || pruned ? line : utf8(pruneEvent(line));
}

function costOf({ pair }: Kept): number {
  return Math.ceil((pair.length + NOTE_BYTES) / PROOF_BYTES) * PROOF_BYTES;
}

function forkName(place: ForkPlace): string {
  return `${place.did} ${forkPlace(place)}`;
}

/** The lines of the file and where each ends, its newline counted; nothing behind a line that is longer than any is. */
async function* linesOf(
  files: LogFiles,
  path: string,
  size: number,
): AsyncGenerator<{ readonly line: Uint8Array; readonly end: number }> {
  const file = await files.open(path, "read");
  try {
    let rest: Uint8Array = new Uint8Array();
    for (let at = 0; at < size && rest.length <= MAX_LINE_BYTES; ) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, size - at));
      const length = await file.read(piece, at);
      if (length === 0) return;
      const bytes = concat(rest, piece.subarray(0, length));
      const first = at - rest.length;
      let start = 0;
      for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
        yield { line: bytes.subarray(start, end), end: first + end + 1 };
        start = end + 1;
      }
      rest = bytes.slice(start);
      at += length;
    }
  } finally {
    await file.close();
  }
}

function placeOf(line: Uint8Array): ForkPlace | undefined {
  try {
    return parseEvent(line).event;
  } catch (error) {
    if (isAntsError(error)) return undefined;
    throw error;
  }
}
