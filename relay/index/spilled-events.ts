import { EventRecord } from "./event-page.js";
import type { Facts } from "./facts.js";
import { FACT, factKey } from "./index-keys.js";

/**
 * Events that their page had no room for, because their author claimed or forked again and again at the same seqs. Each
 * is found by id, by epoch and by ordinal with one lookup, however many there are: an author cannot slow the relay down.
 */
export class SpilledEvents {
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  count(agentNo: number, seq: number): number {
    return readNumber(this.#facts.get(factKey(FACT.spillCount, [agentNo, 4], [seq, 6]))) ?? 0;
  }

  get(agentNo: number, seq: number, ordinal: number): EventRecord | undefined {
    const bytes = this.#facts.get(factKey(FACT.spill, [agentNo, 4], [seq, 6], [ordinal, 4]));
    // A copy: what is pending in `facts` must change through `put` only.
    return bytes && new EventRecord(Buffer.from(bytes));
  }

  ordinalOf(agentNo: number, seq: number, id: Uint8Array): number | undefined {
    return readNumber(this.#facts.get(factKey(FACT.spillId, [agentNo, 4], [seq, 6], id)));
  }

  ordinalsIn(agentNo: number, seq: number, epoch: number, limit: number): number[] {
    return this.#ordinals(factKey(FACT.spillEpoch, [agentNo, 4], [seq, 6], [epoch, 6]), limit);
  }

  ordinalsAt(agentNo: number, seq: number, limit: number): number[] {
    return this.#ordinals(factKey(FACT.spill, [agentNo, 4], [seq, 6]), limit);
  }

  /** The ordinal of the event on the chain, if it is a spilled one. */
  ordinalOnChain(agentNo: number, seq: number): number | undefined {
    return readNumber(this.#facts.get(factKey(FACT.spillChain, [agentNo, 4], [seq, 6])));
  }

  add(agentNo: number, seq: number, ordinal: number, record: EventRecord): void {
    const facts = this.#facts;
    facts.put(factKey(FACT.spillCount, [agentNo, 4], [seq, 6]), number(this.count(agentNo, seq) + 1));
    facts.put(factKey(FACT.spillId, [agentNo, 4], [seq, 6], record.bytes.subarray(0, 32)), number(ordinal));
    facts.put(factKey(FACT.spillEpoch, [agentNo, 4], [seq, 6], [record.epoch, 6], [ordinal, 4]));
    this.put(agentNo, seq, ordinal, record);
  }

  /** Writes a changed record back. */
  put(agentNo: number, seq: number, ordinal: number, record: EventRecord): void {
    this.#facts.put(factKey(FACT.spill, [agentNo, 4], [seq, 6], [ordinal, 4]), record.bytes);
    const onChain = factKey(FACT.spillChain, [agentNo, 4], [seq, 6]);
    if (record.onChain) this.#facts.put(onChain, number(ordinal));
    else if (this.ordinalOnChain(agentNo, seq) === ordinal) this.#facts.remove(onChain);
  }

  #ordinals(prefix: Buffer, limit: number): number[] {
    return this.#facts.withPrefix(prefix, limit).map(({ key }) => key.readUInt32BE(key.length - 4));
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function readNumber(bytes: Buffer | undefined): number | undefined {
  return bytes?.readUInt32BE(0);
}
