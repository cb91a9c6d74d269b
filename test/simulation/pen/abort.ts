type Listener = () => void;

/** The one thing that every aborted signal without a reason of its own gives. */
const NO_REASON = new DOMException("This operation was aborted", "AbortError");

/**
 * The part of AbortSignal and AbortController that the client uses. Node's own cost ten microseconds each, which is half
 * of what a simulated run takes; the bundle of `npm run sim` has these in their place.
 */
class SimAbortSignal {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<Listener>();

  addEventListener(_type: "abort", listener: Listener): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: "abort", listener: Listener): void {
    this.#listeners.delete(listener);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** For the controller: aborts once. */
  fire(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}

class SimAbortController {
  readonly signal = new SimAbortSignal();

  abort(reason: unknown = NO_REASON): void {
    this.signal.fire(reason);
  }
}

export { SimAbortController as AbortController, SimAbortSignal as AbortSignal };
