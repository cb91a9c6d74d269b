import type { Did } from "../../keys/did.js";
import type { Facts } from "./facts.js";
import type { AgentRecord, AgentUpdate, ChainHead, RecordValue } from "./index-group.js";
import { agentPostings, blockKey, FACT, factKey, recordKey } from "./index-keys.js";
import { PostingBlock } from "./posting-block.js";
import type { Tables } from "./tables.js";

/** Agents kept in memory, about 1 KiB each. */
const MAX_AGENTS = 16_384;

/** The head and where it is among the events at its seq. */
interface HeadPlace extends ChainHead {
  readonly ordinal: number;
}

/** An agent's record as JSON in the database. */
interface StoredAgent {
  readonly did: Did;
  readonly promised: { readonly epoch: number; readonly position: number };
  readonly head?: HeadPlace;
  readonly keys: readonly string[];
  readonly details: { readonly [key: string]: RecordValue };
}

/** One agent in memory: its record, the keys that its events name by number, and its newest postings. */
export class AgentRow {
  readonly no: number;
  readonly did: Did;
  /** Used since the last look for room. */
  used = true;
  readonly #dirty: Set<AgentRow>;
  #promised: AgentRecord["promised"];
  #details: AgentRecord["details"];
  #head: HeadPlace | undefined;
  readonly #keys: string[];
  readonly #keyNos: Map<string, number>;
  #record: AgentRecord | undefined;
  /** Those since the last write; the newest one stays, so that it can grow. */
  readonly #blocks: PostingBlock[] = [];

  /** `dirty`: where the row enters itself whenever it changes. */
  constructor(no: number, stored: StoredAgent, dirty: Set<AgentRow>) {
    this.no = no;
    this.#dirty = dirty;
    this.did = stored.did;
    this.#promised = stored.promised;
    this.#details = stored.details;
    this.#head = stored.head;
    this.#keys = [...stored.keys];
    this.#keyNos = new Map(this.#keys.map((key, i) => [key, i]));
  }

  get record(): AgentRecord {
    this.#record ??= {
      no: this.no,
      did: this.did,
      promised: this.#promised,
      details: this.#details,
      ...(this.#head === undefined ? {} : { head: withoutOrdinal(this.#head) }),
    };
    return this.#record;
  }

  get head(): HeadPlace | undefined {
    return this.#head;
  }

  set head(head: HeadPlace | undefined) {
    this.#head = head;
    this.#changed();
  }

  update({ promised, details }: AgentUpdate): void {
    this.#promised = promised;
    if (details !== undefined) this.#details = details;
    this.#changed();
  }

  keyNo(key: string): number {
    const known = this.#keyNos.get(key);
    if (known !== undefined) return known;
    this.#keyNos.set(key, this.#keys.length);
    this.#changed();
    return this.#keys.push(key) - 1;
  }

  keyOf(keyNo: number): string {
    return this.#keys[keyNo]!;
  }

  /** Notes that the entry at `position` is this agent's. */
  post(position: number): void {
    const newest = this.#blocks.at(-1);
    if (newest === undefined || newest.full) this.#blocks.push(new PostingBlock(position));
    else newest.push(position);
    this.#dirty.add(this);
  }

  /** Writes what changed; inside a transaction. */
  write(tables: Tables): void {
    for (const block of this.#blocks) {
      if (block.dirty) tables.agents.putSync(blockKey(agentPostings(this.no), block.first), block.stored);
    }
    const stored: StoredAgent = {
      did: this.did,
      promised: this.#promised,
      keys: this.#keys,
      details: this.#details,
      ...(this.#head === undefined ? {} : { head: this.#head }),
    };
    tables.agents.putSync(recordKey(this.no), Buffer.from(JSON.stringify(stored)));
  }

  /** After the transaction. */
  written(): void {
    this.#blocks.splice(0, this.#blocks.length - 1);
    for (const block of this.#blocks) block.dirty = false;
  }

  #changed(): void {
    this.#record = undefined;
    this.#dirty.add(this);
  }
}

/** The agents by number and DID: those in use in memory, all in the database. */
export class AgentTable {
  readonly #tables: Tables;
  readonly #facts: Facts;
  readonly #byNo = new Map<number, AgentRow>();
  readonly #byDid = new Map<string, AgentRow>();
  readonly #dirty = new Set<AgentRow>();
  #nextNo: number;

  constructor(tables: Tables, facts: Facts, nextNo: number) {
    this.#tables = tables;
    this.#facts = facts;
    this.#nextNo = nextNo;
  }

  get nextNo(): number {
    return this.#nextNo;
  }

  byDid(did: string): AgentRow | undefined {
    const known = this.#byDid.get(did);
    if (known !== undefined) {
      known.used = true;
      return known;
    }
    const no = this.#facts.get(didKey(did));
    return no === undefined ? undefined : this.byNo(no.readUInt32BE(0));
  }

  byNo(no: number): AgentRow | undefined {
    const known = this.#byNo.get(no);
    if (known !== undefined) {
      known.used = true;
      return known;
    }
    const stored = this.#tables.get(this.#tables.agents, recordKey(no));
    if (stored === undefined) return undefined;
    return this.#keep(new AgentRow(no, JSON.parse(stored.toString("utf8")) as StoredAgent, this.#dirty));
  }

  create({ no, did, promised }: AgentUpdate): AgentRow {
    const value = Buffer.allocUnsafe(4);
    value.writeUInt32BE(no);
    this.#facts.put(didKey(did), value);
    this.#nextNo = no + 1;
    return this.#keep(new AgentRow(no, { did, promised, keys: [], details: {} }, this.#dirty));
  }

  /** Writes changed rows; inside a transaction. */
  write(): void {
    for (const row of this.#dirty) row.write(this.#tables);
  }

  /** After the transaction. */
  written(): void {
    for (const row of this.#dirty) row.written();
    this.#dirty.clear();
  }

  /** Frees those that were not used for long and need no writing. Only while nobody holds a row that he means to change. */
  makeRoom(): void {
    if (this.#byNo.size <= MAX_AGENTS) return;
    let surplus = this.#byNo.size - (MAX_AGENTS * 3) / 4;
    for (const row of this.#byNo.values()) {
      if (surplus <= 0) return;
      if (this.#dirty.has(row)) continue;
      // A row in use goes to the end of the line once; if nobody has used it when it is its turn again, it goes.
      this.#byNo.delete(row.no);
      surplus--;
      if (row.used) {
        row.used = false;
        this.#byNo.set(row.no, row);
      } else {
        this.#byDid.delete(row.did);
      }
    }
  }

  #keep(row: AgentRow): AgentRow {
    this.#byNo.set(row.no, row);
    this.#byDid.set(row.did, row);
    return row;
  }
}

function didKey(did: string): Buffer {
  return factKey(FACT.did, Buffer.from(did, "latin1"));
}

function withoutOrdinal({ epoch, seq, id, position }: HeadPlace): ChainHead {
  return { epoch, seq, id, position };
}
