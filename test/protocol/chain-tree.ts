import type { ChainEvent, ChainVerdict, ChainView, KeyView } from "../../src/protocol/chain.js";
import { headAfterRotation, judge } from "../../src/protocol/chain.js";
import type { ChainHead } from "../../src/protocol/event.js";

/** Key standings written down by hand: `keys[i]` are the keys with i rotates behind them. */
export function keyView(keys: string[][], anchors: (ChainHead | undefined)[] = [], deactivated = false): KeyView {
  return {
    deactivated,
    rotations: keys.length - 1,
    rotationsOf: (key) => {
      const at = keys.findIndex((names) => names.includes(key));
      return at < 0 ? undefined : at;
    },
    anchorOf: (rotations) => anchors[rotations - 1],
  };
}

/** The plainest keeper of a tree: a list, searched from the start, its path walked each time. What others are held against. */
export class ChainTree implements ChainView {
  readonly events: ChainEvent[] = [];
  head: ChainEvent | undefined;
  promised = 0;
  keys: KeyView;

  constructor(keys: KeyView) {
    this.keys = keys;
  }

  idsAt(epoch: number, seq: number): string[] {
    return this.events.filter((event) => event.epoch === epoch && event.seq === seq).map((event) => event.id);
  }

  find(id: string): ChainEvent | undefined {
    return this.events.find((event) => event.id === id);
  }

  onChain(id: string): boolean {
    return this.chain().some((event) => event.id === id);
  }

  /** From the head down to seq 0. */
  chain(): ChainEvent[] {
    const path: ChainEvent[] = [];
    for (let at = this.head; at !== undefined; at = at.prev === undefined ? undefined : this.find(at.prev))
      path.push(at);
    return path;
  }

  take(stated: number, event: ChainEvent): ChainVerdict {
    const verdict = judge(this, stated, event);
    if (verdict.kind === "store") {
      this.events.push(event);
      if (verdict.movesHead) this.head = event;
      if (event.claim && this.keys.rotationsOf(event.key) === this.keys.rotations) {
        this.promised = Math.max(this.promised, event.epoch);
      }
      this.head = headAfterRotation(this);
    }
    return verdict;
  }

  rotate(keys: KeyView): void {
    this.keys = keys;
    this.promised = 0;
    this.head = headAfterRotation(this);
  }
}
