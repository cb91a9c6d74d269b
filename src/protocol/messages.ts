/**
 * The envelopes of the wire, in both directions, as discriminated unions on `t`. Reading is strict about what it uses
 * and passes over fields that it doesn't know, so that either side can say more later (docs/protocol.md, Messages).
 */
import { type Did, isDid } from "../../keys/did.js";
import { EnvelopeReader } from "./envelope.js";
import type { ChainHead } from "./event.js";
import { type Filter, parseFilter } from "./filter.js";
import { type Frame, type FrameLimits, splitFrame } from "./frame.js";
import { BYTES32, HASH, isInteger, isText } from "./grammar.js";
import { MAX_BRANCHES_TOLD, MAX_WITHHELD } from "./limits.js";
import type { Refusal } from "./refusal.js";
import { parseRelayInfo, type RelayInfo } from "./relay-info.js";
import { PROTOCOL_VERSION, versionUnsupported } from "./version.js";

/** Entries of one author, in order. `epoch` is the turn in which the sender holds the pen; absent where it doesn't. */
export interface PublishMessage {
  readonly t: "publish";
  readonly ref: number;
  readonly epoch?: number;
}
/** A promise line, and after it the newest identity operation where the relay may lack it (it is stored first). */
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
  /** Reads on behind a pruned cursor, from the oldest entry that is left. */
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

/** A relay's tree head: the cursor at its position, and the signed checkpoint. */
export interface TreeHead {
  readonly cursor: string;
  readonly checkpoint: string;
}
/** An addressed event that this reader may not see: its place in the log and in its author's chain. */
export interface Withheld {
  readonly at: number;
  readonly id: string;
  readonly did: Did;
  readonly seq: number;
}
export interface HelloMessage {
  readonly t: "hello";
  readonly v: 1;
  readonly relay: RelayInfo;
  /** 32 random bytes, base64url: what an auth line on this connection must sign. */
  readonly challenge: string;
  readonly head: TreeHead;
}
/** Sent after fsync. */
export interface AckMessage {
  readonly t: "ack";
  readonly ref: number;
  /** One position an entry; absent for an auth line, which is not stored. */
  readonly at?: readonly number[];
}
export interface RefusedMessage extends Refusal {
  readonly t: "refused";
  /** Absent when the refused frame's own could not be read, and for what concerns the whole connection. */
  readonly ref?: number;
  /** The entry that was refused, from 0; those before it were taken, at the positions `at`. */
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
  /** Absent where the relay has no event of the agent. */
  readonly head?: ChainHead;
  /** The hash of the relay's newest identity operation of the agent, which follows as the frame's one entry. */
  readonly identity: string;
  /** Where other branches of updates end that the relay has, of the era of `identity`, by hash; absent where there are none. */
  readonly branches?: readonly string[];
}
export interface EntriesMessage {
  readonly t: "entries";
  /** 0 in the answer to an HTTP request, which has no ref. */
  readonly ref: number;
  /** One position an entry line, ascending. */
  readonly at: readonly number[];
  readonly withheld?: readonly Withheld[];
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
/** The follow is over: without `code` because it was asked for or had caught up, else because of it. */
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
  /** Bytes of the whole frame, as it was received. */
  readonly size: number;
}

/**
 * Splits and reads a frame from a client. Throws `too-large`, `bad-frame`, `bad-message`, `bad-filter`,
 * `cursor-syntax`, `unknown-message`, `version-unsupported`; details.ref is there whenever the frame's ref could be read.
 */
export function readClientFrame(bytes: Uint8Array, limits?: FrameLimits): ReceivedFrame<ClientMessage> {
  const { envelope, entries, body } = splitFrame(bytes, limits);
  return { message: parseClientMessage(envelope, entries.length), entries, body, size: bytes.length };
}

/** Splits and reads a frame from a relay; throws as {@link readClientFrame}, and `version-unsupported` for a hello. */
export function readRelayFrame(bytes: Uint8Array, limits?: FrameLimits): ReceivedFrame<RelayMessage> {
  const { envelope, entries, body } = splitFrame(bytes, limits);
  return { message: parseRelayMessage(envelope, entries.length), entries, body, size: bytes.length };
}

/** Reads a client's envelope; `entries` is how many lines came after it. Throws as {@link readClientFrame}. */
export function parseClientMessage(envelope: Readonly<Record<string, unknown>>, entries: number): ClientMessage {
  const read = new EnvelopeReader(envelope, entries);
  const t = read.t();
  switch (t) {
    case "publish":
      read.entries(1, Number.POSITIVE_INFINITY);
      return { t, ref: read.ref(), ...(read.has("epoch") ? { epoch: read.integer("epoch", 1) } : {}) };
    case "promise":
      read.entries(1, 1 + MAX_BRANCHES_TOLD);
      return { t, ref: read.ref() };
    case "follow":
      read.entries(0, 0);
      return {
        t,
        ref: read.ref(),
        after: envelope.after === "start" || envelope.after === "head" ? envelope.after : read.cursor("after"),
        filter: read.has("filter") ? read.within(() => parseFilter(read.raw("filter"))) : {},
        live: read.flag("live", true),
        ...(read.flag("allowGap", false) ? { allowGap: true } : {}),
      };
    case "unfollow":
      read.entries(0, 0);
      return { t, ref: read.ref() };
    case "auth":
      read.entries(1, 1);
      return { t, ref: read.ref() };
    default:
      // What another version says instead of these is not known here; that it is another version is.
      if (read.has("v") && envelope.v !== PROTOCOL_VERSION) throw versionUnsupported([offeredVersion(envelope.v)]);
      throw read.unknown(["publish", "promise", "follow", "unfollow", "auth"]);
  }
}

/** Reads a relay's envelope; `entries` is how many lines came after it. Throws as {@link readRelayFrame}. */
export function parseRelayMessage(envelope: Readonly<Record<string, unknown>>, entries: number): RelayMessage {
  const read = new EnvelopeReader(envelope, entries);
  const t = read.t();
  if (t !== "entries" && t !== "promised") read.entries(0, 0);
  switch (t) {
    case "hello":
      return helloOf(read);
    case "ack":
      return { t, ref: read.ref(), ...(read.has("at") ? { at: read.integers("at", 1) } : {}) };
    case "refused":
      return refusedOf(read);
    case "promised":
      read.entries(1, 1);
      return {
        t,
        ref: read.ref(),
        epoch: read.integer("epoch", 1),
        ...(read.has("head") ? { head: read.chainHead("head") } : {}),
        identity: read.text("identity", HASH, "an operation's hash"),
        ...(read.has("branches") ? { branches: branchesOf(read) } : {}),
      };
    case "entries":
      return entriesOf(read);
    case "caught-up":
      return { t, ref: read.ref(), cursor: read.cursor("cursor") };
    case "head":
      return { t, ref: read.ref(), cursor: read.cursor("cursor"), checkpoint: read.checkpoint("checkpoint") };
    case "ended":
      return { t, ref: read.ref(), ...(read.has("code") ? read.refusal() : {}), cursor: read.cursor("cursor") };
    default:
      throw read.unknown(["hello", "ack", "refused", "promised", "entries", "caught-up", "head", "ended"]);
  }
}

function helloOf(read: EnvelopeReader): HelloMessage {
  if (read.integer("v", 1) !== PROTOCOL_VERSION) throw versionUnsupported([offeredVersion(read.raw("v"))]);
  const relay = read.within(() => parseRelayInfo(read.raw("relay")));
  const challenge = read.text("challenge", BYTES32, "base64url of 32 bytes");
  const head = new EnvelopeReader({ ...read.object("head"), t: "hello" }, 0);
  return {
    t: "hello",
    v: PROTOCOL_VERSION,
    relay,
    challenge,
    head: { cursor: head.cursor("cursor"), checkpoint: head.checkpoint("checkpoint") },
  };
}

function refusedOf(read: EnvelopeReader): RefusedMessage {
  return {
    t: "refused",
    ...(read.has("ref") ? { ref: read.ref() } : {}),
    ...(read.has("i") ? { i: read.integer("i", 0) } : {}),
    ...(read.has("at") ? { at: read.integers("at", 1) } : {}),
    ...(read.has("head") ? { head: read.chainHead("head") } : {}),
    ...(read.has("promised") ? { promised: read.integer("promised", 0) } : {}),
    ...read.refusal(),
  };
}

function entriesOf(read: EnvelopeReader): EntriesMessage {
  const at = read.integers("at", 1);
  if (at.length !== read.entryCount) throw read.bad("at", `one position for each of ${read.entryCount} entries`);
  for (let i = 1; i < at.length; i++) if (at[i]! <= at[i - 1]!) throw read.bad("at", "ascending positions");
  return {
    t: "entries",
    ref: read.ref(),
    at,
    ...(read.has("withheld") ? { withheld: withheldOf(read) } : {}),
    cursor: read.cursor("cursor"),
  };
}

function branchesOf(read: EnvelopeReader): readonly string[] {
  const list = read.raw("branches");
  if (Array.isArray(list) && list.length <= MAX_BRANCHES_TOLD && list.every((item) => isText(item, HASH))) return list;
  throw read.bad("branches", `an array of at most ${MAX_BRANCHES_TOLD} hashes of operations`);
}

function withheldOf(read: EnvelopeReader): Withheld[] {
  const list = read.raw("withheld");
  if (!Array.isArray(list) || list.length > MAX_WITHHELD) {
    throw read.bad("withheld", `an array of at most ${MAX_WITHHELD}`);
  }
  return list.map((item: Withheld | null) => {
    if (!isInteger(item?.at, 1) || !isText(item.id, HASH) || !isDid(item.did) || !isInteger(item.seq, 0)) {
      throw read.bad("withheld", "an array of {at, id, did, seq}");
    }
    return { at: item.at, id: item.id, did: item.did, seq: item.seq };
  });
}

function offeredVersion(v: unknown): string {
  return `ants.${Number.isSafeInteger(v) ? v : "?"}`;
}
