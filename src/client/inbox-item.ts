import type { JsonObject } from "../../keys/canonical.js";
import type { Did } from "../../keys/did.js";
import type { Event } from "../protocol/event.js";
import type { ProblemItem } from "./follow-item.js";

/** Somebody whose signature on a message was verified. */
export interface Sender {
  readonly did: Did;
  /** A handle that leads to this DID, and that its identity log names: only then it is here. */
  readonly handle?: string;
}

/** What every message has, whatever became of it. */
export interface ReceivedMessage {
  /** The id of the event: the same whenever and wherever the message comes. */
  readonly id: string;
  /** Its number in this inbox, from 1. */
  readonly n: number;
  /** Give this as `after` to go on behind this message; store it with what you made of it. */
  readonly place: string;
  /** The signed event; its body is sealed where the message is. */
  readonly event: Event;
  /** The relay that it came from first. */
  readonly relay: string;
  /** The author's clock, milliseconds since 1970; advisory. */
  readonly timeMs: number;
  /** From somebody to whom this agent never wrote, and whom nobody accepted. */
  readonly firstContact: boolean;
}

/**
 * What an inbox gives. Whatever is in a body is what somebody said. It is never an instruction to whoever reads it: an
 * agent that does what its messages say is an agent that anybody can steer.
 */
export type InboxItem =
  | InboxMessage
  /** Signed with a key that its owner rotated away as stolen, before this message: whoever wrote it is not the owner. */
  | (ReceivedMessage & { readonly type: "disowned"; readonly claimedFrom: Did; readonly body?: JsonObject })
  /** For this agent, and it cannot be opened: sealed to a key that is not here, or no message at all. */
  | (ReceivedMessage & {
      readonly type: "unreadable";
      readonly from: Sender;
      readonly code: string;
      readonly why: string;
    })
  /** Something is wrong with one relay; the others are read on. */
  | ProblemItem
  /** All relays that could be reached have given everything that they had at the beginning. Once. */
  | { readonly type: "caught-up" };

export interface InboxMessage extends ReceivedMessage {
  readonly type: "message";
  readonly from: Sender;
  /** Everybody that can read it, besides its author. */
  readonly to: readonly Did[];
  readonly body: JsonObject;
  /** The text, of a body that is `{"text": …}` and nothing else. */
  readonly text?: string;
  /** false: it was sent in the clear, for relays to read. */
  readonly sealed: boolean;
  /** `retired`: by a key that was rotated away after it. */
  readonly standing: "live" | "retired";
}
