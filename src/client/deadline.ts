import type { Clock } from "../../keys/ports.js";
import { onAbort } from "./on-abort.js";

/** Aborts when the given signal does, or by hand; `dispose` detaches it from that signal. */
export class LinkedAbort {
  readonly #controller = new AbortController();
  readonly #detach: () => void;

  constructor(parent?: AbortSignal) {
    this.#detach = parent === undefined ? () => {} : onAbort(parent, () => this.abort(parent.reason));
    if (parent?.aborted) this.abort(parent.reason);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason?: unknown): void {
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
    this.dispose();
  }

  dispose(): void {
    this.#detach();
  }
}

/**
 * Runs `work` with a signal that aborts after `timeoutMs` with `expired()` as its reason, or with the outer signal.
 * `work` must end when its signal aborts; its timer ends with it.
 */
export async function withDeadline<T>(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  expired: () => unknown,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new LinkedAbort(signal);
  const timer = new AbortController();
  clock.sleep(timeoutMs, timer.signal).then(
    () => abort.abort(expired()),
    () => {},
  );
  try {
    abort.signal.throwIfAborted();
    return await work(abort.signal);
  } finally {
    timer.abort();
    abort.dispose();
  }
}

/** Rejects with the signal's reason once it aborts, else settles as `promise` does. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => {});
    return Promise.reject(signal.reason);
  }
  return new Promise<T>((resolve, reject) => {
    const detach = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(detach);
  });
}
