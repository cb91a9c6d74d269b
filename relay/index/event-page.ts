/** Seqs whose events share a page: an agent that publishes one by one rewrites half of it on average. */
export const PAGE_SEQS = 16;
/** Events of one page. More than one an seq come from forks and repeated claims; what has no room is spilled. */
const PAGE_EVENTS = 32;
/**
 * id (32), position (6), epoch (6), seq within the page (1), flags (1), key number (4), ordinal of the event before it
 * among those at its seq (4); little-endian.
 */
const RECORD_BYTES = 54;

const POSITION_AT = 32;
const EPOCH_AT = 38;
const SEQ_AT = 44;
const FLAGS_AT = 45;
const KEY_AT = 46;
const PREV_AT = 50;
const CLAIM = 1;
const ON_CHAIN = 2;

/** One event as it stands in a page or is spilled. */
export class EventRecord {
  readonly #bytes: Buffer;

  /** `bytes`: {@link RECORD_BYTES} of a page, shared. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static create(fields: {
    id: Uint8Array;
    position: number;
    epoch: number;
    seq: number;
    claim: boolean;
    keyNo: number;
    prevOrdinal: number;
  }): Buffer {
    const bytes = Buffer.allocUnsafe(RECORD_BYTES);
    bytes.set(fields.id, 0);
    bytes.writeUIntLE(fields.position, POSITION_AT, 6);
    bytes.writeUIntLE(fields.epoch, EPOCH_AT, 6);
    bytes[SEQ_AT] = fields.seq % PAGE_SEQS;
    bytes[FLAGS_AT] = fields.claim ? CLAIM : 0;
    bytes.writeUInt32LE(fields.keyNo, KEY_AT);
    bytes.writeUInt32LE(fields.prevOrdinal, PREV_AT);
    return bytes;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  get id(): string {
    return this.#bytes.toString("hex", 0, 32);
  }

  hasId(id: Uint8Array): boolean {
    return this.#bytes.compare(id, 0, 32, 0, 32) === 0;
  }

  get position(): number {
    return this.#bytes.readUIntLE(POSITION_AT, 6);
  }

  set position(position: number) {
    this.#bytes.writeUIntLE(position, POSITION_AT, 6);
  }

  get epoch(): number {
    return this.#bytes.readUIntLE(EPOCH_AT, 6);
  }

  get claim(): boolean {
    return (this.#bytes[FLAGS_AT]! & CLAIM) !== 0;
  }

  get onChain(): boolean {
    return (this.#bytes[FLAGS_AT]! & ON_CHAIN) !== 0;
  }

  set onChain(value: boolean) {
    const flags = this.#bytes[FLAGS_AT]!;
    this.#bytes[FLAGS_AT] = value ? flags | ON_CHAIN : flags & ~ON_CHAIN;
  }

  get keyNo(): number {
    return this.#bytes.readUInt32LE(KEY_AT);
  }

  get prevOrdinal(): number {
    return this.#bytes.readUInt32LE(PREV_AT);
  }
}

/**
 * The events of one agent at {@link PAGE_SEQS} consecutive seqs, in the order in which they entered the tree. Events
 * are never removed, so an event is named by its seq and its ordinal among the events at that seq.
 */
export class EventPage {
  readonly agentNo: number;
  readonly bucket: number;
  #bytes: Buffer;
  #count: number;

  /** `stored`: what {@link EventPage.stored} gave, or nothing for a page without events. Copied. */
  constructor(agentNo: number, bucket: number, stored?: Uint8Array) {
    this.agentNo = agentNo;
    this.bucket = bucket;
    this.#count = stored === undefined ? 0 : stored.length / RECORD_BYTES;
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(PAGE_SEQS, this.#count) * RECORD_BYTES);
    if (stored !== undefined) this.#bytes.set(stored);
  }

  /** No more events enter this page: those that follow are spilled. */
  get full(): boolean {
    return this.#count >= PAGE_EVENTS;
  }

  get stored(): Buffer {
    return this.#bytes.subarray(0, this.#count * RECORD_BYTES);
  }

  /** Events at a seq of this page. */
  countAt(seq: number): number {
    const low = seq % PAGE_SEQS;
    let count = 0;
    for (let i = 0; i < this.#count; i++) if (this.#bytes[i * RECORD_BYTES + SEQ_AT] === low) count++;
    return count;
  }

  /** The events at a seq of this page, by their ordinals. */
  *recordsAt(seq: number): Generator<EventRecord> {
    const low = seq % PAGE_SEQS;
    for (let i = 0; i < this.#count; i++) if (this.#bytes[i * RECORD_BYTES + SEQ_AT] === low) yield this.#record(i);
  }

  nth(seq: number, ordinal: number): EventRecord | undefined {
    const low = seq % PAGE_SEQS;
    let left = ordinal;
    for (let i = 0; i < this.#count; i++) {
      if (this.#bytes[i * RECORD_BYTES + SEQ_AT] === low && left-- === 0) return this.#record(i);
    }
    return undefined;
  }

  /** Adds what {@link EventRecord.create} made; only while the page is not full. */
  push(record: Buffer): EventRecord {
    const at = this.#count * RECORD_BYTES;
    if (at === this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(PAGE_EVENTS * RECORD_BYTES);
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    record.copy(this.#bytes, at);
    this.#count++;
    return this.#record(this.#count - 1);
  }

  #record(i: number): EventRecord {
    return new EventRecord(this.#bytes.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES));
  }
}
