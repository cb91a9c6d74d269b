import { concat, fromUtf8, hex, utf8 } from "../../keys/bytes.js";
import { canonicalize } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import { AntsError } from "../../keys/errors.js";
import type { Disk, DiskLock, Random } from "../../keys/ports.js";
import { type ParsedEvent, parseEvent } from "../protocol/event.js";
import { HEX16, isText } from "../protocol/grammar.js";
import type { EventItem } from "./follow-item.js";

/** A message as the inbox keeps it: the event as it came, sealed as it was. */
export interface StoredMessage {
  /** Its number in this inbox, from 1, in the order of arrival. */
  readonly n: number;
  readonly event: ParsedEvent;
  readonly relay: string;
  /** What was known of the author's key when it came. */
  readonly standing: EventItem["standing"];
}

type Arrived = Omit<StoredMessage, "n">;

type InboxRecord =
  | { readonly type: "inbox"; readonly v: 1; readonly id: string }
  | ({ readonly type: "message" } & StoredMessage)
  | { readonly type: "read"; readonly n: readonly number[] }
  | { readonly type: "accept" | "block"; readonly did: Did };

const NEWLINE = 0x0a;

/**
 * The inbox of a home: one file that only grows, of canonical JSON lines. A message is in it once, by its id, whatever
 * relays it came from and however often; what was read is in it as well. So reading goes on from what is here, and no
 * crash loses a message or gives one again that was marked. Bodies stay sealed on the disk.
 *
 * One process at a time: a lock beside the file, not the home's, so that the inbox is read while the agent is at work.
 */
export class InboxStore {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #lock: DiskLock;
  readonly #numbers = new Map<string, number>();
  readonly #unread = new Map<number, StoredMessage>();
  readonly #accepted = new Set<string>();
  readonly #blocked = new Set<string>();
  #id = "";
  #count = 0;
  #writing: Promise<void> = Promise.resolve();
  /** Records of the next write, which begins when the one under way is done. */
  #next: { readonly records: InboxRecord[]; readonly done: Promise<void> } | undefined;

  private constructor(disk: Disk, path: string, lock: DiskLock) {
    this.#disk = disk;
    this.#path = path;
    this.#lock = lock;
  }

  /**
   * `folder`: absolute; made where there is none. A torn end (a crash while it was written) is cut. Throws "locked",
   * `inbox-damaged` (details: path, line), disk errors.
   */
  static async open(disk: Disk, folder: string, random: Random): Promise<InboxStore> {
    await disk.mkdir(folder);
    const lock = await disk.lock(`${folder}/lock`);
    const store = new InboxStore(disk, `${folder}/inbox.ndjson`, lock);
    try {
      const bytes = (await disk.read(store.#path)) ?? new Uint8Array();
      const whole = bytes.lastIndexOf(NEWLINE) + 1;
      if (whole < bytes.length) await disk.truncate(store.#path, whole);
      for (const record of recordsOf(store.#path, bytes.subarray(0, whole))) store.#apply(record);
      if (store.#id === "") await store.#append([{ type: "inbox", v: 1, id: hex(random.bytes(8)) }]);
    } catch (error) {
      await lock.release();
      throw error;
    }
    return store;
  }

  /** What is not marked as read, oldest first. */
  unread(): StoredMessage[] {
    return [...this.#unread.values()];
  }

  /** Every message, oldest first, from the file. */
  async all(): Promise<StoredMessage[]> {
    await this.#writing;
    const bytes = (await this.#disk.read(this.#path)) ?? new Uint8Array();
    return recordsOf(this.#path, bytes).flatMap((record) => (record.type === "message" ? [record] : []));
  }

  isRead(n: number): boolean {
    return n <= this.#count && !this.#unread.has(n);
  }

  /** The place after message number n, for whoever keeps it with what it made of the message. */
  placeOf(n: number): string {
    return `${this.#id}.${n}`;
  }

  /** The number in a place. Throws `inbox-changed` for a place in another inbox. */
  numberAt(place: string): number {
    const [id, digits] = place.split(".");
    const n = /^\d{1,15}$/.test(digits ?? "") ? Number(digits) : Number.NaN;
    if (id === this.#id && n <= this.#count) return n;
    throw new AntsError("inbox-changed", `${place} is no place in this inbox, which is ${this.#id}.${this.#count}`, {
      hint: "begin without a place: what is here comes again, with the same ids",
      details: { place, inbox: this.#id, count: this.#count },
    });
  }

  /** Keeps what is new among these, and of nobody who is blocked; on disk when it resolves with what was new. */
  async add(arrived: readonly Arrived[]): Promise<StoredMessage[]> {
    const added: StoredMessage[] = [];
    for (const message of arrived) {
      if (this.#numbers.has(message.event.id) || this.#blocked.has(message.event.did)) continue;
      this.#count += 1;
      // Known from here on, so that the same message from another relay is not kept twice while this is written.
      this.#numbers.set(message.event.id, this.#count);
      added.push({ ...message, n: this.#count });
    }
    if (added.length === 0) return added;
    await this.#append(added.map((message) => ({ type: "message", ...message })));
    return added;
  }

  /** Marks messages as read; on disk when it resolves. */
  async markRead(numbers: readonly number[]): Promise<void> {
    const fresh = numbers.filter((n) => this.#unread.has(n));
    if (fresh.length > 0) await this.#append([{ type: "read", n: fresh }]);
  }

  isAccepted(did: string): boolean {
    return this.#accepted.has(did);
  }

  isBlocked(did: string): boolean {
    return this.#blocked.has(did);
  }

  /** Its messages are no first contacts, and no longer blocked. */
  accept(did: Did): Promise<void> {
    return this.#append([{ type: "accept", did }]);
  }

  /** Its messages are neither kept nor given from now on. */
  block(did: Did): Promise<void> {
    return this.#append([{ type: "block", did }]);
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#lock.release();
  }

  /** Writes records, and takes them into account once they are on disk. Calls under way share the next write. */
  #append(records: readonly InboxRecord[]): Promise<void> {
    if (this.#next === undefined) {
      const all: InboxRecord[] = [];
      const done = this.#writing.then(async () => {
        this.#next = undefined;
        await this.#disk.append(this.#path, concat(...all.map((record) => lineOf(record))));
        for (const record of all) this.#apply(record);
      });
      this.#next = { records: all, done };
      this.#writing = done;
      // Whoever waits for it hears of a failure; those that write after it do as well.
      done.catch(() => undefined);
    }
    this.#next.records.push(...records);
    return this.#next.done;
  }

  #apply(record: InboxRecord): void {
    switch (record.type) {
      case "inbox":
        this.#id = record.id;
        return;
      case "message": {
        this.#numbers.set(record.event.id, record.n);
        this.#count = Math.max(this.#count, record.n);
        this.#unread.set(record.n, record);
        return;
      }
      case "read":
        for (const n of record.n) this.#unread.delete(n);
        return;
      case "accept":
        this.#accepted.add(record.did);
        this.#blocked.delete(record.did);
        return;
      case "block":
        this.#blocked.add(record.did);
        this.#accepted.delete(record.did);
        for (const [n, { event }] of this.#unread) if (event.did === record.did) this.#unread.delete(n);
    }
  }
}

function lineOf(record: InboxRecord): Uint8Array {
  // What is canonical within a canonical line is the signed line itself.
  const value = record.type === "message" ? { ...record, event: record.event.event } : record;
  return utf8(`${canonicalize(value)}\n`);
}

function recordsOf(path: string, bytes: Uint8Array): InboxRecord[] {
  const records: InboxRecord[] = [];
  for (const line of fromUtf8(bytes).split("\n").slice(0, -1)) {
    try {
      const record = JSON.parse(line) as InboxRecord;
      if (record.type === "inbox" && !isText(record.id, HEX16)) throw new TypeError("no id");
      if (record.type !== "message") records.push(record);
      else records.push({ ...record, event: parseEvent(utf8(canonicalize(record.event))) });
    } catch (cause) {
      throw new AntsError("inbox-damaged", `${path}: line ${records.length + 1} is no record of an inbox`, {
        cause,
        hint: "restore it from a backup, or move it away: what the relays still have is fetched again, as unread",
        details: { path, line: records.length + 1 },
      });
    }
  }
  return records;
}
