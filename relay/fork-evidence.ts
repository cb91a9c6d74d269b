import { concat, equalBytes } from "../keys/bytes.js";
import { isAntsError } from "../keys/errors.js";
import type { Disk } from "../keys/ports.js";
import { parseEntry } from "../src/protocol/entry.js";

/** Proofs kept for one agent: one is enough to prove the fork, a few show how it went on. */
export const MAX_FORKS_PER_AGENT = 16;
/** Proofs kept in all, so that nobody fills the relay with forks of his own making. */
export const MAX_FORKS = 10_000;

/** Two lines by one author for the same epoch and seq, without newlines; anyone can verify them alone. */
export type ForkProof = readonly [stored: Uint8Array, refused: Uint8Array];

/**
 * The other half of forks that the log does not hold: lines refused because their epoch and seq were taken, each kept
 * behind the line that was there first. The one thing on a relay's disk that is not derived from its log.
 */
export class ForkEvidence {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #proofs = new Map<string, ForkProof[]>();
  #count = 0;

  private constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** Reads what is there; a torn pair at the end is left out. */
  static async open(disk: Disk, path: string): Promise<ForkEvidence> {
    const evidence = new ForkEvidence(disk, path);
    const lines = splitLines((await disk.read(path)) ?? new Uint8Array());
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const did = didOf(lines[i]!);
      if (did !== undefined && didOf(lines[i + 1]!) === did) evidence.#remember(did, [lines[i]!, lines[i + 1]!]);
    }
    return evidence;
  }

  /** The proofs kept for an agent, oldest first. */
  proofs(did: string): readonly ForkProof[] {
    return this.#proofs.get(did) ?? [];
  }

  /** Keeps one more proof, durably; does nothing where enough are kept, or this refused line already is. */
  async add(did: string, proof: ForkProof): Promise<void> {
    const kept = this.proofs(did);
    const known = kept.some(([, refused]) => equalBytes(refused, proof[1]));
    if (known || kept.length >= MAX_FORKS_PER_AGENT || this.#count >= MAX_FORKS) return;
    const owned: ForkProof = [proof[0].slice(), proof[1].slice()];
    this.#remember(did, owned);
    await this.#disk.append(this.#path, concat(owned[0], NEWLINE, owned[1], NEWLINE));
  }

  #remember(did: string, proof: ForkProof): void {
    const kept = this.#proofs.get(did);
    if (kept === undefined) this.#proofs.set(did, [proof]);
    else kept.push(proof);
    this.#count++;
  }
}

const NEWLINE = Uint8Array.of(0x0a);

function splitLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return lines;
}

function didOf(line: Uint8Array): string | undefined {
  try {
    return parseEntry(line).did;
  } catch (error) {
    if (isAntsError(error)) return undefined;
    throw error;
  }
}
