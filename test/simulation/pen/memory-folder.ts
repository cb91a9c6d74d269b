import { fromHex, hex } from "../../../keys/bytes.js";
import { Frontier } from "../../../keys/merkle/frontier.js";
import { leafHash } from "../../../keys/merkle/hashes.js";
import type { DataFolder } from "../../../relay/data-folder.js";
import type { ForkPlace, ForkProof } from "../../../relay/fork-evidence.js";
import type { LogSlice } from "../../../relay/log/log-slice.js";
import { MemoryIndex } from "../memory-index.js";
import type { SimClock } from "../sim-clock.js";
import type { SimRandom } from "../sim-random.js";
import type { SimProcess } from "./sim-process.js";

/** The medium under a relay's log: the lines that a crash leaves, and the name that they go by. */
export interface LogMedium {
  readonly stream: string;
  readonly lines: Uint8Array[];
}

/**
 * A relay's data folder in memory, as far as the ledger touches it: a log whose lines are on the medium when `commit`
 * resolves and not before, and an index and a tree that are derived again at every start.
 */
export class MemoryFolder {
  readonly index = new MemoryIndex();
  readonly forks: ForkProof[] = [];
  /** Hashes of the lines that are durable and published. */
  readonly ids = new Set<string>();
  readonly log;
  readonly tree = { append: (first: number, ids: readonly string[]) => this.#publish(first, ids) };
  readonly #medium: LogMedium;
  readonly #leaves: string[] = [];
  readonly #roots = new Map<number, string>();
  #frontier = Frontier.empty();
  #frontierSize = 0;
  #staged: Uint8Array[] = [];

  constructor(medium: LogMedium, process: SimProcess, clock: SimClock, random: SimRandom, maxSyncMs: () => number) {
    this.#medium = medium;
    const { lines } = medium;
    const folder = this;
    this.log = {
      get lastPosition() {
        return lines.length;
      },
      get stagedPosition() {
        return lines.length + folder.#staged.length;
      },
      append(bytes: Uint8Array, lengths: ArrayLike<number>) {
        let start = 0;
        for (let i = 0; i < lengths.length; i++) {
          folder.#staged.push(bytes.slice(start, start + lengths[i]! - 1));
          start += lengths[i]!;
        }
      },
      commit: () =>
        new Promise<void>((resolve) => {
          const count = this.#staged.length;
          clock.at(random.next() * maxSyncMs(), () => {
            if (process.isDead) return;
            lines.push(...this.#staged.splice(0, count));
            process.deliver(resolve);
          });
        }),
      read: async (first: number): Promise<LogSlice> => sliceOf(lines, first, lines.length - first + 1),
      readBlocking: (first: number): LogSlice => sliceOf(lines, first, 1),
    };
  }

  get stream(): string {
    return this.#medium.stream;
  }

  keepForkProof(_place: ForkPlace, position: number, refused: Uint8Array): void {
    this.forks.push([this.line(position), refused]);
  }

  /** The power fails: of what was not synced the first lines may be there. */
  crash(random: SimRandom): number {
    const lost = this.#staged.length;
    if (random.next() < 0.5) this.#medium.lines.push(...this.#staged.slice(0, Math.floor(random.next() * (lost + 1))));
    this.#staged = [];
    return lost;
  }

  /** The Merkle root over the first `position` published entries, in hex; undefined beyond the end. */
  rootAt(position: number): string | undefined {
    const known = this.#roots.get(position);
    if (known !== undefined || position > this.#leaves.length) return known;
    if (position < this.#frontierSize) {
      this.#frontier = Frontier.empty();
      this.#frontierSize = 0;
    }
    while (this.#frontierSize < position) this.#frontier.append(leafHash(fromHex(this.#leaves[this.#frontierSize++]!)));
    const root = hex(this.#frontier.root());
    this.#roots.set(position, root);
    return root;
  }

  rootBytes(): Uint8Array {
    return fromHex(this.rootAt(this.#leaves.length)!);
  }

  get size(): number {
    return this.#leaves.length;
  }

  line(position: number): Uint8Array {
    return this.#medium.lines[position - 1]!;
  }

  /** The ledger asks for a folder on a disk and uses of it what is here. */
  asDataFolder(): DataFolder {
    return this as unknown as DataFolder;
  }

  #publish(_first: number, ids: readonly string[]): void {
    for (const id of ids) {
      this.#leaves.push(id);
      this.ids.add(id);
    }
  }
}

function sliceOf(lines: readonly Uint8Array[], first: number, count: number): LogSlice {
  const taken = lines.slice(first - 1, first - 1 + count);
  const lengths = Uint32Array.from(taken, ({ length }) => length + 1);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const line of taken) {
    bytes.set(line, at);
    at += line.length;
    bytes[at++] = 0x0a;
  }
  return { first, count: taken.length, bytes, lengths };
}
