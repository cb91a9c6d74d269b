import { AntsError } from "../../keys/errors.js";
import type { AgentRow, AgentTable } from "./agent-table.js";
import { type EventPage, EventRecord, PAGE_SEQS } from "./event-page.js";
import type { Facts } from "./facts.js";
import type { Fork, StoredEvent, TreeChange } from "./index-group.js";
import { FACT, factKey } from "./index-keys.js";
import type { PageCache } from "./page-cache.js";
import { SpilledEvents } from "./spilled-events.js";

type Place = Extract<TreeChange, { op: "place" }>;

/** Of the events in one place, how many are looked at for forks: more than a keeper stores of one era. */
const MAX_EVENTS_OF_FORK = 16;

/** An event and what names it in its tree. */
interface Spot {
  readonly seq: number;
  /** Its number among the events at its seq, in the order of arrival. */
  readonly ordinal: number;
  readonly record: EventRecord;
  /** Undefined when it is spilled. */
  readonly page: EventPage | undefined;
}

/** All agents' trees of events, and in each the path to the head. */
export class EventTrees {
  readonly #facts: Facts;
  readonly #agents: AgentTable;
  readonly #pages: PageCache;
  readonly #spilled: SpilledEvents;

  constructor(facts: Facts, agents: AgentTable, pages: PageCache) {
    this.#facts = facts;
    this.#agents = agents;
    this.#pages = pages;
    this.#spilled = new SpilledEvents(facts);
  }

  place(change: Place): void {
    const row = this.#row(change.agentNo);
    const id = Buffer.from(change.id, "hex");
    const known = this.#spotOf(row.no, change.seq, id);
    if (known !== undefined) {
      known.record.position = change.position;
      this.#changed(row.no, known);
      if (row.head?.id === change.id) row.head = { ...row.head, position: change.position };
      return;
    }
    const spot = this.#add(row, change, id);
    if (change.movesHead) this.#moveHead(row, spot, change.id);
  }

  /** Moves the head of an agent to an event of its tree, or away. */
  setHead(agentNo: number, to: { readonly seq: number; readonly id: string } | undefined): void {
    const row = this.#row(agentNo);
    if (to === undefined) {
      this.#leavePath(row, -1);
      row.head = undefined;
      return;
    }
    const spot = this.#spotOf(agentNo, to.seq, Buffer.from(to.id, "hex"));
    if (spot === undefined) throw inconsistent(`agent ${agentNo} has no event ${to.id} at seq ${to.seq}`);
    this.#moveHead(row, spot, to.id);
  }

  find(agentNo: number, seq: number, id: string): StoredEvent | undefined {
    return this.#shown(agentNo, this.#spotOf(agentNo, seq, Buffer.from(id, "hex")));
  }

  eventsIn(agentNo: number, epoch: number, seq: number, limit: number): StoredEvent[] {
    const page = this.#pages.get(agentNo, bucketOf(seq));
    const spots: Spot[] = [];
    let ordinal = 0;
    for (const record of page.recordsAt(seq)) {
      if (record.epoch === epoch) spots.push({ seq, ordinal, record, page });
      ordinal++;
    }
    const room = limit - spots.length;
    const spilled = page.full && room > 0 ? this.#spilled.ordinalsIn(agentNo, seq, epoch, room) : [];
    for (const number of spilled) spots.push(this.#nth(agentNo, seq, number)!);
    return spots.slice(0, limit).map((spot) => this.#shown(agentNo, spot)!);
  }

  eventsAt(agentNo: number, seq: number, limit: number): StoredEvent[] {
    const page = this.#pages.get(agentNo, bucketOf(seq));
    const spots: Spot[] = [];
    for (const record of page.recordsAt(seq)) spots.push({ seq, ordinal: spots.length, record, page });
    const room = limit - spots.length;
    const spilled = page.full && room > 0 ? this.#spilled.ordinalsAt(agentNo, seq, room) : [];
    for (const number of spilled) spots.push(this.#nth(agentNo, seq, number)!);
    return spots.slice(0, limit).map((spot) => this.#shown(agentNo, spot)!);
  }

  chainAt(agentNo: number, seq: number): StoredEvent | undefined {
    const page = this.#pages.get(agentNo, bucketOf(seq));
    let ordinal = 0;
    for (const record of page.recordsAt(seq)) {
      if (record.onChain) return this.#shown(agentNo, { seq, ordinal, record, page });
      ordinal++;
    }
    const spilled = page.full ? this.#spilled.ordinalOnChain(agentNo, seq) : undefined;
    return spilled === undefined ? undefined : this.#shown(agentNo, this.#nth(agentNo, seq, spilled));
  }

  forks(agentNo: number, limit: number): Fork[] {
    return this.#facts.lastWithPrefix(factKey(FACT.fork, [agentNo, 4]), limit).flatMap(({ key }) => {
      const seq = key.readUIntBE(5, 6);
      const epoch = key.readUIntBE(11, 6);
      return forksAmong(this.eventsIn(agentNo, epoch, seq, MAX_EVENTS_OF_FORK));
    });
  }

  #row(agentNo: number): AgentRow {
    const row = this.#agents.byNo(agentNo);
    if (row === undefined) throw inconsistent(`agent ${agentNo} is not in the index`);
    return row;
  }

  #add(row: AgentRow, change: Place, id: Buffer): Spot {
    const { seq, epoch, position, claim, key } = change;
    const prevOrdinal = this.#prevOrdinal(row, change);
    const page = this.#pages.get(row.no, bucketOf(seq));
    let ordinal = 0;
    let taken = false;
    for (const rival of page.recordsAt(seq)) {
      taken ||= rival.epoch === epoch;
      ordinal++;
    }
    if (page.full) {
      taken ||= this.#spilled.ordinalsIn(row.no, seq, epoch, 1).length > 0;
      ordinal += this.#spilled.count(row.no, seq);
    }
    if (taken) this.#facts.put(factKey(FACT.fork, [row.no, 4], [seq, 6], [epoch, 6]));
    const bytes = EventRecord.create({ id, position, epoch, seq, claim, keyNo: row.keyNo(key), prevOrdinal });
    if (!page.full) return { seq, ordinal, record: this.#pages.push(page, bytes), page };
    const record = new EventRecord(bytes);
    this.#spilled.add(row.no, seq, ordinal, record);
    return { seq, ordinal, record, page: undefined };
  }

  #prevOrdinal(row: AgentRow, { seq, prev }: Place): number {
    if (seq === 0) return 0;
    if (row.head !== undefined && row.head.id === prev) return row.head.ordinal;
    const spot = prev === undefined ? undefined : this.#spotOf(row.no, seq - 1, Buffer.from(prev, "hex"));
    if (spot === undefined) throw inconsistent(`agent ${row.no} has no event ${prev} at seq ${seq - 1}`);
    return spot.ordinal;
  }

  #moveHead(row: AgentRow, spot: Spot, id: string): void {
    const { head } = row;
    const follows =
      head === undefined
        ? spot.seq === 0
        : spot.seq === head.seq + 1 && spot.record.prevOrdinal === head.ordinal && !spot.record.onChain;
    if (follows) this.#mark(row.no, spot, true);
    else this.#changePath(row, spot);
    const { epoch, position } = spot.record;
    row.head = { epoch, seq: spot.seq, id, position, ordinal: spot.ordinal };
  }

  /** Marks the path to `spot`, and unmarks what of the present path is off it. */
  #changePath(row: AgentRow, spot: Spot): void {
    const joining: Spot[] = [];
    let at: Spot | undefined = spot;
    while (at !== undefined && !at.record.onChain) {
      joining.push(at);
      at = this.#before(row.no, at);
    }
    this.#leavePath(row, at?.seq ?? -1);
    for (const joined of joining) this.#mark(row.no, joined, true);
  }

  /** Unmarks the path to the head down to, not including, `seq`. */
  #leavePath(row: AgentRow, seq: number): void {
    let at = row.head && this.#nth(row.no, row.head.seq, row.head.ordinal);
    while (at !== undefined && at.seq > seq) {
      this.#mark(row.no, at, false);
      at = this.#before(row.no, at);
    }
  }

  #mark(agentNo: number, spot: Spot, onChain: boolean): void {
    spot.record.onChain = onChain;
    this.#changed(agentNo, spot);
  }

  #changed(agentNo: number, { page, seq, ordinal, record }: Spot): void {
    if (page === undefined) this.#spilled.put(agentNo, seq, ordinal, record);
    else this.#pages.changed(page);
  }

  #before(agentNo: number, { seq, record }: Spot): Spot | undefined {
    return seq === 0 ? undefined : this.#nth(agentNo, seq - 1, record.prevOrdinal);
  }

  #nth(agentNo: number, seq: number, ordinal: number): Spot | undefined {
    const page = this.#pages.get(agentNo, bucketOf(seq));
    const inPage = page.nth(seq, ordinal);
    if (inPage !== undefined) return { seq, ordinal, record: inPage, page };
    const record = page.full ? this.#spilled.get(agentNo, seq, ordinal) : undefined;
    return record && { seq, ordinal, record, page: undefined };
  }

  #spotOf(agentNo: number, seq: number, id: Uint8Array): Spot | undefined {
    const page = this.#pages.get(agentNo, bucketOf(seq));
    let ordinal = 0;
    for (const record of page.recordsAt(seq)) {
      if (record.hasId(id)) return { seq, ordinal, record, page };
      ordinal++;
    }
    const spilled = page.full ? this.#spilled.ordinalOf(agentNo, seq, id) : undefined;
    return spilled === undefined ? undefined : this.#nth(agentNo, seq, spilled);
  }

  #shown(agentNo: number, spot: Spot | undefined): StoredEvent | undefined {
    if (spot === undefined) return undefined;
    const { record, seq } = spot;
    const before = () => this.#before(agentNo, spot)?.record.id;
    return {
      position: record.position,
      epoch: record.epoch,
      seq,
      id: record.id,
      key: this.#row(agentNo).keyOf(record.keyNo),
      claim: record.claim,
      onChain: record.onChain,
      get prev() {
        return before();
      },
    };
  }
}

/** For each key that signed several of these events, the first two. */
function forksAmong(events: readonly StoredEvent[]): Fork[] {
  const forks = new Map<string, Fork>();
  for (const [i, { epoch, seq, key, position }] of events.entries()) {
    const first = events.find((other) => other.key === key)!;
    if (first === events[i] || forks.has(key)) continue;
    forks.set(key, { epoch, seq, key, positions: [first.position, position] });
  }
  return [...forks.values()];
}

function bucketOf(seq: number): number {
  return Math.floor(seq / PAGE_SEQS);
}

/** Admission and index disagree: a fault of this program, which a rebuild of the index repairs. */
function inconsistent(what: string): AntsError {
  return new AntsError("index-failed", `the index cannot take this group: ${what}`, {
    hint: "delete data/index and restart the relay: the index is rebuilt from the log",
  });
}
