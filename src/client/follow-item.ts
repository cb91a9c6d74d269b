import { AntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { Resolution } from "../../keys/identity/resolve.js";
import type { ParsedEvent } from "../protocol/event.js";
import type { ForkProof } from "../protocol/fork.js";
import type { ParsedPromise } from "../protocol/promise.js";

/**
 * What a follow gives, in order. Everything in it was verified: form, id, signature, and the key against the author's
 * identity log. Per author, events come in the order of its chain, each once (see `follow` for what a restart keeps).
 */
export type FollowItem =
  | EventItem
  /** An identity operation, and what the author's log says with it. */
  | {
      readonly type: "identity";
      readonly relay: string;
      readonly at: number;
      readonly operation: ParsedOperation;
      readonly resolution: Resolution;
    }
  /** A relay promised an epoch to an instance. */
  | { readonly type: "promise"; readonly relay: string; readonly at: number; readonly promise: ParsedPromise }
  /** An addressed event that this reader may not see, as far as this relay can be believed. */
  | {
      readonly type: "withheld";
      readonly relay: string;
      readonly at: number;
      readonly did: string;
      readonly seq: number;
      readonly id: string;
    }
  /** Two events of one author stand in one place: two writers used its key and epoch. Told of once an epoch. */
  | { readonly type: "fork"; readonly proof: ForkProof }
  /**
   * Two updates of an author's identity clash: whoever has its key made both. `branches`: hashes of their heads. This reader
   * goes on with `goesOnWith`, the operation that it took first, or the last that all branches share; others may go on
   * with another. Told of once, until it is settled.
   */
  | {
      readonly type: "contested";
      readonly did: string;
      readonly branches: readonly string[];
      readonly goesOnWith: string;
    }
  /** A contest that was told of is over: the author's owner settled it, and this operation speaks for the identity. */
  | { readonly type: "settled"; readonly did: string; readonly goesOnWith: string }
  /**
   * Events given before are no longer on their author's chain: the claim `by` went on from before them. `restored`: it went
   * on from events that were given as superseded, or were told of as such; they are on the chain again.
   */
  | {
      readonly type: "superseded";
      readonly did: string;
      readonly ids: readonly string[];
      readonly restored?: readonly string[];
      readonly by: string;
    }
  /**
   * Events that no reachable relay could deliver: the next event of this author comes after them. Should a relay show
   * one of them later, it is given then.
   */
  | { readonly type: "gap"; readonly did: string; readonly fromSeq: number; readonly toSeq: number }
  | ProblemItem
  /** A relay has given everything that it had when it was asked. */
  | { readonly type: "caught-up"; readonly relay: string; readonly cursor: string };

export interface EventItem {
  readonly type: "event";
  readonly event: ParsedEvent;
  /** The relay that it came from. */
  readonly relay: string;
  /** Its position in that relay's log; absent for an event that was fetched to fill a gap. */
  readonly at?: number;
  /**
   * `live`: by a key that is live. `retired`: by a key that was rotated away after it, as far as the anchor's place
   * tells. `void`: by a key that was rotated away before it; do not act on it.
   */
  readonly standing: "live" | "retired" | "void";
  /** It was off its author's chain already when it arrived. */
  readonly superseded?: true;
}

/** Something is wrong with one relay. The others go on. */
export interface ProblemItem {
  readonly type: "problem";
  readonly relay: string;
  /** Stable; docs/errors.md lists all. */
  readonly code: string;
  readonly message: string;
  /** What shows it, for people and for whoever is asked to believe it: positions, ids, signed heads. */
  readonly details: Readonly<Record<string, unknown>>;
  /**
   * `reading`: goes on, nothing of the relay's is in doubt but what is named. `paused`: nothing more is believed from
   * here; tried again later, from the last good cursor. `stopped`: the caller must decide, the cursor no longer fits.
   */
  readonly relayIs: "reading" | "paused" | "stopped";
}

/** A problem as the error that it is. */
export function errorOfProblem({ code, message, details, relay }: ProblemItem): AntsError {
  return new AntsError(code, message, { details: { relay, ...details } });
}

export function problemOf(relay: string, error: AntsError, relayIs: ProblemItem["relayIs"]): ProblemItem {
  return { type: "problem", relay, code: error.code, message: error.message, details: error.details, relayIs };
}
