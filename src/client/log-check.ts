import { equalBytes, fromHex, hex } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { Frontier, type FrontierJson } from "../../keys/merkle/frontier.js";
import { leafHash } from "../../keys/merkle/hashes.js";
import { verifyCheckpoint } from "../protocol/checkpoint.js";
import { CHECK_LENGTH, type Cursor, parseCursor } from "../protocol/cursor.js";

/** One position of a log: an entry, or a withheld event. */
export interface LogPlace {
  readonly at: number;
  /** Entry id, 64 hex digits. */
  readonly id: string;
}

interface SignedHead {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
}

/** Signed heads beyond what was read, waiting to be checked; a relay signs one every 250 ms at most. */
const MAX_WAITING_HEADS = 64;

/**
 * The tree of one relay as a reader of everything builds it for itself: whatever the relay inserts, drops, reorders or
 * rewrites after it signed a head over it comes to light, also where some entries are withheld (RFC 6962; protocol.md,
 * "Tree heads").
 */
export class LogCheck {
  readonly #url: string;
  readonly #stream: string;
  readonly #key: string;
  #frontier: Frontier;
  #newest: SignedHead | undefined;
  #waiting: SignedHead[] = [];

  /** `frontier`: the tree of what was read before; absent at the log's start. `checkpoint`: the head kept with it. */
  constructor(
    relay: { readonly url: string; readonly stream: string; readonly key: string },
    known: { readonly frontier?: FrontierJson; readonly checkpoint?: string } = {},
  ) {
    this.#url = relay.url;
    this.#stream = relay.stream;
    this.#key = relay.key;
    this.#frontier = known.frontier === undefined ? Frontier.empty() : Frontier.fromJSON(known.frontier);
    if (known.checkpoint !== undefined) this.#newest = this.#read(known.checkpoint);
  }

  /** Entries taken in. */
  get size(): number {
    return this.#frontier.size;
  }

  get frontier(): FrontierJson {
    return this.#frontier.toJSON();
  }

  /** The newest signed head that the tree was found to agree with. */
  get checkpoint(): string | undefined {
    return this.#newest?.note;
  }

  /**
   * Takes in what one frame shows, all of it or nothing. `places` in order, withheld events among them; `cursor` is
   * the frame's. Throws `relay-omitted` for a position that is missing, `relay-rewrote` where the tree differs from
   * the cursor's or from a signed head (details: what was expected, what is there, the signed head).
   */
  take(places: readonly LogPlace[], cursor: string): void {
    const frontier = this.#frontier.clone();
    const reached: SignedHead[] = [];
    for (const { at, id } of places) {
      if (at !== frontier.size + 1) throw this.#omitted(frontier.size + 1, at);
      frontier.append(leafHash(fromHex(id)));
      for (const head of this.#waiting) {
        if (head.size !== frontier.size) continue;
        this.#compare(head, frontier);
        reached.push(head);
      }
    }
    const { stream, position, check } = this.#cursor(cursor);
    if (position !== frontier.size) throw this.#omitted(frontier.size + 1, position + 1);
    const root = hex(frontier.root());
    if (stream !== this.#stream || !root.startsWith(check)) {
      throw this.#rewrote(position, `its cursor says ${check}, what it served makes ${root.slice(0, CHECK_LENGTH)}`);
    }
    this.#frontier = frontier;
    this.#waiting = this.#waiting.filter(({ size }) => size > frontier.size);
    const newest = reached.at(-1);
    if (newest !== undefined) this.#newest = newest;
  }

  /** Takes in a signed head: compared now, or when that much was read. Throws `relay-rewrote`, `note-signature` …. */
  head(note: string): void {
    const head = this.#read(note);
    if (head.size === this.#frontier.size) {
      this.#compare(head, this.#frontier);
      this.#newest = head;
    } else if (head.size > this.#frontier.size) {
      if (this.#waiting.length >= MAX_WAITING_HEADS) this.#waiting.shift();
      this.#waiting.push(head);
      this.#waiting.sort((a, b) => a.size - b.size);
    } else if (this.#newest !== undefined && head.size === this.#newest.size) {
      if (!equalBytes(head.root, this.#newest.root)) throw this.#rewrote(head.size, "it signed two trees", head);
    }
  }

  #read(note: string): SignedHead {
    const { size, root } = verifyCheckpoint(note, { key: this.#key, stream: this.#stream });
    return { size, root, note };
  }

  #compare(head: SignedHead, frontier: Frontier): void {
    const root = frontier.root();
    if (equalBytes(head.root, root)) return;
    throw this.#rewrote(head.size, `it signed the root ${hex(head.root)}, what it served makes ${hex(root)}`, head);
  }

  #cursor(text: string): Cursor {
    return parseCursor(text);
  }

  #omitted(expected: number, got: number): AntsError {
    return new AntsError("relay-omitted", `${this.#url} served position ${got} where ${expected} was due`, {
      details: { url: this.#url, stream: this.#stream, expected, got },
    });
  }

  #rewrote(position: number, how: string, head?: SignedHead): AntsError {
    const details = {
      url: this.#url,
      stream: this.#stream,
      position,
      ...(this.#newest === undefined ? {} : { checkpoint: this.#newest.note }),
      ...(head === undefined ? {} : { otherCheckpoint: head.note }),
    };
    return new AntsError("relay-rewrote", `${this.#url} shows another history at position ${position}: ${how}`, {
      details,
    });
  }
}
