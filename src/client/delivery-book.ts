import { fromUtf8, utf8 } from "../../keys/bytes.js";
import { type Did, isDid } from "../../keys/did.js";
import type { Clock, Disk } from "../../keys/ports.js";
import type { ChainHead } from "../protocol/event.js";
import { HASH, isInteger, isText } from "../protocol/grammar.js";

/** A message that some relay of some recipient lacks, as it is remembered. */
export interface OpenLetter {
  readonly id: string;
  readonly seq: number;
  /** The author's clock, milliseconds since 1970. */
  readonly time: number;
  readonly to: readonly Did[];
  /** URLs of relays that have it. */
  readonly have: readonly string[];
}

/** A message that was given up: the relays of these recipients don't take it, since its key was rotated away. */
export interface LostLetter extends Pick<OpenLetter, "id" | "seq" | "time"> {
  readonly to: readonly Did[];
}

/** What is known of deliveries: everything on the chain up to `upTo` is delivered, except for what is open. */
export interface DeliveryNotes {
  readonly upTo?: ChainHead;
  readonly open: readonly OpenLetter[];
  /** Of the last 30 days; absent where there is none. */
  readonly lost?: readonly LostLetter[];
  /** Everybody that was ever written to, the last one last. */
  readonly written: readonly Did[];
}

/** Notes are written at most this often: an older file costs deliveries that the relays answer as duplicates. */
const WRITE_INTERVAL_MS = 1_000;
const NOTHING: DeliveryNotes = { open: [], written: [] };

/**
 * The notes of a home's deliveries, one file that is replaced as a whole. The chain itself is the queue: what is not
 * noted, or lost with the file, is found there again and delivered again, which relays know by its id.
 */
export class DeliveryBook {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #clock: Clock;
  /** What the file said when it was opened. */
  readonly notes: DeliveryNotes;
  readonly #closing = new AbortController();
  #next: (() => DeliveryNotes) | undefined;
  #writer: Promise<void> | undefined;

  private constructor(disk: Disk, path: string, clock: Clock, notes: DeliveryNotes) {
    this.#disk = disk;
    this.#path = path;
    this.#clock = clock;
    this.notes = notes;
  }

  /** `path`: absolute, in a folder that is made when it is first written. Throws disk errors. */
  static async open(disk: Disk, path: string, clock: Clock): Promise<DeliveryBook> {
    return new DeliveryBook(disk, path, clock, await readNotes(disk, path));
  }

  /** Notes what `now` says when the time to write has come; on disk within a second or two, at the latest with close. */
  note(now: () => DeliveryNotes): void {
    if (this.#closing.signal.aborted) return;
    this.#next = now;
    this.#writer ??= this.#write();
  }

  /** Writes what is not written. Notes that cannot be written are no loss. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writer;
  }

  async #write(): Promise<void> {
    while (this.#next !== undefined) {
      await this.#clock.sleep(WRITE_INTERVAL_MS, this.#closing.signal).catch(() => undefined);
      const notes: DeliveryNotes = this.#next();
      this.#next = undefined;
      try {
        await this.#disk.mkdir(this.#path.slice(0, this.#path.lastIndexOf("/")));
        await this.#disk.replace(this.#path, utf8(`${JSON.stringify({ v: 1, ...notes })}\n`));
      } catch {
        // Written again with the next change; the disk that fails here fails the chain first.
      }
    }
    this.#writer = undefined;
  }
}

/** What the file says; nothing where there is none, or none that makes sense. Throws disk errors. */
export async function readNotes(disk: Disk, path: string): Promise<DeliveryNotes> {
  const bytes = await disk.read(path);
  if (bytes === undefined) return NOTHING;
  try {
    const { v, upTo, open, lost, written } = JSON.parse(fromUtf8(bytes)) as { v: unknown } & DeliveryNotes;
    if (v !== 1 || !open.every(isOpenLetter) || !written.every(isDid)) return NOTHING;
    const isPoint = upTo !== undefined && isInteger(upTo.epoch, 1) && isInteger(upTo.seq, 0) && isText(upTo.id, HASH);
    return { ...(isPoint ? { upTo } : {}), open, ...(lost?.every(isLostLetter) ? { lost } : {}), written };
  } catch {
    return NOTHING;
  }
}

function isOpenLetter(letter: OpenLetter): boolean {
  return isLostLetter(letter) && letter.have.every((url) => typeof url === "string");
}

function isLostLetter({ id, seq, time, to }: LostLetter): boolean {
  return isText(id, HASH) && isInteger(seq, 1) && isInteger(time, 0) && to.every(isDid);
}
