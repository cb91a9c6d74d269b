import { AntsError } from "../../keys/errors.js";
import type { Clock } from "../../keys/ports.js";
import { LinkedAbort } from "../client/deadline.js";
import type { RelayPool } from "../client/relay-pool.js";

/** A relay that is just being started again is back by then. */
const PATIENCE_MS = 1_500;
const LOOK_AGAIN_MS = 250;
/** Nobody listens there, or no way leads there: unlike a silent relay, it will not answer late. */
const REFUSALS: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

export interface RefusalWatch {
  readonly did: string;
  readonly relays: Pick<RelayPool, "whyAway">;
  /** URLs of all relays that could make a quorum. */
  readonly urls: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs `work`, and ends it with `no-quorum` where no relay at all can be connected to for a second and a half. For those
 * who lose nothing by trying later. `work` must end when its signal aborts.
 */
export async function unlessAllRefuse<T>(
  { did, relays, urls, clock, signal }: RefusalWatch,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new LinkedAbort(signal);
  const timer = new AbortController();
  const watch = async () => {
    await clock.sleep(PATIENCE_MS, timer.signal);
    for (;;) {
      const why = urls.flatMap((url) => relays.whyAway(url) ?? []);
      if (urls.length > 0 && why.length === urls.length && why.every(isRefusal)) {
        abort.abort(noneReached(did, why));
        return;
      }
      await clock.sleep(LOOK_AGAIN_MS, timer.signal);
    }
  };
  watch().catch(() => {});
  try {
    abort.signal.throwIfAborted();
    return await work(abort.signal);
  } finally {
    timer.abort();
    abort.dispose();
  }
}

function isRefusal({ code, cause }: AntsError): boolean {
  return code === "relay-unreachable" && REFUSALS.has((cause as { code?: unknown } | undefined)?.code);
}

function noneReached(did: string, why: readonly AntsError[]): AntsError {
  const reasons = why.map(({ message }) => message);
  return new AntsError("no-quorum", `no relay of ${did} can be reached: ${reasons.join("; ")}`, {
    hint: "check the network and the relays (ants doctor); nothing was signed",
    details: { did, answers: reasons },
  });
}
