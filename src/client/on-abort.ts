const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back when a signal aborts, until the returned function is called. A signal that many wait for has one listener
 * of ours: Node warns of a leak at the eleventh, and a follow of many relays, or many publications under one signal,
 * are no leak. Callbacks must not throw; for a signal that is aborted already nothing is called.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let callbacks = waiting.get(signal);
  if (callbacks === undefined) {
    const all = new Set<() => void>();
    callbacks = all;
    waiting.set(signal, all);
    const abort = () => {
      waiting.delete(signal);
      for (const each of all) each();
    };
    signal.addEventListener("abort", abort, { once: true });
  }
  const added = callbacks;
  // One callback may wait twice: each of them is an entry of its own.
  const entry = () => callback();
  added.add(entry);
  return () => added.delete(entry);
}
