import type { ChainEvent, ChainView, KeyView } from "../protocol/chain.js";
import type { ChainHead } from "../protocol/event.js";

/** An event of the tree, and where its line is kept. */
export interface TreeEvent extends ChainEvent {
  /** Which line of the chain's files it is, from 0 in the order of arrival. */
  readonly ordinal: number;
  /** It lies on the path from seq 0 to the head. */
  readonly onChain: boolean;
}

interface Node extends ChainEvent {
  readonly ordinal: number;
  onChain: boolean;
}

/**
 * An agent's events as a tree in memory: the chain and its side branches, about 200 bytes an event. Holds no lines and
 * decides nothing: `judge` reads it, the chain store tells it what to add.
 */
export class ChainTree implements ChainView {
  keys: KeyView;
  /** The agent's own copy promises nobody anything. */
  readonly promised = 0;
  /** By seq: the one event there, or several in the order of arrival. */
  readonly #bySeq: (Node | Node[])[] = [];
  #head: Node | undefined;
  #size = 0;

  constructor(keys: KeyView) {
    this.keys = keys;
  }

  get head(): TreeEvent | undefined {
    return this.#head;
  }

  /** Events in the tree. */
  get size(): number {
    return this.#size;
  }

  /** Events that are not on the chain. */
  get sideEvents(): number {
    return this.#size - (this.#head === undefined ? 0 : this.#head.seq + 1);
  }

  /** The events that are not on the chain, by seq. */
  *side(): Generator<TreeEvent, void, undefined> {
    if (this.sideEvents === 0) return;
    for (let seq = 0; seq < this.#bySeq.length; seq++) {
      for (const event of this.#at(seq)) if (!event.onChain) yield event;
    }
  }

  /** Every event of the tree, by seq. */
  *all(): Generator<TreeEvent, void, undefined> {
    for (let seq = 0; seq < this.#bySeq.length; seq++) yield* this.#at(seq);
  }

  idsAt(epoch: number, seq: number): readonly string[] {
    return this.#at(seq).flatMap((event) => (event.epoch === epoch ? [event.id] : []));
  }

  find(id: string, seq: number): TreeEvent | undefined {
    const there = this.#bySeq[seq];
    if (there === undefined) return undefined;
    if (!Array.isArray(there)) return there.id === id ? there : undefined;
    return there.find((event) => event.id === id);
  }

  onChain(id: string, seq: number): boolean {
    return this.find(id, seq)?.onChain === true;
  }

  /** The event of the chain at a seq. */
  chainAt(seq: number): TreeEvent | undefined {
    const there = this.#bySeq[seq];
    if (there === undefined) return undefined;
    if (!Array.isArray(there)) return there.onChain ? there : undefined;
    return there.find((event) => event.onChain);
  }

  /** The event before one; undefined at seq 0. */
  before(event: ChainEvent): TreeEvent | undefined {
    return event.prev === undefined ? undefined : this.find(event.prev, event.seq - 1);
  }

  /** The newest claim on the path that ends at `from`. */
  claimBefore(from: ChainHead): TreeEvent | undefined {
    let at = this.find(from.id, from.seq);
    while (at !== undefined && !at.claim) at = this.before(at);
    return at;
  }

  /** Adds an event whose predecessor is in the tree. */
  add(event: ChainEvent, ordinal: number, movesHead: boolean): TreeEvent {
    const parent = this.before(event);
    const { epoch, seq, id, key, claim } = event;
    // One string object for every id: `prev` is the parent's own.
    const node: Node = {
      epoch,
      seq,
      id,
      key: parent?.key === key ? parent.key : key,
      claim,
      ordinal,
      onChain: false,
      ...(parent === undefined ? {} : { prev: parent.id }),
    };
    const there = this.#bySeq[seq];
    if (there === undefined) this.#bySeq[seq] = node;
    else if (Array.isArray(there)) there.push(node);
    else this.#bySeq[seq] = [there, node];
    this.#size += 1;
    if (movesHead) this.moveHead(node);
    return node;
  }

  /** Makes an event of the tree the head, or nothing where the whole chain became void. */
  moveHead(to: ChainHead | undefined): void {
    const target = to === undefined ? undefined : (this.find(to.id, to.seq) as Node);
    const joined = this.#markUp(target, true, (node) => node.onChain);
    this.#markUp(this.#head, false, (node) => node === joined);
    this.#head = target;
  }

  /** Marks the path from `from` towards seq 0 until `stop` says so; returns where it stopped. */
  #markUp(from: Node | undefined, onChain: boolean, stop: (node: Node) => boolean): Node | undefined {
    let at = from;
    while (at !== undefined && !stop(at)) {
      at.onChain = onChain;
      at = this.before(at) as Node | undefined;
    }
    return at;
  }

  #at(seq: number): readonly Node[] {
    const there = this.#bySeq[seq];
    if (there === undefined) return [];
    return Array.isArray(there) ? there : [there];
  }
}
