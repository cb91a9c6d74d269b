/** Waiting for the log to grow. */
import type { Clock } from "../../keys/ports.js";

/** The part of the ledger that tells of growth. */
export interface Growing {
  readonly position: number;
  onAdvance(listener: () => void): () => void;
}

/** Resolves with true as soon as the log is longer than `position`, with false after `maxMs` or when the signal aborts. */
export async function untilAdvance(
  log: Growing,
  position: number,
  { clock, signal, maxMs }: { clock: Clock; signal: AbortSignal; maxMs: number },
): Promise<boolean> {
  if (log.position > position) return true;
  if (signal.aborted) return false;
  const settled = new AbortController();
  const settle = () => settled.abort();
  // By hand, not by AbortSignal.any: a signal remembers each one that was made of it for as long as it lives itself.
  signal.addEventListener("abort", settle, { once: true });
  const grown = new Promise<boolean>((resolve) => {
    const stop = log.onAdvance(() => {
      if (log.position > position) resolve(true);
    });
    settled.signal.addEventListener("abort", stop, { once: true });
  });
  const timeUp = clock.sleep(maxMs, settled.signal).then(
    () => false,
    () => false,
  );
  const advanced = await Promise.race([grown, timeUp]);
  signal.removeEventListener("abort", settle);
  settle();
  return advanced;
}
