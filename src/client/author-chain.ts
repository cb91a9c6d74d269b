import { type ChainHead, CLAIM_KIND, type Event } from "../protocol/event.js";

/** Where an event belongs in what is known of its author's chain. */
export type Placement =
  /** It was given out before (or is so old that nobody can tell: see {@link AuthorChain}). */
  | { readonly kind: "duplicate" }
  /** The first that is seen of this author. */
  | { readonly kind: "first" }
  | { readonly kind: "next" }
  /**
   * A claim that takes the chain another way: of the events given out before, some are superseded, and where it goes on from
   * what was superseded, that is on the chain again.
   */
  | ({ readonly kind: "switch" } & ChainSwitch)
  /** It was superseded before it arrived. */
  | { readonly kind: "side" }
  /** It stands for itself: its author's chain is not kept where it came from, or it comes late, after a gap was told of. */
  | { readonly kind: "stray" }
  /** What comes before it is missing: these seqs, inclusive. */
  | { readonly kind: "gap"; readonly fromSeq: number; readonly toSeq: number };

/** What a claim changes of what was given out; ids in the order of the chain. */
interface ChainSwitch {
  readonly superseded: readonly string[];
  readonly restored: readonly string[];
}

interface Known {
  readonly id: string;
  readonly prev: string | undefined;
  /** Anybody may read it: a relay that withholds it lies. */
  readonly isPublic: boolean;
  readonly epoch: number;
  /** Multikey of its signer; absent for the tip of an earlier run, of which only the place is kept. */
  readonly key?: string;
  onPath: boolean;
}

/** How far back a chain is remembered by id: claims go back over what was not committed, which is little. */
const WINDOW_EVENTS = 256;
/** Seqs that were passed over and may still come. */
const MAX_SKIPPED = 1_024;
/** Withheld events ahead of the tip that are remembered. */
const MAX_HIDDEN = 1_024;

/**
 * One author's chain as a reader knows it: its tip and the ids of the last 256 seqs. An event below that window counts
 * as a duplicate unless it is a claim of a higher epoch, so memory is bounded and a superseded event that arrives very
 * late is passed over.
 */
export class AuthorChain {
  #tip: (ChainHead & { readonly rotations: number }) | undefined;
  readonly #known = new Map<number, Known[]>();
  /** By seq: ids that relays withhold; nothing is certain about them until an event names them as its predecessor. */
  readonly #hidden = new Map<number, Set<string>>();

  readonly #skipped = new Set<number>();
  /**
   * Seqs that the chain went on behind because relays withheld what is there, and the id of the event there, once one
   * that was given names it as its predecessor. Until then every event of such a seq may be the one.
   */
  readonly #bridged = new Map<number, string | undefined>();

  /** `tip`: what was given out before a restart. */
  constructor(tip?: ChainHead & { readonly rotations: number }) {
    this.#tip = tip;
    if (tip !== undefined)
      this.#known.set(tip.seq, [{ id: tip.id, prev: undefined, isPublic: false, epoch: tip.epoch, onPath: true }]);
  }

  get tip(): ChainHead | undefined {
    return this.#tip;
  }

  /** `rotations`: how many rotates stand behind the event's key. */
  place(event: Event, rotations: number): Placement {
    const tip = this.#tip;
    if (tip === undefined) return { kind: "first" };
    const { id, seq, prev, epoch } = event;
    if (this.has(seq, id)) return { kind: "duplicate" };
    if (seq === tip.seq + 1 && prev === tip.id) return { kind: "next" };
    if (seq > tip.seq + 1 && this.#isBridged(event, tip)) return { kind: "next" };

    const isHigher = rotations > tip.rotations || (rotations === tip.rotations && epoch > tip.epoch);
    if (!isHigher && (this.#skipped.has(seq) || this.#mayFillBridge(seq, id))) {
      return { kind: this.#isBesidePath(event) ? "side" : "stray" };
    }
    // Below the window nobody knows the parent any more. After a restart only the tip is known.
    const parentSeq = Math.max(0, seq - 1);
    const parentIsOld = parentSeq <= tip.seq - WINDOW_EVENTS || (parentSeq < tip.seq && !this.#known.has(parentSeq));
    const parentIsKnown = prev === undefined ? !parentIsOld : this.has(parentSeq, prev);
    if (isHigher && (parentIsKnown || (parentIsOld && event.kind === CLAIM_KIND))) {
      return { kind: "switch", ...this.#switchTo(event) };
    }
    if (!isHigher && parentIsKnown) return { kind: "side" };
    if (!isHigher && parentIsOld) return { kind: "duplicate" };
    const fromSeq =
      seq > tip.seq + 1
        ? this.#firstMissing(tip.seq + 1, seq - 1)
        : Math.max(0, Math.min(tip.seq, seq - 1) - WINDOW_EVENTS);
    return { kind: "gap", fromSeq: Math.min(fromSeq, seq - 1), toSeq: seq - 1 };
  }

  /** Takes an event in at the place that was found; an event after a gap that stays becomes the tip. */
  take(event: Event, rotations: number, placement: Placement): void {
    if (placement.kind === "duplicate") return;
    const { id, seq, epoch, prev } = event;
    if (placement.kind !== "side") this.#skipped.delete(seq);
    const isAhead = placement.kind !== "side" && placement.kind !== "stray";
    if (placement.kind === "next") this.#bridge(event);
    if (placement.kind === "switch") {
      const off = new Set(placement.superseded);
      const on = new Set(placement.restored);
      for (const known of [...this.#known.values()].flat()) {
        known.onPath = on.has(known.id) || (known.onPath && !off.has(known.id));
      }
    }
    const there = this.#known.get(seq);
    const known: Known = { id, prev, isPublic: event.to === undefined, epoch, key: event.key, onPath: isAhead };
    if (there === undefined) this.#known.set(seq, [known]);
    else there.push(known);
    if (placement.kind === "stray" && this.#isNamed(seq, id)) this.#join(known, seq);
    if (!isAhead) return;
    this.#tip = { epoch, seq, id, rotations };
    for (const at of this.#known.keys()) if (at <= seq - WINDOW_EVENTS) this.#known.delete(at);
    for (const at of this.#hidden.keys()) if (at <= seq) this.#hidden.delete(at);
  }

  /** These seqs could not be had, and the chain goes on behind them. If one of them comes after all, it is given out. */
  skip(fromSeq: number, toSeq: number): void {
    for (let seq = fromSeq; seq <= toSeq && this.#skipped.size < MAX_SKIPPED; seq++) this.#skipped.add(seq);
  }

  /** Whether a relay withholds an event at this place; without an id, any. */
  isHidden(seq: number, id?: string): boolean {
    const ids = this.#hidden.get(seq);
    return ids !== undefined && (id === undefined || ids.has(id));
  }

  /** A relay says that this event exists and may not be seen. */
  hide(seq: number, id: string): void {
    if (this.#tip !== undefined && seq <= this.#tip.seq) return;
    const there = this.#hidden.get(seq);
    if (there !== undefined) there.add(id);
    else if (this.#hidden.size < MAX_HIDDEN) this.#hidden.set(seq, new Set([id]));
  }

  /** Whether an event was taken in, as far back as is remembered. */
  has(seq: number, id: string): boolean {
    return this.#known.get(seq)?.some((known) => known.id === id) === true;
  }

  /** Another event that was taken in and that the same key wrote for the same epoch and seq: a fork. */
  rivalOf({ id, seq, epoch, key }: Event): string | undefined {
    const isRival = (known: Known) => known.id !== id && known.epoch === epoch && (known.key ?? key) === key;
    return this.#known.get(seq)?.find(isRival)?.id;
  }

  /** Whether an event was taken in that anybody may read, as far back as is remembered. */
  isPublic(seq: number, id: string): boolean {
    return this.#known.get(seq)?.some((known) => known.id === id && known.isPublic) === true;
  }

  /** Withheld events that come right after the tip are no hole. */
  #firstMissing(fromSeq: number, toSeq: number): number {
    let seq = fromSeq;
    while (seq < toSeq && this.#hidden.has(seq)) seq += 1;
    return seq;
  }

  /** Between the tip and the event there are only withheld ones, and the event names the last of them. */
  #isBridged({ seq, prev }: Event, tip: ChainHead): boolean {
    if (prev === undefined || this.#hidden.get(seq - 1)?.has(prev) !== true) return false;
    for (let at = tip.seq + 1; at < seq; at++) if (!this.#hidden.has(at)) return false;
    return true;
  }

  /** What the event comes after that relays withheld is on the chain, whenever a relay shows it after all. */
  #bridge({ seq, prev }: Event): void {
    const { tip } = this;
    if (tip === undefined || !this.#hidden.has(seq - 1)) return;
    for (let at = tip.seq + 1; at < seq; at++) this.#bridged.set(at, at === seq - 1 ? prev : undefined);
    for (const at of this.#bridged.keys()) {
      if (this.#bridged.size <= MAX_SKIPPED) break;
      this.#bridged.delete(at);
    }
  }

  /** Whether the event after it, which is on the path, names it as its predecessor. */
  #isNamed(seq: number, id: string): boolean {
    return (
      this.#bridged.get(seq) === id ||
      this.#known.get(seq + 1)?.some(({ onPath, prev }) => onPath && prev === id) === true
    );
  }

  /** An event that came late is on the path, and so are those before it that came already. */
  #join(last: Known, seq: number): void {
    let known: Known | undefined = last;
    let at = seq;
    while (known !== undefined && !known.onPath) {
      const { prev }: Known = known;
      known.onPath = true;
      this.#bridged.delete(at);
      at -= 1;
      if (this.#bridged.has(at)) this.#bridged.set(at, prev);
      known = this.#known.get(at)?.find(({ id }) => id === prev);
    }
  }

  /** Whether the path goes through another event of its seq, or on from one. */
  #isBesidePath({ seq, id }: Event): boolean {
    if (this.#known.get(seq)?.some(({ onPath }) => onPath) === true) return true;
    const after = this.#known.get(seq + 1)?.find(({ onPath }) => onPath);
    return after?.prev !== undefined && after.prev !== id;
  }

  #mayFillBridge(seq: number, id: string): boolean {
    return this.#bridged.has(seq) && (this.#bridged.get(seq) ?? id) === id;
  }

  /** Back from the claim to where its branch leaves the path, as far as it is remembered. */
  #switchTo({ seq, prev }: Event): ChainSwitch {
    const restored: string[] = [];
    let at = seq - 1;
    for (let id = prev; ; at--) {
      const before = this.#known.get(at)?.find((known) => known.id === id);
      if (before === undefined || before.onPath) break;
      restored.unshift(before.id);
      id = before.prev;
    }
    return { superseded: this.#pathFrom(at + 1), restored };
  }

  #pathFrom(seq: number): string[] {
    return [...this.#known]
      .filter(([at]) => at >= seq)
      .sort(([a], [b]) => a - b)
      .flatMap(([, known]) => known.flatMap(({ id, onPath }) => (onPath ? [id] : [])));
  }
}
