/** How much one agent and one address may publish (docs/protocol.md, Limits). Every refusal states its limit. */
import type { Clock } from "../../keys/ports.js";
import type { RelayLimits } from "../../src/protocol/limits.js";
import type { Refusal } from "../../src/protocol/refusal.js";
import type { VerifiedFrame } from "../verified-frame.js";
import { TokenBuckets } from "./token-buckets.js";

/** Who a frame comes from, as far as rates go. */
export interface RateSource {
  /** As clientAddress gives it. */
  readonly address: string;
  /** True when the connection is authenticated as the frame's author. */
  readonly isAuthor: boolean;
  /** The epoch that the frame states. */
  readonly epoch: number | undefined;
}

/** What the rates depend on. */
export interface KnownAgent {
  /** The highest epoch that this relay promised, or took a claim of; 0 where there is none. */
  readonly promised: number;
}

export type RateLimit = "entriesPerSecond" | "newDidsPerHour" | "backfillBytesPerMinute";

export class RateLimits {
  readonly #limits: RelayLimits;
  readonly #entries: TokenBuckets;
  readonly #newDids: TokenBuckets;
  readonly #backfill: TokenBuckets;

  constructor(limits: RelayLimits, clock: Pick<Clock, "monotonicMs">) {
    this.#limits = limits;
    const { entriesPerSecond, entriesBurst, newDidsPerHour, backfillBytesPerMinute } = limits;
    this.#entries = new TokenBuckets({ perSecond: entriesPerSecond, burst: entriesBurst }, clock);
    this.#newDids = new TokenBuckets({ perSecond: newDidsPerHour / 3600, burst: newDidsPerHour }, clock);
    this.#backfill = new TokenBuckets({ perSecond: backfillBytesPerMinute / 60, burst: backfillBytesPerMinute }, clock);
  }

  /**
   * Charges a verified frame; returns the refusal of the first limit that it breaks, and then charges nothing. What
   * an author sends of its own older epochs counts as backfill, by bytes; everything else by entries, for an agent's
   * own connection apart from what others deliver in its name, so that nobody can use up an agent's rate with copies.
   *
   * @param known what this relay knows of a DID. Older are the epochs below the one that it promised itself: the stated
   *   epoch alone is anybody's word.
   */
  charge(
    frame: VerifiedFrame,
    source: RateSource,
    known: (did: string) => KnownAgent | undefined,
  ): Refusal | undefined {
    const did = frame.entries[0]?.did;
    if (did === undefined) return undefined;
    const agent = known(did);
    const { epoch } = source;
    const holdsPromise = source.isAuthor && epoch !== undefined && epoch === agent?.promised;
    let backfillBytes = 0;
    let entries = 0;
    let creates = false;
    for (const [i, entry] of frame.entries.entries()) {
      const isBackfill = holdsPromise && entry.type === "event" && entry.epoch < epoch;
      if (isBackfill) backfillBytes += frame.lengths[i]!;
      else entries += 1;
      if (entry.type === "identity" && entry.operation.op.op === "genesis") creates = true;
    }
    const owner = ownerOf(did, source);
    const { entriesPerSecond, newDidsPerHour, backfillBytesPerMinute } = this.#limits;
    if (entriesPerSecond > 0) {
      const waitMs = this.#entries.take(owner, entries);
      if (waitMs > 0) return this.#refusal("entriesPerSecond", waitMs);
    }
    if (backfillBytesPerMinute > 0 && backfillBytes > 0) {
      const waitMs = this.#backfill.take(did, backfillBytes);
      if (waitMs > 0) {
        this.#entries.giveBack(owner, entries);
        return this.#refusal("backfillBytesPerMinute", waitMs);
      }
    }
    if (newDidsPerHour > 0 && creates && agent === undefined) {
      const waitMs = this.#newDids.take(source.address, 1);
      if (waitMs > 0) {
        this.#entries.giveBack(owner, entries);
        this.#backfill.giveBack(did, backfillBytes);
        return this.#refusal("newDidsPerHour", waitMs);
      }
    }
    return undefined;
  }

  /**
   * Whoever takes events off a chain owes for each as for an entry: the relay walks along all of them. Else two long
   * branches, and claims by turns on the one and on the other, would keep it from everything else.
   */
  owe(frame: VerifiedFrame, source: RateSource, superseded: number): void {
    const did = frame.entries[0]?.did;
    if (did === undefined || superseded <= 0 || this.#limits.entriesPerSecond === 0) return;
    this.#entries.owe(ownerOf(did, source), superseded);
  }

  #refusal(limit: RateLimit, retryAfterMs: number): Refusal {
    const { [limit]: value, entriesBurst } = this.#limits;
    const messages: Record<RateLimit, string> = {
      entriesPerSecond: `one agent may publish ${value} entries a second here, and ${entriesBurst} at once`,
      newDidsPerHour: `one address may bring ${value} new DIDs an hour here`,
      backfillBytesPerMinute: `one agent may send ${value} bytes of older epochs a minute here`,
    };
    const burst = limit === "entriesPerSecond" ? { burst: entriesBurst } : {};
    return {
      code: "rate-limited",
      message: messages[limit],
      retryable: true,
      retryAfterMs,
      details: { limit, value, ...burst },
    };
  }
}

/** An agent's own connection has a rate apart from what others deliver in its name. */
function ownerOf(did: string, { isAuthor, address }: RateSource): string {
  return isAuthor ? did : `${did} ${address}`;
}
