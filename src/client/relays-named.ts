import type { ParsedOperation } from "../../keys/identity/operation.js";

/**
 * Of those that operations name: so many that were named first, and so many that were named last. A thief of the key can
 * name hundreds after the owner's, and an agent that moved often has outlived its first ones.
 */
const MAX_NAMED_EACH = 20;

/**
 * The relays that a reader of an identity asks, out of all that its operations name (DESIGN 3: those of every operation),
 * a bounded number however many operations there are: the oldest first, then the newest.
 */
export function relaysToAsk(operations: readonly ParsedOperation[]): Set<string> {
  const oldestFirst = [...operations].sort((a, b) => a.op.n - b.op.n);
  const oldest = firstNamed(oldestFirst);
  return new Set([...oldest, ...firstNamed(oldestFirst.reverse())]);
}

function firstNamed(operations: readonly ParsedOperation[]): Set<string> {
  const urls = new Set<string>();
  for (const { op } of operations) {
    for (const { url } of op.relays) {
      urls.add(url);
      if (urls.size >= MAX_NAMED_EACH) return urls;
    }
  }
  return urls;
}
