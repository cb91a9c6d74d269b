import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { Filter } from "../protocol/filter.js";
import type { AuthLine, ConnectionOptions } from "./connection.js";
import type { FollowState } from "./follow-state.js";

/** What a follow reads, from where, and how. */
export interface FollowOptions {
  /** URLs of the relays to read, 1 to 30; none only where `agents` are followed. */
  readonly relays?: readonly string[];
  /**
   * Agents to follow wherever they are: their own relays are read, as their identity logs name them. When an agent
   * moves, its new relays are read as soon as an operation names them, and the old ones until a quorum of the new ones
   * has shown as much; nothing is lost or doubled by that. `state` remembers where they are. The filter may have `dids`
   * and `types` only; without `dids` it is these agents.
   */
  readonly agents?: readonly FollowedAgent[];
  /** Where to begin: `start` (default), `head` (from now on), or a cursor for each relay by URL. */
  readonly after?: "start" | "head" | Readonly<Record<string, string>>;
  /** What an earlier follow got to: goes on there. Relays that it doesn't name begin as `after` says. */
  readonly state?: FollowState;
  /** Default: everything. */
  readonly filter?: Filter;
  /** false: ends after everything that is there now. Default true. */
  readonly live?: boolean;
  readonly signal?: AbortSignal;
  /** Who is reading, for events that are addressed to it. */
  readonly authLine?: AuthLine;
  /**
   * true: a relay that does not take the reader for who it is is not read (`auth-failed`). With `to` in the filter it would
   * show nothing of what is addressed, and its cursor would pass over all of it.
   */
  readonly onlyAuthenticated?: boolean;
  /** Operations that are known already, pinned ones for example. */
  readonly identities?: Iterable<ParsedOperation>;
  /** Reads on behind a cursor that the relay has pruned. */
  readonly allowGap?: boolean;
  /**
   * Where not everything is read from the start: whether entries' inclusion in the signed tree is proven, of one at
   * random of every frame (default), of every entry, or of none. A relay that gives no proof is told of
   * (`relay-unproven`), and the state stays where the last proof ends.
   */
  readonly proofs?: "sampled" | "every" | "none";
  /**
   * Which relays an author's identity log may send this reader to: to follow it there, or for missing events. Default:
   * wss: URLs that don't lead into this machine or its network, unless all of `relays` are there. Only those of followed
   * `agents` are told who reads.
   */
  readonly mayDial?: (url: string) => boolean;
  readonly connection?: ConnectionOptions;
}

/** An agent to be followed, and what is known of its identity: pinned operations, or its genesis at least. */
export interface FollowedAgent {
  readonly did: string;
  readonly operations: Iterable<ParsedOperation | Uint8Array | string>;
}
