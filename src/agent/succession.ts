import { zero } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import { recoveryCommitment } from "../../keys/identity/commitment.js";
import type { ParsedOperation } from "../../keys/identity/operation.js";
import type { PhraseKeys, RecoveryKey } from "../../keys/phrase.js";
import type { ChainStore } from "../client/chain-store.js";
import type { TreeEvent } from "../client/chain-tree.js";
import type { IdentityLog } from "../client/identity-log.js";
import { isVoid } from "../protocol/chain.js";
import type { ChainHead } from "../protocol/event.js";

/** How many one-time keys of a phrase are looked at: each rotate uses one. */
const MAX_RECOVERY_KEYS = 256;

/** The one-time key that rules an operation's era, and the one to commit to next. */
export interface RecoveryPower {
  readonly index: number;
  readonly key: RecoveryKey;
  readonly next: { readonly index: number; readonly key: RecoveryKey };
}

/**
 * The recovery key of this phrase that `operation` commits to, and the next one that no operation of the log commits to
 * or reveals: a one-time key is never committed to again. Undefined where the operation commits to no key of the phrase.
 */
export function recoveryPower(
  operation: ParsedOperation,
  log: IdentityLog,
  phrase: Pick<PhraseKeys, "recoveryKey">,
): RecoveryPower | undefined {
  const index = committedIndex(operation, phrase);
  if (index === undefined) return undefined;
  // Commitments are copied along an era, so that one look at each opening is enough. Rival openings count as well.
  const openings = log.operations().filter(({ op }) => op.op === "genesis" || op.op === "rotate");
  const used = openings.map((opening) => committedIndex(opening, phrase) ?? -1);
  const next = Math.max(index, ...used) + 1;
  return { index, key: phrase.recoveryKey(index), next: { index: next, key: phrase.recoveryKey(next) } };
}

/** Whether an operation commits to a key of the phrase. */
export function commitsTo(operation: ParsedOperation, phrase: Pick<PhraseKeys, "recoveryKey">): boolean {
  return committedIndex(operation, phrase) !== undefined;
}

function committedIndex({ op }: ParsedOperation, phrase: Pick<PhraseKeys, "recoveryKey">): number | undefined {
  const { commit } = op.recovery;
  if (commit.length === 0) return undefined;
  for (let index = 0; index < MAX_RECOVERY_KEYS; index++) {
    if (commit.includes(recoveryCommitment(publicKeyAt(phrase, index), op.keys.sign))) return index;
  }
  return undefined;
}

/** Public keys that were derived before: a search goes over the same ones for every candidate. */
const publicKeys = new WeakMap<Pick<PhraseKeys, "recoveryKey">, Uint8Array[]>();

function publicKeyAt(phrase: Pick<PhraseKeys, "recoveryKey">, index: number): Uint8Array {
  const derived = publicKeys.get(phrase) ?? [];
  publicKeys.set(phrase, derived);
  let publicKey = derived[index];
  if (publicKey === undefined) {
    const key = phrase.recoveryKey(index);
    zero(key.seed);
    publicKey = key.publicKey;
    derived[index] = publicKey;
  }
  return publicKey;
}

/** One turn of holding the pen, as the chain tells it: a claim and what follows it in its epoch. */
export interface Turn {
  readonly epoch: number;
  readonly instance: string;
  readonly label: string;
  /** The author's clock at the claim, milliseconds since 1970. */
  readonly timeMs: number;
  /** Of the claim. */
  readonly first: ChainHead;
  readonly last: ChainHead;
  /** False for a turn that is beside the chain. */
  readonly onChain: boolean;
}

/** The turns of a chain by seq of their claims, also those that later claims superseded. */
export function turnsOf(chain: ChainStore): Turn[] {
  const turns = new Map<string, Turn>();
  const turnOf = new Map<string, string>();
  for (const event of chain.tree.all()) {
    const claim = event.claim ? event.id : turnOf.get(event.prev ?? "");
    if (claim === undefined) continue;
    turnOf.set(event.id, claim);
    const place = { epoch: event.epoch, seq: event.seq, id: event.id };
    const known = turns.get(claim);
    if (known !== undefined) {
      // A turn that another one cut off ends, for its owner, where its own events do.
      turns.set(claim, { ...known, last: place, onChain: known.onChain && event.onChain });
      continue;
    }
    const said = chain.claim(event.id);
    turns.set(claim, {
      epoch: event.epoch,
      instance: said?.instance ?? "",
      label: said?.label ?? "",
      timeMs: said?.timeMs ?? 0,
      first: place,
      last: place,
      onChain: event.onChain,
    });
  }
  return [...turns.values()];
}

/**
 * Finds the event that an owner names as the last good one: `head`, a seq of the chain, or the beginning (8 digits or
 * more) of an event's id, which may be one that a thief's claim superseded. Undefined where the chain is empty and the
 * head is asked for. Throws "anchor-unknown".
 */
export function findAnchor(chain: ChainStore, wanted: string): TreeEvent | undefined {
  if (wanted === "head") return chain.head;
  if (/^(0|[1-9][0-9]{0,14})$/.test(wanted)) {
    const event = chain.tree.chainAt(Number(wanted));
    if (event !== undefined) return event;
    throw unknownAnchor(wanted, `the chain here ends at seq ${chain.head?.seq ?? "none"}`);
  }
  if (!/^[0-9a-f]{8,64}$/.test(wanted)) throw unknownAnchor(wanted, "it is no seq, no id, and not head");
  const found = [...chain.tree.all()].filter(({ id }) => id.startsWith(wanted));
  if (found.length === 1) return found[0];
  throw unknownAnchor(wanted, found.length === 0 ? "no event here has this id" : "several events begin like this");
}

/** What a rotate does to an agent, before it is done. */
export interface RotationPlan {
  /** The operation that the rotate follows: the newest that was in use at the anchor. */
  readonly parent: ParsedOperation;
  readonly anchor: TreeEvent | undefined;
  /** Events of the chain that become void. */
  readonly droppedEvents: number;
  /** Operations after the parent that become void. */
  readonly droppedOperations: readonly ParsedOperation[];
}

/**
 * Plans a rotate with an anchor. Its parent is the operation that the last claim up to the anchor names: what came
 * after it may be a thief's, and a relay that a thief filled with updates may not even have them all. Where there is no
 * chain yet, the newest operation.
 *
 * Throws "identity-conflicted", "identity-ended" where there is no state to rotate from, "anchor-unknown" for an event
 * that is void already.
 */
export function planRotation(log: IdentityLog, chain: ChainStore, anchor: TreeEvent | undefined): RotationPlan {
  const newest = requireOpen(log);
  if (anchor !== undefined && isVoid(chain.tree, anchor)) {
    throw unknownAnchor(anchor.id, "an earlier rotate has made it void, and nothing brings it back");
  }
  const claim = anchor === undefined ? undefined : chain.tree.claimBefore(anchor);
  const named = claim === undefined ? undefined : chain.claim(claim.id)?.identity;
  const operations = log.state?.operations ?? [];
  const place = operations.findIndex(({ hash }) => hash === named);
  // A claim that names a side branch was a thief's, or settled since: then the era's opening is common ground.
  const opening = operations.findLastIndex(({ op }) => op.op === "genesis" || op.op === "rotate");
  const parent = anchor === undefined ? newest : operations[Math.max(place, opening)]!;
  const onPath = new Set(operations.slice(0, operations.indexOf(parent) + 1));
  // Of this era only: what earlier rotates made void is gone already.
  const ofEra = new Set([operations[Math.max(0, opening)]!.hash]);
  for (const { hash, op } of log.operations()) if (op.op !== "rotate" && ofEra.has(op.prev ?? "")) ofEra.add(hash);
  const end = chain.head?.seq ?? -1;
  const kept = anchor === undefined ? -1 : anchor.onChain ? anchor.seq : commonSeq(chain, anchor);
  return {
    parent,
    anchor,
    droppedEvents: end - kept,
    droppedOperations: log.operations().filter((operation) => ofEra.has(operation.hash) && !onPath.has(operation)),
  };
}

/** The operation that speaks for an identity which may still be changed. */
export function requireOpen(log: IdentityLog): ParsedOperation {
  const { resolution, newest, did } = log;
  if (newest === undefined) {
    throw new AntsError("identity-conflicted", `the identity of ${did} is ${resolution.status}`, {
      hint: "two rotates of one era are known, and no quorum held one of them first: ants resolve shows both",
      details: { did, status: resolution.status },
    });
  }
  if (log.deactivated) throw new AntsError("identity-ended", `${did} was deactivated by its owner: that is for good`);
  return newest;
}

/** The seq up to which the chain and the path to `event` are the same. */
function commonSeq(chain: ChainStore, event: TreeEvent): number {
  let at: TreeEvent | undefined = event;
  while (at !== undefined && !at.onChain) at = chain.tree.before(at);
  return at?.seq ?? -1;
}

function unknownAnchor(wanted: string, why: string): AntsError {
  return new AntsError("anchor-unknown", `cannot find the anchor ${wanted}: ${why}`, {
    hint: "ants rotate --turns lists the turns of the chain, and the last event of each",
    details: { anchor: wanted },
  });
}
