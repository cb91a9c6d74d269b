import type { Did } from "../../keys/did.js";
import { publicKeyFromSeed } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { IdentityState } from "../../keys/identity/state.js";
import { encodeMultikey } from "../../keys/multikey.js";
import { createAuth } from "../protocol/auth.js";
import type { ReadingKeys } from "../protocol/escrow.js";
import type { ChainStore } from "./chain-store.js";
import type { AuthLine } from "./connection.js";
import type { IdentityLog } from "./identity-log.js";
import type { Outbox } from "./outbox.js";
import type { ClientPorts } from "./ports.js";
import type { RelayPool } from "./relay-pool.js";

/** Everything that holding the pen needs; the home's lock is held by whoever gives this. */
export interface PenContext {
  readonly did: Did;
  /** The 32-byte seed of a live sign key. */
  readonly seed: Uint8Array;
  /** 16 hex digits drawn for this process, never read back from a disk. */
  readonly instance: string;
  /** What this instance is, for people: host and purpose, say. At most 64 characters of one line. */
  readonly label: string;
  readonly identity: IdentityLog;
  readonly chain: ChainStore;
  readonly outbox: Outbox;
  readonly relays: RelayPool;
  readonly ports: ClientPorts;
  /** Instances of this home's own earlier runs: where one of them holds the pen, nobody is displaced. */
  readonly earlierInstances: ReadonlySet<string>;
  /** This home made the genesis: only here may the chain begin. */
  readonly madeGenesis: boolean;
  /** Sealed to the owner's phrase in every claim, the present era first: what a recovery reads again with. */
  readonly readingKeys?: readonly ReadingKeys[];
  /** An epoch that is known to have been in use, from the vault's high-water mark for example. */
  readonly knownEpoch?: number;
  /** Operations were learnt from a relay; resolves when they are kept. */
  identityGrew(operations: readonly ParsedOperation[]): Promise<void>;
}

/** The auth line of this instance, for any connection. */
export function authLineOf({ did, instance, seed, ports }: PenContext): AuthLine {
  return ({ relay, challenge }) => createAuth({ did, instance, relay, challenge, timeMs: ports.clock.nowMs(), seed });
}

/** The identity's state, on which this key may act. Throws `identity-conflicted` or `key-not-live`. */
export function requireState({ identity, did, seed }: PenContext): IdentityState {
  const { state, resolution } = identity;
  if (resolution.status === "conflicted") {
    throw new AntsError("identity-conflicted", `the identity of ${did} is ${resolution.status}`, {
      hint: "read its identity log; only the recovery phrase settles rival operations",
      details: { did, status: resolution.status },
    });
  }
  requireLiveKey(identity, seed);
  return state!;
}

function requireLiveKey(identity: IdentityLog, seed: Uint8Array): void {
  const key = encodeMultikey(publicKeyFromSeed(seed));
  if (!identity.deactivated && identity.standingOf(key)?.live === true) return;
  const why = identity.deactivated ? "the identity was deactivated" : "the identity log does not list it as live";
  throw new AntsError("key-not-live", `the key ${key} may not sign for ${identity.did}: ${why}`, {
    hint: identity.deactivated
      ? "it was ended by its owner, and that is for good"
      : "the key was replaced since: bring the vault from where that was done (ants vault export there, ants vault import here); if it was not you: ants rotate with the words",
    details: { did: identity.did, key },
  });
}
