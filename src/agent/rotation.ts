import { fromUtf8, utf8, zero } from "../../keys/bytes.js";
import { generateSeed } from "../../keys/ed25519/index.js";
import { AntsError } from "../../keys/errors.js";
import { rotateIdentity } from "../../keys/identity/create.js";
import { type ParsedOperation, parseOperation } from "../../keys/identity/operation.js";
import { relaySetOf } from "../../keys/identity/relay-set.js";
import type { RelayAddress } from "../../keys/identity/shape.js";
import type { OpenVault } from "../../keys/node/vault.js";
import type { EarlierKeys, NextKeys, VaultContent } from "../../keys/node/vault-content.js";
import { updateVaultFile } from "../../keys/node/vault-file.js";
import { systemRandom } from "../../keys/ports.js";
import { x25519PublicKey } from "../../keys/x25519.js";
import type { ClientPorts } from "../client/ports.js";
import { relayKey } from "../client/quorum.js";
import type { RelayPool } from "../client/relay-pool.js";
import { uniteEras } from "../protocol/escrow.js";
import type { AgentHome } from "./home.js";
import { type Confirmation, spreadOperation } from "./spread-operation.js";
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
 * The second phase, as often as it takes: publishes the operation to every relay that was ever named, reads it back from
 * a quorum of those that it names, and activates the new keys: in the home's identity log first, then in the vault.
 *
 * Throws "rotation-unconfirmed" when there is no such quorum yet (everything stays staged: try again), "rotation-rival"
 * when a quorum holds another rotate of the same era, disk errors, or the signal's reason.
 */
export async function finishRotation(rotation: UnfinishedRotation): Promise<FinishedRotation> {
  const { home, vault, vaultPath } = rotation;
  const { next } = vault.content;
  if (next === undefined) throw new AntsError("internal", "the vault has no rotation under way");
  const operation = parseOperation(utf8(next.operation));
  const confirmations = await spreadOperation(operation, home.identity, rotation);
  requireQuorum(operation, confirmations);
  await home.learn([operation]);
  await updateVaultFile(
    vaultPath,
    (present) => {
      vault.refresh(present);
      return vault.reseal(activated(vault.content));
    },
    { label: "ants rotate" },
  );
  return { operation, confirmations };
}

/** Keys that are signed into an operation which will never go out. */
export function discardNext(next: NextKeys): void {
  zero(next.signSeed, next.agreeSecret, next.stateKey);
}

function requireQuorum(operation: ParsedOperation, confirmations: readonly Confirmation[]): void {
  const set = relaySetOf(operation);
  const own = new Set(set.relays.map(relayKey));
  const inSet = confirmations.filter(({ url, stream }) => own.has(relayKey({ url, stream })));
  const count = (state: Confirmation["state"]) => inSet.filter((relay) => relay.state === state).length;
  if (count("confirmed") >= set.quorum) return;
  const answers = inSet.map((relay) => `${relay.url}: ${"error" in relay ? relay.error.message : relay.state}`);
  if (count("rival") >= set.quorum) {
    throw new AntsError(
      "rotation-rival",
      `another rotate of ${operation.did} was made before this one, and a quorum of its relays holds that`,
      {
        hint: "somebody else has the recovery phrase, or you rotated elsewhere: run ants recover in an empty home to take the newest state over",
        details: { did: operation.did, answers },
      },
    );
  }
  throw new AntsError(
    "rotation-unconfirmed",
    `${count("confirmed")} of ${set.relays.length} relays confirm the new key, ${set.quorum} are needed: ${answers.join("; ")}`,
    {
      hint: "nothing is lost: the new key and the signed operation are in the vault. Run ants rotate again when the relays answer",
      details: { did: operation.did, answers, operation: fromUtf8(operation.line) },
    },
  );
}
