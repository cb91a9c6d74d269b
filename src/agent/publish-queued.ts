import { AntsError, isAntsError } from "../../keys/errors.js";
import type { Clock } from "../../keys/ports.js";
import type { ChainStore } from "../client/chain-store.js";
import { LinkedAbort } from "../client/deadline.js";
import type { Publisher } from "../client/publisher.js";
import type { DraftQueue } from "./draft-queue.js";

/** The relays have just taken a claim; one that does not take more within this is not waited for. */
const QUEUE_TIMEOUT_MS = 10_000;

const WAITS_ON: ReadonlySet<string> = new Set(["pen-lost", "publish-unknown", "request-timeout", "closed"]);

/** Publishes what waits at a start; returns how many. What cannot be published now waits on. */
export async function publishQueued(
  queue: DraftQueue,
  to: { readonly publisher: Publisher; readonly chain: ChainStore },
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal | undefined },
): Promise<number> {
  const abort = new LinkedAbort(signal);
  const timer = new AbortController();
  clock.sleep(QUEUE_TIMEOUT_MS, timer.signal).then(
    () => abort.abort(new AntsError("request-timeout", "the queue was not published in time")),
    () => undefined,
  );
  try {
    return await queue.publish(to.publisher, to.chain, abort.signal);
  } catch (error) {
    if (signal?.aborted === true || !isAntsError(error) || !WAITS_ON.has(error.code)) throw error;
    return 0;
  } finally {
    timer.abort();
    abort.dispose();
  }
}
