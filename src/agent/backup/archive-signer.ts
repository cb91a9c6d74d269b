import { AntsError } from "../../../keys/errors.js";
import type { IdentityLog } from "../../client/identity-log.js";
import type { ChainHead } from "../../protocol/event.js";

/** How a key that signed an archive lost its power since. */
export interface ReplacedSigner {
  /** Multikey. */
  readonly key: string;
  /** Hash of the rotate; absent where the newest identity does not know the key at all. */
  readonly rotate?: string;
  /** Milliseconds since 1970, by its author's clock. */
  readonly rotatedMs?: number;
  /** The last event that the key still vouches for; absent where it is none. */
  readonly anchor?: ChainHead;
}

/**
 * The archive's own identity log ends where the archive was made, and a thief's ends where the thief wants it to. So the
 * newest one is asked, of the relays or of newer archives. Undefined where the key was never replaced, or nothing is
 * known: an identity that nobody found, or whose branches contradict each other, says nothing of keys.
 */
export function replacedSigner(identity: IdentityLog, key: string): ReplacedSigner | undefined {
  const { state } = identity;
  if (state === undefined) return undefined;
  const standing = identity.standingOf(key);
  if (standing === undefined) return { key };
  if (standing.rotations === identity.rotations) return undefined;
  const rotate = state.operations.filter(({ op }) => op.op === "rotate")[standing.rotations];
  return {
    key,
    ...(rotate === undefined ? {} : { rotate: rotate.hash, rotatedMs: rotate.op.time }),
    ...(standing.anchor === undefined ? {} : { anchor: standing.anchor }),
  };
}

/** An archive, as far as its signer is looked at. */
export interface SignedArchive {
  readonly name: string;
  /** Multikey that signed its manifest; absent in marks of homes that did not note it. */
  readonly signer?: string | undefined;
  /** Of the chain in it. */
  readonly head?: ChainHead | undefined;
}

export interface SignerCheck {
  /** The owner knows that this archive is from before the theft. */
  readonly isVouchedFor: boolean;
  /** Whether an event has its place on the newest chain that was read. */
  readonly onChain: (head: ChainHead) => boolean;
}

/**
 * Nothing in an archive proves when it was made: whoever has the key that signed it can write any time. So one whose key
 * was replaced needs the owner's word, and its chain must end on or before the last event that the key still vouches
 * for. Throws "backup-signer-replaced".
 */
export function requireLiveSigner(archive: SignedArchive, identity: IdentityLog, check: SignerCheck): void {
  const { signer, head } = archive;
  const replaced = signer === undefined ? undefined : replacedSigner(identity, signer);
  if (replaced === undefined) return;
  if (!check.isVouchedFor) throw signerReplaced(archive.name, replaced);
  const { anchor } = replaced;
  if (head === undefined) return;
  const isWithin = anchor !== undefined && head.seq <= anchor.seq && head.epoch <= anchor.epoch;
  if (isWithin && check.onChain(head)) return;
  const upTo =
    anchor === undefined ? "which left none of its events standing" : `whose last good event is ${anchor.seq}`;
  throw new AntsError(
    "backup-signer-replaced",
    `refused: ${archive.name} holds events after the rotate of its key, ${upTo}: it ends at seq ${head.seq}`,
    {
      hint: "take an older archive, or a newer one: ants backup list; what is in this one opens with age and tar",
      details: detailsOf(archive.name, replaced),
    },
  );
}

export function signerReplaced(name: string, replaced: ReplacedSigner): AntsError {
  const { key, rotate, rotatedMs } = replaced;
  const by =
    rotate === undefined
      ? "which the agent's newest identity does not know"
      : `which the rotate ${rotate.slice(0, 12)} of ${new Date(rotatedMs ?? 0).toISOString()} replaced`;
  return new AntsError("backup-signer-replaced", `refused: ${name} is signed by ${key}, ${by}`, {
    hint: "whoever has that key can make such archives, of any date: take one that was made after the rotate; if you know that this one is older than the theft: --signed-by-replaced-key",
    details: detailsOf(name, replaced),
  });
}

function detailsOf(archive: string, { key, rotate }: ReplacedSigner) {
  return { archive, key, ...(rotate === undefined ? {} : { rotate }) };
}
