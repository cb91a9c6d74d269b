import { utf8, zero } from "../../keys/bytes.js";
import { generateSeed } from "../../keys/ed25519/index.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { rotateIdentity } from "../../keys/identity/create.js";
import { type ParsedOperation, parseOperation } from "../../keys/identity/operation.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import type { OpenVault } from "../../keys/node/vault.js";
import type { EarlierKeys, NextKeys, VaultContent } from "../../keys/node/vault-content.js";
import { updateVaultFile } from "../../keys/node/vault-file.js";
import { systemRandom } from "../../keys/ports.js";
import { x25519PublicKey } from "../../keys/x25519.js";
import type { ClientPorts } from "../client/ports.js";
import type { RelayPool } from "../client/relay-pool.js";
import { uniteEras } from "../protocol/escrow.js";
import type { AgentHome } from "./home.js";
import { type Confirmation, confirmOperation, requireConfirmed, tellOthers } from "./spread-operation.js";
import type { RecoveryPower, RotationPlan } from "./succession.js";

/**
 * A rotate in two phases. First everything that it takes is on disk: the new keys and the signed operation, in the vault
 * (`next`). Then the operation goes out, is read back from a quorum of the relays that it names, and the new keys take
 * the place of the old. A process that dies in between leaves a rotation that the next `ants rotate` finishes, without
 * the phrase: the operation is signed. Until then nothing else may be done in the home: the old key may be retired
 * already, and the new one not be live yet.
 */

/** Everything that the new keys are made of. */
export interface NewRotation {
  readonly plan: RotationPlan;
  readonly power: RecoveryPower;
  readonly relays: readonly RelayAddress[];
  readonly faults: number;
  readonly handles: readonly string[];
  readonly timeMs: number;
}

/**
 * Makes the new keys and signs the operation. Throws what `rotateIdentity` throws: "identity-grammar" for relays and
 * faults that make no operation, and the like.
 */
export function signRotation({ plan, power, relays, faults, handles, timeMs }: NewRotation): NextKeys {
  const signSeed = generateSeed();
  const agreeSecret = systemRandom.bytes(32);
  const stateKey = systemRandom.bytes(32);
  const { anchor, parent } = plan;
  const { line } = rotateIdentity({
    parent,
    ...(anchor === undefined ? {} : { anchor: { epoch: anchor.epoch, seq: anchor.seq, id: anchor.id } }),
    revealSeeds: [power.key.seed],
    newSignSeeds: [signSeed],
    nextRecoveryKeys: [power.next.key.publicKey],
    changes: { agree: x25519PublicKey(agreeSecret), relays, faults, handles },
    timeMs,
  });
  return { signSeed, agreeSecret, stateKey, operation: line };
}

/** The content of a vault with a rotation under way in it. */
export function withNext(content: VaultContent, next: NextKeys): VaultContent {
  return { ...content, next };
}

/** The content once the rotation is through: the new keys are the keys, the old ones go on reading. */
export function activated(content: VaultContent): VaultContent {
  const { next, highWater: _, ...rest } = content;
  if (next === undefined) return content;
  const { signSeed, agreeSecret, stateKey } = next;
  const former: EarlierKeys[] = uniteEras(
    [
      { agreeSecret, stateKey },
      { agreeSecret: content.agreeSecret, stateKey: content.stateKey },
    ],
    content.earlier,
  );
  const { anchor } = parseOperation(utf8(next.operation)).op;
  return {
    ...rest,
    signSeed,
    agreeSecret,
    stateKey,
    earlier: former.slice(1),
    ...(anchor === undefined ? {} : { highWater: anchor }),
  };
}

export interface UnfinishedRotation {
  readonly home: AgentHome;
  /** Has `next`. */
  readonly vault: OpenVault;
  readonly vaultPath: string;
  readonly pool: RelayPool;
  readonly ports: ClientPorts;
  /** How long every relay gets. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** What became of the operation at one relay that it names, or that an earlier one named. */
export type { Confirmation } from "./spread-operation.js";

export interface FinishedRotation {
  readonly operation: ParsedOperation;
  readonly confirmations: readonly Confirmation[];
}

/**
 * The second phase, as often as it takes: publishes the operation to the relays that it names, reads it back from a
 * quorum of them, and activates the new keys: in the home's identity log first, then in the vault. Then it tells relays
 * that only other operations name.
 *
 * Throws "rotation-unconfirmed" when there is no such quorum yet (everything stays staged: try again), "rotation-rival"
 * when a quorum holds another rotate of the same era (what was staged is dropped), disk errors, or the signal's reason.
 */
export async function finishRotation(rotation: UnfinishedRotation): Promise<FinishedRotation> {
  const { home, vault } = rotation;
  const { next } = vault.content;
  if (next === undefined) throw new AntsError("internal", "the vault has no rotation under way");
  const operation = parseOperation(utf8(next.operation));
  const confirmations = await confirmOperation(operation, home.identity, rotation);
  try {
    requireConfirmed(operation, confirmations);
  } catch (error) {
    // It will never be in force: what is left is the vault as it was, and the words build on the other one.
    if (isAntsError(error, "rotation-rival")) await writeContent(rotation, withoutNext);
    throw error;
  }
  await home.learn([operation]);
  // An update of the former era that waited for a relay's word is void.
  if ((await home.proposed()) !== undefined) await home.forgetProposed();
  await writeContent(rotation, activated);
  const others = await tellOthers(operation, home.identity, rotation);
  return { operation, confirmations: [...confirmations, ...others] };
}

function withoutNext({ next: _, ...content }: VaultContent): VaultContent {
  return content;
}

function writeContent({ vault, vaultPath }: UnfinishedRotation, change: (content: VaultContent) => VaultContent) {
  const reseal = (present: Uint8Array) => {
    vault.refresh(present);
    return vault.reseal(change(vault.content));
  };
  return updateVaultFile(vaultPath, reseal, { label: "ants rotate" });
}

/** Keys that are signed into an operation which will never go out. */
export function discardNext(next: NextKeys): void {
  zero(next.signSeed, next.agreeSecret, next.stateKey);
}
