import type { Clock } from "../../../keys/ports.js";

/**
 * How long a storage is waited for. One that hangs, or gives a byte a minute, is kept by no dead connection: without an
 * end, the schedule that waits for it makes no other backup, at no other target.
 */

/** For what moves no bytes of an archive; and of silence in what does. */
export const PATIENCE_MS = 10 * 60_000;
/** For a listing, of however many pages. */
export const LISTING_PATIENCE_MS = 30 * 60_000;
/** 16 kB/s: no line that backups go over is slower for long. */
const MIN_BYTES_PER_MS = 16;

export const TOO_SLOW = "it takes longer than anybody can wait";

/** For storing so many bytes, with all attempts. */
export function patienceFor(bytes: number): number {
  return PATIENCE_MS + bytes / MIN_BYTES_PER_MS;
}

/** A time that passes, unless {@link end} comes first. */
export class Deadline {
  readonly #passed = new AbortController();
  readonly #ended = new AbortController();

  constructor(clock: Clock, durationMs: number, onPassed: () => void = () => {}) {
    clock.sleep(durationMs, this.#ended.signal).then(
      () => {
        if (this.#ended.signal.aborted) return;
        this.#passed.abort();
        onPassed();
      },
      () => {},
    );
  }

  /** Aborts when it passed. */
  get signal(): AbortSignal {
    return this.#passed.signal;
  }

  get hasPassed(): boolean {
    return this.#passed.signal.aborted;
  }

  end(): void {
    this.#ended.abort();
  }
}

/**
 * Passes blocks on as long as they come fast enough: whoever gives less is waited for {@link PATIENCE_MS} in all. The
 * time that the taker of the blocks needs does not count. `stop` ends the source, whose pending block then fails or is
 * the last; after it, `tooSlow` is thrown.
 */
export async function* patiently(
  source: AsyncIterable<Uint8Array>,
  clock: Clock,
  stop: () => void,
  tooSlow: () => Error,
): AsyncGenerator<Uint8Array> {
  const blocks = source[Symbol.asyncIterator]();
  try {
    for (let leftMs = PATIENCE_MS; ; ) {
      const begunMs = clock.monotonicMs();
      const deadline = new Deadline(clock, leftMs, stop);
      let next: IteratorResult<Uint8Array>;
      try {
        next = await blocks.next();
      } catch (error) {
        throw deadline.hasPassed ? tooSlow() : error;
      } finally {
        deadline.end();
      }
      leftMs -= clock.monotonicMs() - begunMs;
      if (deadline.hasPassed || leftMs <= 0) throw tooSlow();
      if (next.done === true) return;
      leftMs = Math.min(PATIENCE_MS, leftMs + next.value.length / MIN_BYTES_PER_MS);
      yield next.value;
    }
  } finally {
    await blocks.return?.();
  }
}
