import type { Did } from "../../keys/did.js";
import type { IdentityState } from "../../keys/identity/resolve.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import type { IdentityLog } from "./identity-log.js";

/** A place that was asked on the way to an agent. */
export type AskedPlace = "dns" | "well-known" | "webfinger" | "relay" | "cache" | "pin";

/** One place that was asked, and what it answered. Said to people and by `--json`; nothing in it is believed as such. */
export type Asked = {
  readonly place: AskedPlace;
  /** The name, URL or file that was asked. */
  readonly address: string;
} & (
  | { readonly answer: "did"; readonly did: string; readonly relays: readonly string[] }
  /** A relay's identity log: how many operations, and the newest by their numbers. `cut`: there was no end to it. */
  | { readonly answer: "log"; readonly operations: number; readonly stream?: string; readonly cut?: true }
  /** It could say so, and said that there is nothing. */
  | { readonly answer: "nothing"; readonly why: string }
  /** Names of several DIDs, of which none is the agent's for sure. */
  | { readonly answer: "several"; readonly dids: readonly string[] }
  /** No answer, or one that says nothing: whether there is something is unknown. `code` is one of docs/errors.md. */
  | { readonly answer: "failed"; readonly code: string; readonly message: string }
  /** Not asked: what keeps from asking there. */
  | { readonly answer: "not-asked"; readonly why: string }
);

/** What every result has. */
interface Answered {
  /** The handle or DID that was asked for, in its one spelling. */
  readonly name: string;
  /** What was asked, in that order. */
  readonly asked: readonly Asked[];
}

/** An agent whose identity log is known. */
export interface KnownAgent {
  readonly did: Did;
  /** The handle by which it was asked for; its identity log names it. */
  readonly handle?: string;
  /** Every operation that is known, resolved and pinned: for verifying what the agent signs. */
  readonly log: IdentityLog;
  readonly state: IdentityState;
  /** Where the agent is now. */
  readonly relays: readonly RelayAddress[];
}

/**
 * What became of a name. An outage is never `not-found`: that is said only where every place that could know of the
 * name answered that it does not.
 */
export type ResolvedAgent =
  | (Answered & KnownAgent & { readonly status: "verified" })
  /**
   * Known from before, and not confirmed now: too few of the agent's own relays answered, or nothing that leads from
   * the handle to the DID did. `checkedMs`: when it was confirmed last (milliseconds since the epoch), where that is known.
   */
  | (Answered & KnownAgent & { readonly status: "stale"; readonly why: string; readonly checkedMs?: number })
  /** Updates clash. `state` is the pinned one, or the last that all `branches` (hashes of their heads) share. */
  | (Answered & KnownAgent & { readonly status: "contested"; readonly branches: readonly string[] })
  | (Answered & KnownAgent & { readonly status: "deactivated" })
  /** Rotates of one era clash and nothing tells which came first: `rivals` are their hashes, `log` has both. */
  | (Answered & {
      readonly status: "conflicted";
      readonly did: Did;
      readonly handle?: string;
      readonly rivals: readonly string[];
      readonly log: IdentityLog;
    })
  /**
   * The handle leads to `dids`, and it isn't theirs: the identity log does not name it back (`agent` is what that says),
   * or there is more than one.
   */
  | (Answered & {
      readonly status: "mismatch";
      readonly handle: string;
      readonly dids: readonly string[];
      readonly why: string;
      readonly agent?: KnownAgent;
    })
  | (Answered & { readonly status: "not-found"; readonly did?: Did; readonly why: string })
  | (Answered & { readonly status: "unreachable"; readonly did?: Did; readonly why: string });
