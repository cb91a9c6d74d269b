/**
 * A fork proof: two events that one key signed for the same place of one agent's chain. Whoever holds an epoch writes
 * each of its places once, so two writers used it: copied keys, or a disk that was set back (docs/pen.md).
 */
import { utf8 } from "../../keys/bytes.js";
import type { Did } from "../../keys/did.js";
import { AntsError, isAntsError } from "../../keys/errors.js";
import { RootCache, verifyEventSignature } from "./batch.js";
import { type ParsedEvent, parseEvent } from "./event.js";

/** The kind of the event that joins forks: `{"forks":[{"epoch","seq","key","ids":[…]}]}` in its body. */
export const HEAL_KIND = "ants.heal";

/** Two verified events of one author and key with the same epoch and seq. */
export interface ForkProof {
  readonly did: Did;
  readonly epoch: number;
  readonly seq: number;
  /** The Multikey that signed both. Whether it was the agent's is for its identity log to say. */
  readonly key: string;
  /** In the order of their ids, so that every finder of a fork names it alike. */
  readonly events: readonly [ParsedEvent, ParsedEvent];
}

/**
 * Verifies a fork from its two lines and nothing else: form, ids, signatures, the same author, key, epoch and seq, and
 * two different events. Throws `fork-unproven` with the reason (`details.reason`).
 */
export function verifyFork(a: Uint8Array | string, b: Uint8Array | string): ForkProof {
  const [first, second] = [verifiedLine(a, "first"), verifiedLine(b, "second")];
  for (const field of ["did", "key", "epoch", "seq"] as const) {
    const values = [first.event[field], second.event[field]];
    if (values[0] !== values[1]) throw unproven(`their ${field} differs: ${values[0]} and ${values[1]}`);
  }
  if (first.id === second.id) throw unproven(`both are event ${first.id}`);
  const { did, epoch, seq, key } = first.event;
  return { did, epoch, seq, key, events: first.id < second.id ? [first, second] : [second, first] };
}

function verifiedLine(line: Uint8Array | string, which: string): ParsedEvent {
  let event: ParsedEvent;
  try {
    event = parseEvent(typeof line === "string" ? utf8(line) : line);
  } catch (error) {
    if (isAntsError(error)) throw unproven(`the ${which} line is no event: ${error.message}`, error);
    throw error;
  }
  if (!verifyEventSignature(event, new RootCache())) throw unproven(`the signature of the ${which} line does not hold`);
  return event;
}

function unproven(reason: string, cause?: AntsError): AntsError {
  return new AntsError("fork-unproven", `these two lines prove no fork: ${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: "a proof is two event lines of one agent, as ants forks --json prints them",
    details: { reason },
  });
}

/** One fork as a heal names it. */
export interface HealedFork {
  readonly epoch: number;
  readonly seq: number;
  readonly key: string;
  readonly ids: readonly string[];
}

/** The forks that an event joins; none for any other event. What is not well formed in it names nothing. */
export function healedForks({ event: { kind, body } }: Pick<ParsedEvent, "event">): readonly HealedFork[] {
  if (kind !== HEAL_KIND || !Array.isArray(body?.forks)) return [];
  return body.forks.flatMap((fork) => (isHealedFork(fork) ? [fork] : []));
}

function isHealedFork(value: unknown): value is HealedFork {
  if (typeof value !== "object" || value === null) return false;
  const { epoch, seq, key, ids } = value as Record<string, unknown>;
  const isPlace = Number.isSafeInteger(epoch) && Number.isSafeInteger(seq) && typeof key === "string";
  return isPlace && Array.isArray(ids) && ids.every((id) => typeof id === "string");
}

/** What names the place of a fork: its epoch and seq under its key. */
export function forkPlace({ epoch, seq, key }: Pick<HealedFork, "epoch" | "seq" | "key">): string {
  return `${epoch} ${seq} ${key}`;
}
