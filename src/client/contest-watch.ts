import type { FollowItem } from "./follow-item.js";
import type { Identities } from "./identities.js";

/** Authors whose contest was told of, the one that was met first forgotten first. */
const MAX_TOLD = 4_096;

/**
 * Tells a reader that two updates of an author's identity clash (`contested`): it goes on with the branch that it took
 * first (DESIGN 3), and other readers may go on with the other. Told once of each contest, and again when it is settled.
 */
export class ContestWatch {
  readonly #identities: Identities;
  readonly #push: (item: FollowItem) => void;
  readonly #told = new Set<string>();

  constructor(identities: Identities, push: (item: FollowItem) => void) {
    this.#identities = identities;
    this.#push = push;
  }

  /** More is known of this author. */
  look(did: string): void {
    const { resolution } = this.#identities.logOf(did);
    const isContested = resolution.status === "contested";
    if (isContested === this.#told.has(did) || !("state" in resolution)) return;
    const { hash: goesOnWith } = resolution.state.head;
    if (!isContested) {
      this.#told.delete(did);
      this.#push({ type: "settled", did, goesOnWith });
      return;
    }
    this.#told.add(did);
    for (const oldest of this.#told) {
      if (this.#told.size <= MAX_TOLD) break;
      this.#told.delete(oldest);
    }
    this.#push({ type: "contested", did, branches: resolution.branches, goesOnWith });
  }
}
