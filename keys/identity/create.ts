import { base64url, fromUtf8, utf8 } from "../bytes.js";
import { canonicalize } from "../canonical.js";
import type { Did } from "../did.js";
import { publicKeyFromSeed, sign } from "../ed25519/index.js";
import { AntsError } from "../errors.js";
import { encodeMultikey } from "../multikey.js";
import { recoveryCommitment } from "./commitment.js";
import { type ParsedOperation, parseOperation, signedBytes } from "./operation.js";
import { normalizeRelayUrl } from "./relay-url.js";
import type {
  Anchor,
  DeactivateOperation,
  GenesisOperation,
  IdentityContent,
  IdentityOperation,
  RelayAddress,
  RotateOperation,
  Service,
  UpdateOperation,
} from "./shape.js";

/** A new operation, ready to be sent. */
export interface CreatedOperation {
  readonly did: Did;
  /** The line without a newline. */
  readonly line: string;
  readonly operation: IdentityOperation;
  readonly hash: string;
  /** The same as every reader will see it, also the `parent` of the next one. */
  readonly parsed: ParsedOperation;
}

/** What an update may change; what is left out stays as it is. */
export interface UpdateChanges {
  readonly relays?: readonly RelayAddress[];
  readonly faults?: number;
  readonly handles?: readonly string[];
  readonly services?: readonly Service[];
  /** X25519 public key, 32 bytes. */
  readonly agree?: Uint8Array;
}

/** What a rotate may change besides the keys it is for. */
export interface RotateChanges extends UpdateChanges {
  /** X25519 public key of the recovery phrase, 32 bytes. */
  readonly escrow?: Uint8Array;
  /** Recovery keys that the next rotate reveals. */
  readonly threshold?: number;
}

export interface GenesisInput {
  /** Ed25519 seeds of the keys that will sign for the agent, 32 bytes each; usually one. */
  readonly signSeeds: readonly Uint8Array[];
  /** X25519 public key that messages are sealed to. */
  readonly agree: Uint8Array;
  /** Ed25519 public keys to commit to: number 0 of the phrase, or one of each phrase that shares the power. */
  readonly recoveryKeys: readonly Uint8Array[];
  /** 1 unless given. */
  readonly threshold?: number;
  /** X25519 public key of the recovery phrase. */
  readonly escrow: Uint8Array;
  readonly relays: readonly RelayAddress[];
  /** 0 unless given. */
  readonly faults?: number;
  readonly handles?: readonly string[];
  readonly services?: readonly Service[];
  readonly timeMs: number;
}

export interface UpdateInput {
  readonly parent: ParsedOperation | Uint8Array | string;
  readonly changes: UpdateChanges;
  /** Seed of any live sign key. */
  readonly signSeed: Uint8Array;
  readonly timeMs: number;
  /** Heads of branches that lose to the parent's. */
  readonly over?: readonly string[];
}

export interface DeactivateInput {
  readonly parent: ParsedOperation | Uint8Array | string;
  /** The last good event; without one the whole chain becomes void. */
  readonly anchor?: Anchor;
  /** Seeds of the committed recovery keys, as many as the threshold says. */
  readonly revealSeeds: readonly Uint8Array[];
  readonly timeMs: number;
}

export interface RotateInput extends DeactivateInput {
  /** Seeds of the new sign keys. Keys that never signed for this agent. */
  readonly newSignSeeds: readonly Uint8Array[];
  /** Public keys to commit to next. Keys that were never shown. */
  readonly nextRecoveryKeys: readonly Uint8Array[];
  readonly changes?: RotateChanges;
}

/**
 * Founds an identity. All four functions here return what they made only after reading it back: they throw whatever
 * {@link parseOperation} throws, above all "identity-grammar" for input that makes no valid operation, and "relay-url".
 */
export function createIdentity(input: GenesisInput): CreatedOperation {
  const signKeys = keysOf(input.signSeeds);
  const statement: Unsigned<GenesisOperation> = {
    type: "identity",
    v: 1,
    op: "genesis",
    n: 0,
    keys: { sign: signKeys, agree: encodeMultikey(input.agree, "x25519") },
    recovery: {
      commit: input.recoveryKeys.map((key) => recoveryCommitment(key, signKeys)),
      threshold: input.threshold ?? 1,
    },
    escrow: encodeMultikey(input.escrow, "x25519"),
    relays: spelled(input.relays),
    faults: input.faults ?? 0,
    handles: input.handles ?? [],
    services: input.services ?? [],
    time: input.timeMs,
  };
  return signed(statement, input.signSeeds);
}

/**
 * Changes relays, handles and the like with the hot key. Throws AntsError "identity-signers" when `signSeed` is not the
 * seed of one of the parent's sign keys, "identity-ended" after a deactivate.
 */
export function updateIdentity(input: UpdateInput): CreatedOperation {
  const parent = livingParent(input.parent);
  const statement: Unsigned<UpdateOperation> = {
    ...changed(parent, input.changes),
    ...succession(parent, input.timeMs),
    op: "update",
    ...(input.over === undefined ? {} : { over: input.over }),
  };
  return signed(statement, [input.signSeed]);
}

/**
 * Takes the identity over with the recovery phrase: fresh sign keys, fresh commitments. Throws AntsError
 * "identity-unauthorised" when the revealed keys are not those that the parent's era committed to.
 */
export function rotateIdentity(input: RotateInput): CreatedOperation {
  const parent = livingParent(input.parent);
  const changes = input.changes ?? {};
  const content = changed(parent, changes);
  const signKeys = keysOf(input.newSignSeeds);
  const statement: Unsigned<RotateOperation> = {
    ...content,
    ...closing(parent, input),
    op: "rotate",
    keys: { ...content.keys, sign: signKeys },
    recovery: {
      commit: input.nextRecoveryKeys.map((key) => recoveryCommitment(key, signKeys)),
      threshold: changes.threshold ?? parent.op.recovery.threshold,
    },
    escrow: changes.escrow === undefined ? content.escrow : encodeMultikey(changes.escrow, "x25519"),
  };
  return signed(statement, [...input.revealSeeds, ...input.newSignSeeds]);
}

/** Ends the identity for good. Throws as {@link rotateIdentity} does. */
export function deactivateIdentity(input: DeactivateInput): CreatedOperation {
  const parent = livingParent(input.parent);
  const content = changed(parent, {});
  const statement: Unsigned<DeactivateOperation> = {
    ...content,
    ...closing(parent, input),
    op: "deactivate",
    keys: { ...content.keys, sign: [] },
    recovery: { commit: [], threshold: 0 },
  };
  return signed(statement, input.revealSeeds);
}

type Unsigned<Operation> = Omit<Operation, "sigs">;

function livingParent(parent: ParsedOperation | Uint8Array | string): ParsedOperation {
  const bytes = typeof parent === "string" ? utf8(parent) : parent;
  const parsed = bytes instanceof Uint8Array ? parseOperation(bytes) : bytes;
  if (parsed.op.op !== "deactivate") return parsed;
  throw new AntsError("identity-ended", `expected a living identity, got the deactivated ${parsed.did}`);
}

function succession({ did, hash, op }: ParsedOperation, timeMs: number) {
  return { type: "identity", v: 1, n: op.n + 1, did, prev: hash, time: timeMs } as const;
}

function closing(parent: ParsedOperation, input: DeactivateInput) {
  const { keys, recovery } = parent.op;
  const publicKeys = input.revealSeeds.map(publicKeyFromSeed);
  const committed = publicKeys.filter((key) => recovery.commit.includes(recoveryCommitment(key, keys.sign)));
  if (committed.length < publicKeys.length || committed.length < recovery.threshold) {
    throw new AntsError(
      "identity-unauthorised",
      `expected ${recovery.threshold} recovery keys that the identity committed to, ${committed.length} of the ${publicKeys.length} given are`,
      { hint: "check that this is the identity's own recovery phrase, and the number of the key" },
    );
  }
  return {
    ...succession(parent, input.timeMs),
    reveal: publicKeys.map((key) => encodeMultikey(key)),
    ...(input.anchor === undefined ? {} : { anchor: input.anchor }),
  };
}

function changed({ op }: ParsedOperation, changes: UpdateChanges): IdentityContent {
  return {
    keys: {
      sign: op.keys.sign,
      agree: changes.agree === undefined ? op.keys.agree : encodeMultikey(changes.agree, "x25519"),
    },
    recovery: op.recovery,
    escrow: op.escrow,
    relays: changes.relays === undefined ? op.relays : spelled(changes.relays),
    faults: changes.faults ?? op.faults,
    handles: changes.handles ?? op.handles,
    services: changes.services ?? op.services,
  };
}

function spelled(relays: readonly RelayAddress[]): RelayAddress[] {
  return relays.map(({ url, stream }) => ({ url: normalizeRelayUrl(url), stream }));
}

function keysOf(seeds: readonly Uint8Array[]): string[] {
  return seeds.map((seed) => encodeMultikey(publicKeyFromSeed(seed)));
}

function signed(statement: Unsigned<IdentityOperation>, seeds: readonly Uint8Array[]): CreatedOperation {
  const bytes = signedBytes(statement);
  const sigs = seeds
    .map((seed) => ({ key: encodeMultikey(publicKeyFromSeed(seed)), sig: base64url(sign(bytes, seed)) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const parsed = parseOperation(utf8(canonicalize({ ...statement, sigs })));
  return { did: parsed.did, line: fromUtf8(parsed.line), operation: parsed.op, hash: parsed.hash, parsed };
}
