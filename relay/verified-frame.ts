import type { Did } from "../keys/did.js";
import type { ParsedOperation } from "../keys/identity/operation.js";

/**
 * What a verification worker hands to the ledger: lines whose form, ids and signatures hold, with the facts that
 * admission needs. Plain data, so that it crosses a thread cheaply. Whether a key is *entitled* is not judged here.
 */
export interface VerifiedFrame {
  /** The exact lines of `entries`, each ending in "\n", in one piece. */
  readonly bytes: Uint8Array;
  /** The length in bytes of each line, its "\n" included. */
  readonly lengths: Uint32Array;
  readonly entries: readonly VerifiedEntry[];
  /** The first line that does not verify; `entries` holds those before it, and nothing after it is read. */
  readonly failure?: { readonly i: number; readonly code: string; readonly message: string };
}

export type VerifiedEntry = VerifiedEvent | VerifiedOperation | VerifiedPromise;

export interface VerifiedEvent {
  readonly type: "event";
  /** 64 hex: the event id, which is also its leaf in the relay's tree. */
  readonly id: string;
  readonly did: Did;
  readonly epoch: number;
  readonly seq: number;
  /** Absent exactly at seq 0. */
  readonly prev?: string;
  /** Multikey of the signer; the signature holds under it. */
  readonly key: string;
  readonly kind: string;
  readonly to: readonly string[];
  readonly tags: readonly string[];
  readonly claim: boolean;
  /** The body was forgotten: the line carries bodyHash. */
  readonly pruned: boolean;
  /** Of a claim with its body: the instance it speaks for and the operation it was made under. */
  readonly instance?: string;
  readonly identity?: string;
  /** Of a hand-over: the instance that it names to go on. */
  readonly successor?: string;
}

export interface VerifiedOperation {
  readonly type: "identity";
  /** The operation's hash. */
  readonly id: string;
  readonly did: Did;
  readonly operation: ParsedOperation;
}

export interface VerifiedPromise {
  readonly type: "promise";
  /** The promise's hash. */
  readonly id: string;
  readonly did: Did;
  readonly epoch: number;
  readonly stream: string;
  readonly instance: string;
  readonly key: string;
  readonly takeover: boolean;
  readonly after?: string;
  readonly handover?: string;
}
