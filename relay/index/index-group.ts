/**
 * What the relay's index takes in and gives back. The index stores what admission derived from the log and derives
 * nothing itself: it never parses a line, checks a signature or judges an event.
 */
import type { Did } from "../../keys/did.js";

/** A value of the JSON model, as far as an agent's record needs it. */
export type RecordValue = string | boolean | number | readonly RecordValue[] | { readonly [key: string]: RecordValue };

/** One agent (DID) as the relay knows it. */
export interface AgentRecord {
  /** Small number that stands for the DID in every key of the index; given once, in the order of the log, from 1. */
  readonly no: number;
  readonly did: Did;
  /** Highest epoch granted (or claimed) here and the log position of that line; epoch 0 and position 0: none yet. */
  readonly promised: { readonly epoch: number; readonly position: number };
  /** The end of the agent's chain; absent before its first claim. Kept by the index from the tree changes. */
  readonly head?: ChainHead;
  /** Whatever else admission derives and wants back (hosted or not, operations, key standings). Stored as JSON. */
  readonly details: { readonly [key: string]: RecordValue };
}

/** The end of a chain, and where its line is. */
export interface ChainHead {
  readonly epoch: number;
  readonly seq: number;
  /** 64 lower-case hex. */
  readonly id: string;
  readonly position: number;
}

/**
 * One event of an agent's tree. With `prev`, `key` and `claim` it is what the chain rule reads (ChainEvent of
 * src/protocol/chain.ts).
 */
export interface StoredEvent {
  readonly position: number;
  readonly epoch: number;
  readonly seq: number;
  /** 64 lower-case hex. */
  readonly id: string;
  /** Multikey of the signer. */
  readonly key: string;
  readonly claim: boolean;
  /** It lies on the path from seq 0 to the head. */
  readonly onChain: boolean;
  /** Id of the event before it; undefined exactly at seq 0. Looked up when it is read. */
  readonly prev: string | undefined;
}

/** An addressed event from an author whose chain is not kept here. */
export interface ForeignEvent {
  readonly position: number;
  readonly epoch: number;
  readonly seq: number;
  readonly id: string;
  readonly key: string;
  readonly claim: boolean;
  /** Empty at seq 0. */
  readonly prev: string;
}

/** A new log entry, as far as readers' filters and lookups by id need it. */
export interface IndexEntry {
  /** Entry id, 64 lower-case hex. */
  readonly id: string;
  readonly type: "event" | "identity" | "promise";
  /** {@link AgentRecord.no} of the entry's `did`. */
  readonly agentNo: number;
  /** Events only. */
  readonly kind?: string;
  readonly to?: readonly string[];
  readonly tags?: readonly string[];
}

/** One change of an agent's tree, applied in the order listed. */
export type TreeChange =
  /**
   * The event at `position` (of this group, or of an earlier foreign event that now joins) enters the tree. `prev` must
   * be in the tree; absent exactly at seq 0. The same event again (same id) only takes the new position: a full line
   * that replaces a pruned one.
   */
  | {
      readonly op: "place";
      readonly agentNo: number;
      readonly position: number;
      readonly epoch: number;
      readonly seq: number;
      readonly id: string;
      readonly key: string;
      readonly claim: boolean;
      readonly prev?: string;
      /** It is the new head; what is off the path to it stops being `onChain`. */
      readonly movesHead: boolean;
    }
  /** The head goes to an event of the tree (after a rotate), or away where `to` is absent. */
  | { readonly op: "head"; readonly agentNo: number; readonly to?: { readonly seq: number; readonly id: string } }
  /** The entry at `position` of this group is an event of an author whose chain is not kept here. */
  | ({ readonly op: "foreign"; readonly agentNo: number } & ForeignEvent);

/** The new state of one agent's record. Without `details` those stored stay. */
export interface AgentUpdate {
  readonly no: number;
  readonly did: Did;
  readonly promised: { readonly epoch: number; readonly position: number };
  readonly details?: { readonly [key: string]: RecordValue };
  /** Names under which {@link IndexReader.named} finds this agent from now on, such as "escrow:z6LS…". */
  readonly names?: readonly string[];
  /** Names that no longer lead here. */
  readonly dropNames?: readonly string[];
}

/** With whom a handle is at this relay (docs/decisions/0013-first-come-first-served.md). */
export interface HandleHold {
  readonly did: Did;
  /** Position of the operation that got it. */
  readonly at: number;
  /** When it was noticed that the agent no longer lists it, by this relay's wall clock; absent while it does. */
  readonly droppedMs?: number;
  /** With whom it was before. */
  readonly before?: Omit<HandleHold, "before">;
}

/** A handle's new hold; without one it is nobody's. */
export interface HandleChange {
  readonly handle: string;
  readonly hold?: HandleHold;
}

/** The operation at `position` lists a domain handle that its parent did not. */
export interface DomainListing {
  readonly domain: string;
  readonly agentNo: number;
  readonly position: number;
}

/** Everything that one committed group of entries changes; applied whole or not at all. */
export interface IndexGroup {
  /** Position of `entries[0]`; exactly {@link IndexReader.appliedPosition} + 1. */
  readonly first: number;
  /** In position order, without holes. */
  readonly entries: readonly IndexEntry[];
  /** New agents and changed records, each agent at most once; new ones with `no` from {@link IndexReader.nextAgentNo} on. */
  readonly agents: readonly AgentUpdate[];
  readonly tree: readonly TreeChange[];
  readonly handles?: readonly HandleChange[];
  readonly listings?: readonly DomainListing[];
}

/** Two events that one key signed for the same epoch and seq: a proof of forking that anyone can verify. */
export interface Fork {
  readonly epoch: number;
  readonly seq: number;
  /** Multikey. */
  readonly key: string;
  /** Log positions of the first two, in the order of arrival. */
  readonly positions: readonly [number, number];
}

/** The index's answers. All are about applied groups only; all are synchronous and cost a few microseconds. */
export interface IndexReader {
  /** Everything up to here is in the index. */
  readonly appliedPosition: number;
  /** The number that the next new agent gets. */
  readonly nextAgentNo: number;
  agent(did: string): AgentRecord | undefined;
  agentByNo(no: number): AgentRecord | undefined;
  /** Numbers above `after` of the agents that go by this name (see {@link AgentUpdate.names}), lowest first. */
  named(name: string, after?: number, limit?: number): number[];
  /** With whom a handle `name@host` is. */
  handle(handle: string): HandleHold | undefined;
  /** The handles under a host (with its port, if any) that are with this agent, at most `limit`. */
  handlesOf(did: string, host: string, limit: number): string[];
  /** Numbers of the agents that listed a domain handle, the first to do so first, at most `limit` listings. */
  listersOf(domain: string, limit: number): number[];
  /** The event with this id, if it is in the agent's tree. */
  find(agentNo: number, seq: number, id: string): StoredEvent | undefined;
  /** The events of the tree that hold this epoch and seq, in the order of arrival, at most `limit`: none, one, or a fork. */
  eventsIn(agentNo: number, epoch: number, seq: number, limit?: number): StoredEvent[];
  /** All events of the tree at this seq, at most `limit`. */
  eventsAt(agentNo: number, seq: number, limit?: number): StoredEvent[];
  /** The event at this seq on the path to the head. */
  chainAt(agentNo: number, seq: number): StoredEvent | undefined;
  /** The chain from this seq on, at most `limit` events. */
  chainFrom(agentNo: number, seq: number, limit: number): StoredEvent[];
  /** Forks at the `limit` highest of the places (seq, epoch) that have several events, the highest first; one a key. */
  forks(agentNo: number, limit: number): Fork[];
  /** Foreign events of this author that follow the event `prev` ("" for those at seq 0). */
  foreignAfter(agentNo: number, prev: string): ForeignEvent[];
  /** Position of an identity operation, a promise or a foreign event; of its newest line where there are several. */
  byId(id: string): number | undefined;
}
