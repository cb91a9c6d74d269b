import type { ChainHead } from "../../src/protocol/event.js";
import type { AgentState } from "./agent-state.js";
import type { OperationRun } from "./operation-run.js";

/** What admission says to one entry. */
export type Outcome =
  /** Goes to the log at this position. */
  | { readonly kind: "stored"; readonly position: number }
  /** Is in the log already. */
  | { readonly kind: "duplicate"; readonly position: number }
  | Refusal;

export interface Refusal {
  readonly kind: "refused";
  readonly code: string;
  readonly message: string;
  /** Where this relay's chain of the agent ends: what the sender continues from. */
  readonly head?: ChainHead;
  readonly promised?: number;
  /** Of a `held` refusal. */
  readonly holder?: string;
  readonly seenMs?: number;
  /** Of a `fork`: the id that holds the same epoch and seq. */
  readonly forkOf?: string;
  /** Of a `rival`: the line went to the log all the same, at this position, as evidence. */
  readonly kept?: number;
  /** More for programs. */
  readonly facts?: Readonly<Record<string, string | number>>;
}

/** What the sender of a frame says and has shown of itself. */
export interface Sender {
  /** The epoch in which it holds the pen; absent for mirrors and foreign deliveries. */
  readonly epoch?: number;
  /** The DID it authenticated as on this connection. */
  readonly author?: string;
  /** The identity operations that the frame holds in a row, this entry among them. */
  readonly run?: OperationRun;
}

export function refused(code: string, message: string, extras: Partial<Refusal> = {}): Refusal {
  return { ...extras, kind: "refused", code, message };
}

export function pointOf({ head }: AgentState): { head?: ChainHead } {
  return head === undefined ? {} : { head: { epoch: head.epoch, seq: head.seq, id: head.id } };
}
