/** Committed bytes of one segment, from the start of one entry to the end of another. */
interface Chunk {
  /** Index of the first entry in its segment, and the one after the last. */
  readonly from: number;
  readonly until: number;
  readonly bytes: Uint8Array;
}

/**
 * The pieces of the log that readers used last, so that many readers of the same stretch (and one reader that takes
 * small bites) cost one read from disk. Least recently used goes first.
 */
export class ChunkCache {
  readonly #maxChunks: number;
  readonly #chunks = new Map<string, Chunk>();

  constructor(maxChunks: number) {
    this.#maxChunks = maxChunks;
  }

  /** The chunk of this name, if it holds the entry with this index. */
  get(name: string, index: number): Chunk | undefined {
    const chunk = this.#chunks.get(name);
    if (chunk === undefined || index >= chunk.until) return undefined;
    this.#chunks.delete(name);
    this.#chunks.set(name, chunk);
    return chunk;
  }

  put(name: string, chunk: Chunk): void {
    this.#chunks.delete(name);
    this.#chunks.set(name, chunk);
    if (this.#chunks.size > this.#maxChunks) {
      const [oldest] = this.#chunks.keys();
      this.#chunks.delete(oldest!);
    }
  }
}
