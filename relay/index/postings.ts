import type { TermField } from "./index-keys.js";
import { blockKey, termPostings } from "./index-keys.js";
import { PostingBlock } from "./posting-block.js";
import type { Tables } from "./tables.js";

/** Terms whose newest block is kept in memory so that it can grow. A term that comes back later begins a new block. */
const MAX_TERMS = 16_384;

/** A term's newest blocks. */
interface Term {
  readonly prefix: Buffer;
  readonly blocks: PostingBlock[];
}

/** Writes which positions have which types, kinds, recipients and tags. */
export class Postings {
  readonly #tables: Tables;
  readonly #terms: Readonly<Record<TermField, Map<string, Term>>> = {
    type: new Map(),
    kind: new Map(),
    to: new Map(),
    tag: new Map(),
  };
  readonly #dirty = new Set<Term>();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  post(field: TermField, value: string, position: number): void {
    const terms = this.#terms[field];
    let term = terms.get(value);
    if (term === undefined) {
      term = { prefix: termPostings(field, value), blocks: [] };
      terms.set(value, term);
    }
    const newest = term.blocks.at(-1);
    if (newest === undefined || newest.full) term.blocks.push(new PostingBlock(position));
    else newest.push(position);
    this.#dirty.add(term);
  }

  /** Writes changed blocks; inside a transaction. */
  write(): void {
    const { terms } = this.#tables;
    for (const { prefix, blocks } of this.#dirty) {
      for (const block of blocks) if (block.dirty) terms.putSync(blockKey(prefix, block.first), block.stored);
    }
  }

  /** After the transaction. */
  written(): void {
    for (const { blocks } of this.#dirty) {
      blocks.splice(0, blocks.length - 1);
      for (const block of blocks) block.dirty = false;
    }
    this.#dirty.clear();
    for (const terms of Object.values(this.#terms)) {
      let surplus = terms.size - MAX_TERMS;
      for (const value of terms.keys()) {
        if (surplus-- <= 0) break;
        terms.delete(value);
      }
    }
  }
}
