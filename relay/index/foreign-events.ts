import type { Facts } from "./facts.js";
import type { ForeignEvent } from "./index-group.js";
import { FACT, factKey } from "./index-keys.js";

/** More than any caller can use. */
const ALL = 2 ** 31;
/** Stands for the missing `prev` at seq 0. */
const NO_PREV = Buffer.alloc(32);

/** Addressed events from authors whose chain is not kept here, by what they follow. */
export class ForeignEvents {
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  put(agentNo: number, { position, epoch, seq, id, key, claim, prev }: ForeignEvent): void {
    const event: ForeignEvent = { position, epoch, seq, id, key, claim, prev };
    this.#facts.put(rowKey(agentNo, prev, position), Buffer.from(JSON.stringify(event)));
  }

  after(agentNo: number, prev: string): ForeignEvent[] {
    const rows = this.#facts.withPrefix(rowKey(agentNo, prev), ALL);
    return rows.map(({ value }) => JSON.parse(value.toString("utf8")) as ForeignEvent);
  }

  /** The event has joined its author's tree. */
  remove(agentNo: number, prev: string, position: number): void {
    this.#facts.remove(rowKey(agentNo, prev, position));
  }
}

function rowKey(agentNo: number, prev: string, position?: number): Buffer {
  const parts = [[agentNo, 4], prev === "" ? NO_PREV : Buffer.from(prev, "hex")] as const;
  return position === undefined
    ? factKey(FACT.foreign, ...parts)
    : factKey(FACT.foreign, ...parts, [position, 6] as const);
}
