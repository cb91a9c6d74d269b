import { fromUtf8, utf8 } from "../../keys/bytes.js";
import { AntsError } from "../../keys/errors.js";
import type { Disk } from "../../keys/ports.js";
import type { IdentityLog } from "../client/identity-log.js";
import type { ChainHead } from "../protocol/event.js";
import { HASH, isInteger, isText } from "../protocol/grammar.js";
import { requireLiveSigner, type SignerCheck } from "./backup/archive-signer.js";
import type { AgentHome } from "./home.js";

/** What a restored home says of itself until it is activated. It sleeps: nothing is claimed, signed or sent from it. */
export interface DormantMark {
  /** Milliseconds since 1970, by the clock of the host that restored it. */
  readonly restoredMs: number;
  /** The archive's name; empty where it had none. */
  readonly archive: string;
  readonly tier: string;
  /** When the archive was made, by the clock of the host that made it. */
  readonly madeMs: number;
  /** Multikey that signed the archive; absent in marks that did not note it. */
  readonly signer?: string;
  /** The owner said of this archive that it is from before the theft of the key that signed it. */
  readonly isVouchedFor?: true;
  /** Of the chain in the archive, with its author's clock; absent where it had no event. */
  readonly head?: ChainHead & { readonly timeMs: number };
}

/** The mark of a home as bytes of its file. */
export function encodeDormantMark(mark: DormantMark): Uint8Array {
  return utf8(`${JSON.stringify({ v: 1, ...mark })}\n`);
}

/**
 * The mark of a home that sleeps; undefined where it is awake. A file that cannot be read as a mark is one all the same:
 * a home never wakes because its mark was damaged. Throws disk errors.
 */
export async function dormantMark(disk: Disk, home: AgentHome): Promise<DormantMark | undefined> {
  const bytes = await disk.read(home.layout.dormant);
  return bytes === undefined ? undefined : decoded(bytes);
}

/** Throws `home-dormant` where the home sleeps; call it before anything is claimed, signed or asked for. */
export async function requireAwake(disk: Disk, home: AgentHome): Promise<void> {
  const mark = await dormantMark(disk, home);
  if (mark === undefined) return;
  const from = mark.archive === "" ? "a backup" : mark.archive;
  throw new AntsError("home-dormant", `${home.path} was restored from ${from} and sleeps`, {
    hint: "ants activate claims the pen and wakes it; whatever only reads works as it is",
    details: { home: home.path, archive: mark.archive },
  });
}

/**
 * Whether the archive of a mark was signed by a key that nobody had replaced, by this identity; else the owner's word is
 * needed, given now or when it was restored. Throws "backup-signer-replaced".
 */
export function requireWakeable(mark: DormantMark | undefined, identity: IdentityLog, check: SignerCheck): void {
  // A bundle of a move is sealed to its one receiver.
  if (mark === undefined || mark.tier === "move") return;
  const { archive, signer, head } = mark;
  const isVouchedFor = check.isVouchedFor || mark.isVouchedFor === true;
  requireLiveSigner({ name: archive, signer, head }, identity, { ...check, isVouchedFor });
}

/** The home's claim is acknowledged: from now on it is the agent. Throws disk errors. */
export function wakeUp(disk: Disk, home: AgentHome): Promise<void> {
  return disk.remove(home.layout.dormant);
}

const UNKNOWN: DormantMark = { restoredMs: 0, archive: "", tier: "", madeMs: 0 };

function decoded(bytes: Uint8Array): DormantMark {
  let values: unknown;
  try {
    values = JSON.parse(fromUtf8(bytes));
  } catch {
    return UNKNOWN;
  }
  if (typeof values !== "object" || values === null) return UNKNOWN;
  const { restoredMs, archive, tier, madeMs, signer, isVouchedFor, head } = values as Record<string, unknown>;
  if (!isTimeMs(restoredMs) || !isTimeMs(madeMs) || typeof archive !== "string" || typeof tier !== "string")
    return UNKNOWN;
  const mark = { restoredMs, archive, tier, madeMs, ...(isMarkedHead(head) ? { head } : {}) };
  if (typeof signer !== "string") return mark;
  return isVouchedFor === true ? { ...mark, signer, isVouchedFor } : { ...mark, signer };
}

function isTimeMs(value: unknown): value is number {
  return isInteger(value, 0);
}

function isMarkedHead(value: unknown): value is NonNullable<DormantMark["head"]> {
  if (typeof value !== "object" || value === null) return false;
  const { epoch, seq, id, timeMs } = value as Record<string, unknown>;
  return isTimeMs(epoch) && isTimeMs(seq) && isText(id, HASH) && isTimeMs(timeMs);
}
