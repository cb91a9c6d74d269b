import type { Did } from "../did.js";

/** A relay as an operation names it: it counts only under the stream that is named here. */
export interface RelayAddress {
  /** In its one spelling (relay-url.ts). */
  readonly url: string;
  /** 16 lower-case hexadecimal digits. */
  readonly stream: string;
}

/** An endpoint that the agent advertises in its DID document. */
export interface Service {
  readonly id: string;
  readonly type: string;
  readonly endpoint: string;
}

/** An event of the agent's chain. */
export interface Anchor {
  /** From 1. */
  readonly epoch: number;
  /** From 0. */
  readonly seq: number;
  /** 64 hexadecimal digits. */
  readonly id: string;
}

export interface OperationSignature {
  /** Multikey of the Ed25519 key that signed. */
  readonly key: string;
  /** 64 bytes as base64url. */
  readonly sig: string;
}

/** The state that every operation carries whole: nothing is a patch. */
export interface IdentityContent {
  readonly keys: {
    /** The live keys (Multikey, Ed25519). */
    readonly sign: readonly string[];
    /** Multikey of the X25519 key that messages are sealed to. */
    readonly agree: string;
  };
  readonly recovery: {
    /** One hash for each recovery key (commitment.ts). */
    readonly commit: readonly string[];
    /** How many of the committed keys an authorised rotate reveals. */
    readonly threshold: number;
  };
  /** Multikey of the X25519 key derived from the recovery phrase. */
  readonly escrow: string;
  readonly relays: readonly RelayAddress[];
  /** How many of the relays may lie. */
  readonly faults: number;
  readonly handles: readonly string[];
  readonly services: readonly Service[];
}

interface Statement extends IdentityContent {
  readonly type: "identity";
  readonly v: 1;
  /** The parent's n + 1; 0 in a genesis. */
  readonly n: number;
  /** Milliseconds since the epoch by the author's clock. Advisory. */
  readonly time: number;
  /** Sorted by key. Not part of the operation's hash. */
  readonly sigs: readonly OperationSignature[];
}

interface Successor extends Statement {
  readonly did: Did;
  /** Hash of the parent operation. */
  readonly prev: string;
}

export interface GenesisOperation extends Statement {
  readonly op: "genesis";
  readonly did?: never;
  readonly prev?: never;
  readonly reveal?: never;
  readonly anchor?: never;
  readonly over?: never;
}

export interface UpdateOperation extends Successor {
  readonly op: "update";
  /** Heads of branches that lose to this operation's own. Absent where nothing is contested. */
  readonly over?: readonly string[];
  readonly reveal?: never;
  readonly anchor?: never;
}

interface Closing extends Successor {
  /** The recovery keys (Multikey) whose commitments authorise this operation. */
  readonly reveal: readonly string[];
  /** The last good event of the chain; absent: the whole chain is void. */
  readonly anchor?: Anchor;
  readonly over?: never;
}

export interface RotateOperation extends Closing {
  readonly op: "rotate";
}

export interface DeactivateOperation extends Closing {
  readonly op: "deactivate";
}

/** The JSON of one line of an identity log (protocol.md, "Identity"). */
export type IdentityOperation = GenesisOperation | UpdateOperation | RotateOperation | DeactivateOperation;
