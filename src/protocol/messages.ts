/**
 * The envelopes of the wire, in both directions, as discriminated unions on `t`. Reading is strict about what it uses
 * and passes over fields that it doesn't know, so that either side can say more later (docs/protocol.md, Messages).
 */
import { AntsError } from "../../keys/errors.js";
import { isStream, parseCursor } from "./cursor.js";
import type { ChainHead } from "./event.js";
import { type Filter, parseFilter } from "./filter.js";
import { type Frame, type FrameLimits, splitFrame } from "./frame.js";
import { BYTES32, HASH, isInteger, isText } from "./grammar.js";
import { MAX_MESSAGE_LENGTH } from "./limits.js";
import { parseRelayInfo, type RelayInfo } from "./relay-info.js";
import { PROTOCOL_VERSION, versionUnsupported } from "./version.js";

/** Entries of one author, in order. `epoch` is the turn in which the sender holds the pen; absent where it doesn't. */
export interface PublishMessage {
  readonly t: "publish";
  readonly ref: number;
  readonly epoch?: number;
}
/** A promise line, and the newest identity operation where the relay may lack it (stored first). */
export interface PromiseMessage {
  readonly t: "promise";
  readonly ref: number;
}
export interface FollowMessage {
  readonly t: "follow";
  readonly ref: number;
  /** A cursor, `start`, or `head` (from now on). */
  readonly after: string;
  readonly filter: Filter;
  /** false ends the follow when it has caught up. */
  readonly live: boolean;
  /** Reads on behind a pruned cursor from the oldest entry that is left. */
  readonly allowGap?: true;
}
export interface UnfollowMessage {
  readonly t: "unfollow";
  readonly ref: number;
}
/** An auth line. */
export interface AuthMessage {
  readonly t: "auth";
  readonly ref: number;
}
export type ClientMessage = PublishMessage | PromiseMessage | FollowMessage | UnfollowMessage | AuthMessage;

/** The relay's tree head: a cursor at its position, and the signed checkpoint. */
export interface TreeHead {
  readonly cursor: string;
  readonly checkpoint: string;
}
/** An addressed event that this reader may not see. */
export interface Withheld {
  readonly at: number;
  readonly id: string;
  readonly did: string;
  readonly seq: number;
}
export interface HelloMessage {
  readonly t: "hello";
  readonly v: 1;
  readonly relay: RelayInfo;
  readonly challenge: string;
  readonly head: TreeHead;
}
/** After fsync: one position an entry (none for an auth line, which is not stored). */
export interface AckMessage {
  readonly t: "ack";
  readonly ref: number;
  readonly at: readonly number[];
}
/** What every refusal says. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  /** Facts for programs, by code: see docs/errors.md. */
  readonly details?: Readonly<Record<string, unknown>>;
}
export interface RefusedMessage extends Refusal {
  readonly t: "refused";
  /** Absent when the refused frame's own could not be read, and for what concerns the whole connection. */
  readonly ref?: number;
  /** The entry that was refused; those before it were taken, at the positions `at`. */
  readonly i?: number;
  readonly at?: readonly number[];
  /** The relay's head of the agent's chain. */
  readonly head?: ChainHead;
  /** The highest epoch that this relay promised for the agent. */
  readonly promised?: number;
}
export interface PromisedMessage {
  readonly t: "promised";
  readonly ref: number;
  readonly epoch: number;
  readonly head?: ChainHead;
  /** The hash of the relay's newest identity operation, which follows as the frame's one entry. */
  readonly identity: string;
}
export interface EntriesMessage {
  readonly t: "entries";
  readonly ref: number;
  /** One position an entry line, ascending. */
  readonly at: readonly number[];
  readonly withheld?: readonly Withheld[];
  /** Positions of this frame whose events were superseded, as far as the relay knew when it sent. */
  readonly superseded?: readonly number[];
  /** Everything up to here was served, withheld, or not wanted by the filter. */
  readonly cursor: string;
}
export interface CaughtUpMessage {
  readonly t: "caught-up";
  readonly ref: number;
  readonly cursor: string;
}
export interface HeadMessage extends TreeHead {
  readonly t: "head";
  readonly ref: number;
}
/** The follow is over: without `code` because it was asked for, else because of it. */
export interface EndedMessage extends Partial<Refusal> {
  readonly t: "ended";
  readonly ref: number;
  readonly cursor: string;
}
export type RelayMessage =
  | HelloMessage
  | AckMessage
  | RefusedMessage
  | PromisedMessage
  | EntriesMessage
  | CaughtUpMessage
  | HeadMessage
  | EndedMessage;

/** A frame whose envelope was read; its entries were not looked into. */
export interface ReceivedFrame<Message> extends Pick<Frame, "entries" | "body"> {
  readonly message: Message;
}

/**
 * Splits and reads a frame from a client. Throws `too-large`, `bad-frame`, `bad-message` (details: t, ref where it
 * could be read, field, expected), `bad-filter`, `cursor-syntax`, `unknown-message`.
 */
export function readClientFrame(bytes: Uint8Array, limits?: FrameLimits): ReceivedFrame<ClientMessage> {
  const { envelope, entries, body } = splitFrame(bytes, limits);
  return { message: parseClientMessage(envelope, entries.length), entries, body };
}

/** Splits and reads a frame from a relay; throws as {@link readClientFrame}, and `version-unsupported` for a hello. */
export function readRelayFrame(bytes: Uint8Array, limits?: FrameLimits): ReceivedFrame<RelayMessage> {
  const { envelope, entries, body } = splitFrame(bytes, limits);
  return { message: parseRelayMessage(envelope, entries.length), entries, body };
}

/** Reads a client's envelope; `entries` is how many lines came after it. Throws as {@link readClientFrame}. */
export function parseClientMessage(envelope: Readonly<Record<string, unknown>>, entries: number): ClientMessage {
  const read = new EnvelopeReader(envelope, entries);
  const t = read.t();
  switch (t) {
    case "publish":
      read.entriesBetween(1, Number.POSITIVE_INFINITY);
      return { t, ref: read.ref(), ...read.optional("epoch", read.integer(1)) };
    case "promise":
      read.entriesBetween(1, 2);
      return { t, ref: read.ref() };
    case "follow": {
      read.entriesBetween(0, 0);
      const filter = envelope.filter === undefined ? {} : read.within(() => parseFilter(envelope.filter));
      const allowGap = read.flag("allowGap", false);
      return {
        t,
        ref: read.ref(),
        after: read.after(),
        filter,
        live: read.flag("live", true),
        ...(allowGap ? { allowGap } : {}),
      };
    }
    case "unfollow":
      read.entriesBetween(0, 0);
      return { t, ref: read.ref() };
    case "auth":
      read.entriesBetween(1, 1);
      return { t, ref: read.ref() };
    default:
      throw read.unknown(["publish", "promise", "follow", "unfollow", "auth"]);
  }
}

/** Reads a relay's envelope; `entries` is how many lines came after it. Throws as {@link readRelayFrame}. */
export function parseRelayMessage(envelope: Readonly<Record<string, unknown>>, entries: number): RelayMessage {
  throw new AntsError("bad-message", `${entries}${JSON.stringify(envelope)}`);
}
