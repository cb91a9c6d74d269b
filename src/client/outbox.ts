import { fromUtf8, utf8 } from "../../keys/bytes.js";
import { canonicalize } from "../../keys/canonical.js";
import type { Clock, Disk } from "../../keys/ports.js";
import type { ChainHead } from "../protocol/event.js";
import { HASH, HEX16, isInteger, isText } from "../protocol/grammar.js";

/** What is remembered of one relay, by its stream. */
export interface RelayMark {
  readonly url: string;
  /** 16 hex digits. */
  readonly stream: string;
  /** The last event of the chain that this relay acknowledged. */
  readonly acknowledged?: ChainHead;
  /** A cursor of this relay: everything of this agent up to there is in the agent's own chain. */
  readonly readTo?: string;
}

/** Marks are written at most this often: they only save sending again what a relay has, which it answers as a duplicate. */
const WRITE_INTERVAL_MS = 1_000;

/**
 * How far each relay is, on disk. The chain itself is the queue: what a relay lacks is what comes after its mark, so a
 * mark that is old, or lost, costs duplicates and nothing else.
 */
export class Outbox {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #marks: Map<string, RelayMark>;
  readonly #dirty = new Set<string>();
  readonly #closing = new AbortController();
  #writer: Promise<void> | undefined;

  private constructor(disk: Disk, folder: string, clock: Clock, marks: Map<string, RelayMark>) {
    this.#disk = disk;
    this.#folder = folder;
    this.#clock = clock;
    this.#marks = marks;
  }

  /** Reads the marks; a file that says nothing sensible is passed over. Throws disk errors. */
  static async open(disk: Disk, folder: string, clock: Clock): Promise<Outbox> {
    const marks = new Map<string, RelayMark>();
    for (const name of await disk.list(folder)) {
      if (!name.endsWith(".json")) continue;
      const mark = parseMark(await disk.read(`${folder}/${name}`));
      if (mark !== undefined) marks.set(mark.stream, mark);
    }
    return new Outbox(disk, folder, clock, marks);
  }

  mark(stream: string): RelayMark | undefined {
    return this.#marks.get(stream);
  }

  /** Remembers more of a relay; on disk within a second or two, and at the latest with {@link close}. */
  note(relay: { url: string; stream: string }, more: Pick<RelayMark, "acknowledged" | "readTo">): void {
    if (this.#closing.signal.aborted) return;
    const { url, stream } = relay;
    this.#marks.set(stream, { ...this.#marks.get(stream), ...more, url, stream });
    this.#dirty.add(stream);
    this.#writer ??= this.#write();
  }

  /** Writes what is not written. A mark that cannot be written is no loss. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writer;
  }

  async #write(): Promise<void> {
    while (this.#dirty.size > 0) {
      await this.#clock.sleep(WRITE_INTERVAL_MS, this.#closing.signal).catch(() => undefined);
      const streams = [...this.#dirty];
      this.#dirty.clear();
      try {
        await this.#disk.mkdir(this.#folder);
        for (const stream of streams) {
          const line = utf8(`${canonicalize(this.#marks.get(stream))}\n`);
          await this.#disk.replace(`${this.#folder}/${stream}.json`, line);
        }
      } catch {
        // Written again with the next acknowledgement; the disk that fails here fails the chain first.
      }
    }
    this.#writer = undefined;
  }
}

function parseMark(bytes: Uint8Array | undefined): RelayMark | undefined {
  if (bytes === undefined) return undefined;
  try {
    const { url, stream, acknowledged, readTo } = JSON.parse(fromUtf8(bytes)) as Partial<RelayMark>;
    if (typeof url !== "string" || !isText(stream, HEX16)) return undefined;
    return {
      url,
      stream,
      ...(isPoint(acknowledged) ? { acknowledged } : {}),
      ...(typeof readTo === "string" ? { readTo } : {}),
    };
  } catch {
    return undefined;
  }
}

function isPoint(point: ChainHead | undefined): point is ChainHead {
  return point !== undefined && isInteger(point?.epoch, 1) && isInteger(point.seq, 0) && isText(point.id, HASH);
}
