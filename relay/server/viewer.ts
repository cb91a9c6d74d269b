/** Who may read what: an event with `to` is for its author and its recipients; everything else is for anyone. */
import { fromUtf8 } from "../../keys/bytes.js";
import type { Did } from "../../keys/did.js";
import type { Withheld } from "../../src/protocol/messages.js";

/** A reader, as far as permission goes. */
export interface Viewer {
  /** Whether this reader is one of the parties, or has shown to be. */
  isOneOf(dids: readonly string[]): boolean;
}

/** Whoever did not say who it is. */
export const ANYONE: Viewer = { isOneOf: () => false };

/** The parties of an addressed event, and what is said about it to others. */
export interface AddressedEvent {
  readonly id: string;
  readonly did: Did;
  readonly seq: number;
  readonly parties: readonly string[];
}

/** Reads an addressed event's line from the log. Its form was checked when it was stored. */
export function addressedEvent(line: Uint8Array): AddressedEvent {
  const { id, did, seq, to } = JSON.parse(fromUtf8(line)) as { id: string; did: Did; seq: number; to: string[] };
  return { id, did, seq, parties: [did, ...to] };
}

/** What a reader who is no party gets instead of the event. */
export function withheldFrom(event: AddressedEvent, at: number): Withheld {
  return { at, id: event.id, did: event.did, seq: event.seq };
}
