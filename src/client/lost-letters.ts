import type { ChainStore } from "./chain-store.js";
import type { LostLetter } from "./delivery-book.js";
import type { IdentityLog } from "./identity-log.js";
import { isLost, type Letter, type RecipientResult } from "./letter.js";

/** Given-up messages that are remembered, the newest of them. */
const MAX_LOST = 256;

/** Whose messages they are. */
export interface LettersAuthor {
  readonly chain: Pick<ChainStore, "tree">;
  readonly identity: Pick<IdentityLog, "standingOf">;
}

/** Messages that were given up, so that their author hears of it: nothing brings them any more. */
export class LostLetters {
  readonly #author: LettersAuthor;
  readonly #lost: Map<string, LostLetter>;

  /** `known`: of earlier runs. */
  constructor(author: LettersAuthor, known: readonly LostLetter[] = []) {
    this.#author = author;
    this.#lost = new Map(known.map((letter) => [letter.id, letter]));
  }

  /**
   * Whether the agent's own log says, too, that the key which signed a message is retired: a relay alone could be wrong
   * about it, or lie.
   */
  isRetired(letter: Letter | undefined): boolean {
    const { chain, identity } = this.#author;
    const key = letter === undefined ? undefined : chain.tree.find(letter.id, letter.seq)?.key;
    return key !== undefined && identity.standingOf(key)?.live === false;
  }

  /** Takes a message in, where it is lost for some recipient by now. */
  look({ id, seq, timeMs: time }: Letter, results: readonly RecipientResult[]): void {
    const to = results.filter(isLost).map(({ did }) => did);
    if (to.length === 0) this.#lost.delete(id);
    else this.#lost.set(id, { id, seq, time, to });
  }

  /** Those that were written since then, as notes keep them. */
  since(ms: number): { readonly lost?: readonly LostLetter[] } {
    const lost = [...this.#lost.values()].filter(({ time }) => time >= ms).slice(-MAX_LOST);
    return lost.length === 0 ? {} : { lost };
  }
}
