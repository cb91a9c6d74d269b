import { AntsError } from "../../keys/errors.js";
import type { Clock } from "../../keys/ports.js";
import { parseCursor } from "../protocol/cursor.js";
import type { FrameEnd } from "./delivery.js";

/** A relay owes a signed head every 15 s; a proof under it takes seconds. */
const PATIENCE_MS = 60_000;
/** Heads in a row whose proofs could not be had before it is told of. */
const PATIENCE_HEADS = 3;
/** Ends that are held one by one; then the newest ones are taken together. */
const MAX_ENDS = 32;
/** Ids of events in one end; of more, the oldest are forgotten, as in the delivery. */
const MAX_SHOWN = 65_536;

export interface UnprovenEndsOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The relay is told of, once until a proof comes. */
  readonly tell: (error: AntsError) => void;
}

/**
 * Frames that were given out and whose place in the relay's signed tree is not proven yet: until it is, the saved
 * cursor stays before them. A relay that never proves anything is told of.
 */
export class UnprovenEnds {
  readonly #options: UnprovenEndsOptions;
  #ends: (FrameEnd & { readonly heldMs: number })[] = [];
  #provenSize = 0;
  #failures = 0;
  #reason = "it signed no tree head that covers it";
  #isTold = false;
  #isWatching = false;

  constructor(options: UnprovenEndsOptions) {
    this.#options = options;
  }

  /** Holds the end of a frame; gives those that may be saved now. */
  hold(end: FrameEnd): FrameEnd[] {
    this.#ends.push({ ...end, heldMs: this.#options.clock.monotonicMs() });
    if (this.#ends.length > MAX_ENDS) this.#joinLast();
    const free = this.#release();
    if (this.#ends.length > 0) void this.#watch();
    return free;
  }

  /** A signed head of this size was proven; gives the ends that it covers. */
  proven(size: number): FrameEnd[] {
    this.#provenSize = Math.max(this.#provenSize, size);
    this.#failures = 0;
    const free = this.#release();
    if (this.#ends.length === 0) this.#isTold = false;
    return free;
  }

  /** A proof could not be had. */
  failed(error: AntsError): void {
    this.#failures += 1;
    this.#reason = error.message;
    if (this.#failures >= PATIENCE_HEADS) this.#tell();
  }

  /** Nothing more will be proven: tells where something is left. */
  end(): void {
    if (this.#ends.length > 0) this.#tell();
  }

  #release(): FrameEnd[] {
    const held = this.#ends.findIndex(({ state }) => parseCursor(state.cursor).position > this.#provenSize);
    return this.#ends.splice(0, held < 0 ? this.#ends.length : held).map(({ heldMs: _, ...end }) => end);
  }

  #joinLast(): void {
    const [before, last] = this.#ends.splice(-2) as [FrameEnd & { heldMs: number }, FrameEnd];
    this.#ends.push({
      ...last,
      heldMs: before.heldMs,
      authors: [...new Map([...before.authors, ...last.authors])],
      shown: [...before.shown, ...last.shown].slice(-MAX_SHOWN),
    });
  }

  /** One timer at a time, for the end that waits longest. */
  async #watch(): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const { clock, signal } = this.#options;
    for (let [oldest] = this.#ends; oldest !== undefined && !signal.aborted; [oldest] = this.#ends) {
      const leftMs = oldest.heldMs + PATIENCE_MS - clock.monotonicMs();
      if (leftMs <= 0) {
        this.#tell();
        break;
      }
      await clock.sleep(leftMs, signal).catch(() => undefined);
    }
    this.#isWatching = false;
  }

  #tell(): void {
    const { url, tell, signal } = this.#options;
    if (this.#isTold || signal.aborted) return;
    this.#isTold = true;
    const cursor = this.#ends.at(-1)?.state.cursor;
    const message = `${url} does not prove that what it serves is the history that it signed: ${this.#reason}`;
    const details = { url, provenSize: this.#provenSize, ...(cursor === undefined ? {} : { cursor }) };
    tell(new AntsError("relay-unproven", message, { details }));
  }
}
