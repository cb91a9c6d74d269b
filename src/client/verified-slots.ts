import { AntsError, isAntsError } from "../../keys/errors.js";
import { type RootCache, verifyBatch } from "../protocol/batch.js";
import { type ParsedEntry, parseEntry } from "../protocol/entry.js";
import type { ParsedEvent } from "../protocol/event.js";
import { type Filter, matches } from "../protocol/filter.js";
import type { EntriesMessage, Withheld } from "../protocol/messages.js";
import type { LogPlace } from "./log-check.js";

/** One position of a frame: an entry that verifies, or a withheld event. */
export type Slot =
  | { readonly at: number; readonly entry: ParsedEntry }
  | { readonly at: number; readonly withheld: Withheld };

export interface VerifiedSlots {
  /** What verifies, in the order of positions. */
  readonly slots: readonly Slot[];
  /** The first line that doesn't: `relay-altered`. */
  readonly fault?: AntsError;
}

/**
 * Verifies the lines of a frame: form, hash, signature, and that the filter asks for them. Whether the keys are live is
 * another matter. Lines are copied, so that whoever keeps an entry doesn't keep the whole frame.
 */
export function verifySlots(
  url: string,
  filter: Filter,
  roots: RootCache,
  message: EntriesMessage,
  lines: readonly Uint8Array[],
): VerifiedSlots {
  let fault: AntsError | undefined;
  const slots: Slot[] = (message.withheld ?? []).map((withheld) => ({ at: withheld.at, withheld }));
  const events: { readonly at: number; readonly entry: ParsedEvent }[] = [];
  for (const [i, line] of lines.entries()) {
    const at = message.at[i]!;
    try {
      const entry = parseEntry(line.slice());
      if (!matches(filter, entry)) fault ??= altered(url, entry.id, "it is not what the filter asks for");
      else if (entry.type === "event") events.push({ at, entry });
      else slots.push({ at, entry });
    } catch (error) {
      if (!isAntsError(error)) throw error;
      fault ??= altered(url, `position ${at}`, error.message, error);
    }
  }
  const verified = verifyBatch(
    events.map(({ entry }) => entry),
    roots,
  );
  for (const [i, slot] of events.entries()) {
    if (verified[i]) slots.push(slot);
    else fault ??= altered(url, slot.entry.id, "its signature does not verify");
  }
  slots.sort((a, b) => a.at - b.at);
  return fault === undefined ? { slots } : { slots, fault };
}

/** What the relay's tree has at the positions of some slots. */
export function placesOf(slots: readonly Slot[]): LogPlace[] {
  return slots.map((slot) => ({ at: slot.at, id: "entry" in slot ? slot.entry.id : slot.withheld.id }));
}

/** A relay served something that is not what was signed. */
export function altered(url: string, what: string, reason: string, cause?: AntsError): AntsError {
  return new AntsError("relay-altered", `${url} served a line that does not verify (${what}): ${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { url, reason, position: what, ...(cause === undefined ? {} : { cause: cause.code }) },
  });
}
