import type { ChainHead, Event } from "../protocol/event.js";

/** Seqs that a relay passed over. */
export interface Omission {
  readonly fromSeq: number;
  readonly toSeq: number;
}

interface Author {
  /** id → seq of what it showed last, in order. */
  readonly recent: Map<string, number>;
  /** It keeps this author's chain, and not only single events that were addressed to others. */
  hosts: boolean;
  tip: ChainHead;
}

/** As far back as a claim may go over what was not committed. */
const MAX_RECENT = 256;
/** Authors that are remembered, the least recent forgotten first: then the next event of one is believed as it comes. */
const MAX_AUTHORS = 4_096;

/**
 * What one relay has shown of every author's chain. A relay that keeps a chain stores no event without the one before
 * it, so an event whose predecessor it never showed means that it hides something.
 */
export class RelayStory {
  readonly #authors = new Map<string, Author>();
  /** The relay was read from its first entry and nobody was forgotten: an author who is not known is new. */
  #knowsAll: boolean;

  /**
   * `fromStart`: the relay was read from its first entry, so every chain must begin with seq 0.
   * `authors`: what it had shown before a restart.
   */
  constructor(fromStart: boolean, authors: Readonly<Record<string, ChainHead>> = {}) {
    this.#knowsAll = fromStart;
    for (const [did, tip] of Object.entries(authors)) {
      this.#authors.set(did, { recent: new Map([[tip.id, tip.seq]]), hosts: true, tip });
    }
  }

  /** Whether this relay keeps the author's chain, as far as it showed. */
  hosts(did: string): boolean {
    return this.#authors.get(did)?.hosts === true;
  }

  /** The relay shows an event. Returns what it must have passed over. */
  show(event: Event): Omission | undefined {
    const { did, seq, prev, epoch, id } = event;
    const isOwn = event.to === undefined;
    const author = this.#authors.get(did);
    const omission = this.#omission(author, event);
    this.#add(did, { epoch, seq, id }, author, isOwn || author?.hosts === true);
    return prev === undefined ? undefined : omission;
  }

  /** The relay says that this event is there and may not be seen. Its predecessor is not known. */
  withhold(did: string, seq: number, id: string): void {
    const author = this.#authors.get(did);
    this.#add(did, { epoch: author?.tip.epoch ?? 1, seq, id }, author, author?.hosts === true);
  }

  /** Where an author's chain stands, for the state; undefined for one that it doesn't keep. */
  tip(did: string): ChainHead | undefined {
    const author = this.#authors.get(did);
    return author?.hosts === true ? author.tip : undefined;
  }

  #omission(author: Author | undefined, { seq, prev, to }: Event): Omission | undefined {
    if (author === undefined) return this.#knowsAll && to === undefined ? { fromSeq: 0, toSeq: seq - 1 } : undefined;
    if (!author.hosts || prev === undefined || author.recent.has(prev)) return undefined;
    if (seq > author.tip.seq + 1) return { fromSeq: author.tip.seq + 1, toSeq: seq - 1 };
    // A branch from before what is remembered is nothing to complain of.
    const oldest = author.recent.values().next().value ?? 0;
    return seq - 1 < oldest || author.recent.size < 2 ? undefined : { fromSeq: seq - 1, toSeq: seq - 1 };
  }

  #add(did: string, tip: ChainHead, author: Author | undefined, hosts: boolean): void {
    const { recent } = author ?? { recent: new Map<string, number>() };
    recent.set(tip.id, tip.seq);
    if (recent.size > MAX_RECENT) {
      for (const oldest of recent.keys()) {
        recent.delete(oldest);
        break;
      }
    }
    const before = author?.tip;
    const moves =
      before === undefined || tip.epoch > before.epoch || (tip.epoch === before.epoch && tip.seq > before.seq);
    this.#authors.delete(did);
    this.#authors.set(did, { recent, hosts, tip: moves ? tip : before });
    if (this.#authors.size > MAX_AUTHORS) {
      for (const oldest of this.#authors.keys()) {
        this.#authors.delete(oldest);
        break;
      }
      this.#knowsAll = false;
    }
  }
}
