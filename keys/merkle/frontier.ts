import { base64url, fromBase64url } from "../bytes.js";
import { AntsError } from "../errors.js";
import { EMPTY_ROOT, HASH_BYTES, isHash, nodeHash } from "./hashes.js";

/** A {@link Frontier} as JSON, for cursor files. `hashes` are base64url of 32 bytes. */
export interface FrontierJson {
  size: number;
  hashes: string[];
}

/**
 * The right edge of a growing tree: the roots of the complete subtrees that its leaves divide into, largest first, at
 * most log2(size) + 1 of them. All that is needed to append and to know the root; the tree behind it is not kept.
 */
export class Frontier {
  #size: number;
  readonly #hashes: Uint8Array[];

  private constructor(size: number, hashes: Uint8Array[]) {
    this.#size = size;
    this.#hashes = hashes;
  }

  static empty(): Frontier {
    return new Frontier(0, []);
  }

  /**
   * From what {@link Frontier.size} and {@link Frontier.hashes} gave. Throws AntsError "merkle-frontier" unless there
   * is one 32-byte hash for every one bit of the size.
   */
  static from(size: number, hashes: readonly Uint8Array[]): Frontier {
    if (!Number.isSafeInteger(size) || size < 0 || hashes.length !== countOnes(size) || !hashes.every(isHash)) {
      throw new AntsError(
        "merkle-frontier",
        `expected one hash of ${HASH_BYTES} bytes for each one bit of the size ${size}, got ${hashes.length} items`,
      );
    }
    return new Frontier(
      size,
      hashes.map((hash) => hash.slice()),
    );
  }

  /** Throws AntsError "merkle-frontier", or "bytes-base64url". */
  static fromJSON(json: FrontierJson): Frontier {
    if (typeof json !== "object" || json === null || !Array.isArray(json.hashes)) {
      throw new AntsError("merkle-frontier", "expected an object with size and hashes, got something else");
    }
    return Frontier.from(
      json.size,
      json.hashes.map((hash) => fromBase64url(hash, HASH_BYTES)),
    );
  }

  /** The number of leaves appended so far. */
  get size(): number {
    return this.#size;
  }

  /** The subtree roots as they are now, largest subtree first. */
  get hashes(): readonly Uint8Array[] {
    return this.#hashes.slice();
  }

  /** `leaf`: the hash of the next leaf, 32 bytes, kept (not copied). One node hash on average. */
  append(leaf: Uint8Array): void {
    let carried = leaf;
    // Every trailing one bit of the size is a complete subtree that the new leaf completes to one twice as large.
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      carried = nodeHash(this.#hashes.pop()!, carried);
    }
    this.#hashes.push(carried);
    this.#size++;
  }

  appendAll(leaves: Iterable<Uint8Array>): void {
    for (const leaf of leaves) this.append(leaf);
  }

  /** The root of the tree over all leaves so far: 32 bytes. */
  root(): Uint8Array {
    const hashes = this.#hashes;
    if (hashes.length === 0) return EMPTY_ROOT.slice();
    let root = hashes[hashes.length - 1]!;
    for (let i = hashes.length - 2; i >= 0; i--) root = nodeHash(hashes[i]!, root);
    return root;
  }

  /** An independent copy. The hashes are shared, since nothing writes into them. */
  clone(): Frontier {
    return new Frontier(this.#size, this.#hashes.slice());
  }

  toJSON(): FrontierJson {
    return { size: this.#size, hashes: this.#hashes.map(base64url) };
  }
}

function countOnes(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}
