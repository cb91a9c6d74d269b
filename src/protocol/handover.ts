/**
 * A hand-over: the last event that the holder of the pen signs in its epoch. It names the instance that goes on, and
 * lets that one claim without the courtesy that a live holder gets. It is a matter of courtesy only: what keeps two
 * from writing is the promises, as ever (docs/protocol.md, "The pen").
 */
import type { Event } from "./event.js";
import { HEX16, isText, isTime } from "./grammar.js";

/** The kind of the event by which a holder hands over. */
export const HANDOVER_KIND = "ants.handover";

/** What a hand-over says. Its body may hold more, which is between the two who hand over. */
export interface Handover {
  /** The instance that goes on, 16 hex digits: drawn by it before it starts, for this one start. */
  readonly instance: string;
  /** Until when the old holder expects it, milliseconds since 1970 by its clock; advisory, nobody judges by it. */
  readonly until: number;
}

/**
 * What an event hands over; undefined for an event that is no hand-over: another kind, one that not everybody may read,
 * a body that was forgotten or lacks a field.
 */
export function handoverOf({ kind, to, body }: Pick<Event, "kind" | "to" | "body">): Handover | undefined {
  if (kind !== HANDOVER_KIND || to !== undefined || body === undefined) return undefined;
  const { instance, until } = body;
  return isText(instance, HEX16) && isTime(until) ? { instance, until } : undefined;
}
