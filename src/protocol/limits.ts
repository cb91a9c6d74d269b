/**
 * Every limit of the wire, each with its unit in its name and its reason beside it. A relay states its own values in
 * `hello` (docs/protocol.md, Limits); what it doesn't state has the default.
 */
import { MAX_DEPTH, MAX_LINE_BYTES, MAX_OPERATION_BYTES, MAX_UPDATES_AN_ERA } from "../../keys/limits.js";

export { MAX_DEPTH, MAX_LINE_BYTES, MAX_OPERATION_BYTES };

/** Events of one batch signature: 8 path hashes at most, so a proof stays under 400 bytes. */
export const MAX_BATCH_EVENTS = 256;
/** Recipients of one event: each costs the relay an index row and a permission check per reader. */
export const MAX_RECIPIENTS = 16;
/** 40,000 bytes of a sealed message's text as canonical JSON: padded and with 16 recipients it fits a line. */
export const MAX_MESSAGE_BYTES = 40_000;
/** Tags of one event: each costs the relay an index row. */
export const MAX_TAGS = 16;
/** Characters of a claim's label: it is shown in one line beside the agent's name. */
export const MAX_LABEL_LENGTH = 64;
/** An optional salt is exactly this long: 128 bits make a guessable body unguessable. */
export const SALT_BYTES = 16;
/** How far a promise or a claim may leap above the epoch before it: a thief cannot burn the whole number range. */
export const MAX_EPOCH_LEAP = 2 ** 20;

/**
 * Events that a relay keeps at one (epoch, seq): two are the proof of a fork, the rest is room for what other relays were
 * sent. Beyond it a live key's events are refused as `fork`, unless they continue the chain.
 */
export const MAX_SIBLINGS = 8;

/** A publish frame's or an answer's entries: one frame is one unit of verification and of one fsync's share. */
export const MAX_FRAME_ENTRIES = 256;
/** 1 MiB: what one frame may make the other side buffer before anything in it is verified. */
export const MAX_FRAME_BYTES = 2 ** 20;
/** Characters of a relay's signed tree head on the wire: an origin twice, a root, and room for some witnesses. */
export const MAX_CHECKPOINT_LENGTH = 8192;
/** Withheld events that one frame of entries may name: what a page holds, many times over. */
export const MAX_WITHHELD = 4096;
/** Characters of a refusal's details as JSON; larger ones are left out. */
export const MAX_DETAILS_LENGTH = 8192;
/** Characters of a human-readable message on the wire. */
export const MAX_MESSAGE_LENGTH = 1024;
/** "Any of" values of one filter field: enough for a wide address book, small enough to test on every entry. */
export const MAX_FILTER_VALUES = 256;

/** Follows of one connection; a follow costs the relay a cursor and a filter, so this bounds its memory. */
export const MAX_FOLLOWS = 64;
/** 8 MiB of written but unsent bytes: a reader that is slower than this waits, and is closed when it never reads. */
export const MAX_UNSENT_BYTES = 8 * 2 ** 20;
/** Entries a second that one DID may publish for long. */
export const ENTRIES_PER_SECOND = 200;
/** Entries that one DID may publish at once. */
export const ENTRIES_BURST = 2000;
/** New DIDs an hour from one address without proof of work. */
export const NEW_DIDS_PER_HOUR = 20;
/** 64 MiB a minute of a chain's own backfill: catching up with an old chain must not look like flooding. */
export const BACKFILL_BYTES_PER_MINUTE = 64 * 2 ** 20;

/** A live follow gets a signed head this often, also when nothing matched: 15 s are promised. */
export const HEAD_INTERVAL_MS = 10_000;
/** An authenticated connection is kept alive this often. */
export const KEEP_ALIVE_MS = 15_000;
/** An instance that wrote or authenticated within this time holds the pen as far as courtesy goes. */
export const HOLDER_SILENCE_MS = 60_000;
/** A relay signs a new head at most this often. */
export const HEAD_SIGN_INTERVAL_MS = 250;
/** The longest `wait` of a long poll: below the idle time-outs of the usual proxies (60 s). */
export const MAX_LONG_POLL_MS = 30_000;

/** Branches of updates that a promise is asked for with, or answered with: as many as a relay takes of one era. */
export const MAX_BRANCHES_TOLD = 32;

/** The limits that a relay states in `hello` and enforces. */
export interface RelayLimits {
  readonly maxLineBytes: number;
  readonly maxDepth: number;
  readonly maxOperationBytes: number;
  readonly maxOperationsPerEra: number;
  readonly maxFrameBytes: number;
  readonly maxFrameEntries: number;
  readonly maxFollows: number;
  readonly maxUnsentBytes: number;
  readonly entriesPerSecond: number;
  readonly entriesBurst: number;
  readonly newDidsPerHour: number;
  readonly backfillBytesPerMinute: number;
}

export const DEFAULT_LIMITS: RelayLimits = Object.freeze({
  maxLineBytes: MAX_LINE_BYTES,
  maxDepth: MAX_DEPTH,
  maxOperationBytes: MAX_OPERATION_BYTES,
  maxOperationsPerEra: MAX_UPDATES_AN_ERA,
  maxFrameBytes: MAX_FRAME_BYTES,
  maxFrameEntries: MAX_FRAME_ENTRIES,
  maxFollows: MAX_FOLLOWS,
  maxUnsentBytes: MAX_UNSENT_BYTES,
  entriesPerSecond: ENTRIES_PER_SECOND,
  entriesBurst: ENTRIES_BURST,
  newDidsPerHour: NEW_DIDS_PER_HOUR,
  backfillBytesPerMinute: BACKFILL_BYTES_PER_MINUTE,
});
