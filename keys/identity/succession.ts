import { AntsError } from "../errors.js";
import { MAX_UPDATES_AN_ERA } from "../limits.js";
import { commitmentsUnder } from "./commitment.js";
import type { ParsedOperation } from "./operation.js";
import type { DeactivateOperation, IdentityOperation, RotateOperation, UpdateOperation } from "./shape.js";

/**
 * How many eras back commitments are searched for reuse. A commitment gives its key away only to who hashes every
 * candidate; without a bound, somebody's thousands of rotates would cost every reader their square in hashes. Keys that
 * are named in the open are compared with all eras.
 */
const HASHED_ERAS = 64;

/** The operations between two rotates. Its first one committed to the keys that end it. */
export interface Era {
  /** Rotates behind it: 0 for the genesis' own. */
  readonly index: number;
  readonly previous: Era | undefined;
  /** The genesis or rotate that began it, with the commitment that ends it. */
  readonly opening: ParsedOperation;
  /** The recovery keys that were revealed to begin it; none for a genesis. */
  readonly revealed: readonly string[];
  /** All updates known of this era, on every branch. */
  readonly updates: Branch[];
  /** Those of `updates` that no other update follows; before there are any, the operation that began the era. */
  readonly leaves: Set<Branch>;
  /** How many of `updates` settle a contest. */
  settlements: number;
  /** The rotates and deactivates that the era's commitment authorised: rivals, if there are several. */
  readonly closings: Branch[];
}

/** An operation in its place: valid on the path from the genesis to it, whatever else is known. */
export interface Branch {
  readonly operation: ParsedOperation;
  readonly parent: Branch | undefined;
  /** The era that it belongs to; a rotate begins its own, a deactivate still belongs to the one that it ends. */
  readonly era: Era;
  /** Updates on the path since the era began, this one included. */
  readonly updateCount: number;
}

/**
 * Operations that followed their parents once. A hash fixes the whole path behind it (but for signatures, which every
 * ParsedOperation has proven), so what was valid in one set is valid in all: a resolver that sees the same objects
 * again, as a relay does with every new operation, need not hash its way through all past keys again.
 */
const approved = new WeakSet<ParsedOperation>();

/**
 * May `child` follow `parent`? Looks at nothing but the path from the genesis to the parent, so the answer is the same
 * for every verifier and in every order of arrival. Throws AntsError with the reason:
 * "identity-number", "identity-did", "identity-ended" (the parent is a deactivate), "identity-update-scope" (an update
 * that touches what only the phrase may change), "identity-era-full", "identity-over", "identity-unauthorised" (the
 * revealed keys are not those that the era committed to), "identity-key-reuse".
 */
export function checkSuccession(parent: Branch, child: ParsedOperation): void {
  if (approved.has(child)) return;
  const { op } = child;
  const above = parent.operation.op;
  if (op.op === "genesis" || child.did !== parent.operation.did) {
    throw refusal("identity-did", child, `one of ${parent.operation.did}`);
  }
  if (above.op === "deactivate") throw refusal("identity-ended", child, "nothing after a deactivate");
  if (op.n !== above.n + 1) throw refusal("identity-number", child, `n ${above.n + 1} after ${above.n}, not ${op.n}`);
  if (op.op === "update") checkUpdate(parent, child, op);
  else checkClosing(parent.era, child, op);
  approved.add(child);
}

function checkUpdate(parent: Branch, child: ParsedOperation, op: UpdateOperation): void {
  const above = parent.operation.op;
  if (!leavesPowersAlone(op, above)) {
    throw refusal("identity-update-scope", child, "keys.sign, recovery and escrow copied from its parent");
  }
  if (parent.updateCount >= MAX_UPDATES_AN_ERA) {
    throw refusal("identity-era-full", child, `at most ${MAX_UPDATES_AN_ERA} updates since the last rotate`);
  }
  if (op.over !== undefined && namesOwnPath(op.over, parent)) {
    throw refusal("identity-over", child, "over to name other branches than its own");
  }
}

/** Does the list name an operation of this era between its first and `parent`? Older ones are beyond dispute anyway. */
function namesOwnPath(hashes: readonly string[], parent: Branch): boolean {
  for (let at: Branch | undefined = parent; at?.era === parent.era; at = at.parent) {
    if (hashes.includes(at.operation.hash)) return true;
  }
  return false;
}

/** Are sign keys, recovery and escrow, which the hot key cannot change, the same to the letter? */
function leavesPowersAlone(op: IdentityOperation, above: IdentityOperation): boolean {
  return (
    sameTexts(op.keys.sign, above.keys.sign) &&
    sameTexts(op.recovery.commit, above.recovery.commit) &&
    op.recovery.threshold === above.recovery.threshold &&
    op.escrow === above.escrow
  );
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}

function checkClosing(era: Era, child: ParsedOperation, op: RotateOperation | DeactivateOperation): void {
  const { keys, recovery } = era.opening.op;
  const commitment = commitmentsUnder(keys.sign);
  const authorised = op.reveal.every((key) => recovery.commit.includes(commitment(key)));
  if (!authorised || op.reveal.length < recovery.threshold) {
    throw refusal("identity-unauthorised", child, `${recovery.threshold} of the recovery keys that were committed to`);
  }
  const spoilt = spoiltKey(era, op);
  if (spoilt !== undefined) throw refusal("identity-key-reuse", child, `keys that were nothing before, not ${spoilt}`);
}

/**
 * No key lives twice: a recovery key is used once, never becomes a sign key, and is not committed to after it was
 * shown; a sign key comes new with its rotate, so that every key belongs to one era. Returns a key that breaks this.
 */
function spoiltKey(era: Era, op: RotateOperation | DeactivateOperation): string | undefined {
  const named = [...op.reveal, ...op.keys.sign];
  const commitment = commitmentsUnder(op.keys.sign);
  const committed = (key: string) => op.recovery.commit.includes(commitment(key));
  let spent = op.reveal.length;
  for (let past: Era | undefined = era; past !== undefined; past = past.previous) {
    const { keys, recovery } = past.opening.op;
    const shown = [...past.revealed, ...keys.sign];
    let spoilt = named.find((key) => shown.includes(key));
    if (spoilt === undefined && era.index - past.index < HASHED_ERAS) {
      const commitmentThen = commitmentsUnder(keys.sign);
      const secretThen = (key: string) => recovery.commit.includes(commitmentThen(key));
      spoilt = shown.find(committed) ?? (recovery.commit.length > spent ? op.keys.sign.find(secretThen) : undefined);
    }
    if (spoilt !== undefined) return spoilt;
    spent = past.revealed.length;
  }
  return undefined;
}

function refusal(code: string, child: ParsedOperation, expected: string): AntsError {
  const { op, hash } = child;
  return new AntsError(code, `${op.op} ${hash.slice(0, 8)}: expected ${expected}`, { details: { hash } });
}
