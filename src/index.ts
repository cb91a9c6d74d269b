/** The front door of the package: everything that works in a browser as well as in Node. */
export { AntsError, type AntsErrorOptions, isAntsError } from "../keys/errors.js";
export {
  type AuthInput,
  type AuthStatement,
  createAuth,
  createChallenge,
  type ParsedAuth,
  parseAuth,
  requireAuth,
} from "./protocol/auth.js";
export {
  type BatchInput,
  createBatch,
  type EventDraft,
  RootCache,
  type SignedEvent,
  verifyBatch,
  verifyEventSignature,
} from "./protocol/batch.js";
export {
  type Checkpoint,
  checkpointOrigin,
  formatCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  streamOfOrigin,
  verifyCheckpoint,
} from "./protocol/checkpoint.js";
export { type Cursor, EMPTY_CHECK, formatCursor, parseCursor, startCursor } from "./protocol/cursor.js";
export { type ParsedEntry, type ParsedIdentity, parseEntry } from "./protocol/entry.js";
export { ENTRY_TYPES, type EntryType } from "./protocol/entry-type.js";
export {
  ERRORS,
  type ErrorCode,
  type ErrorRow,
  EXIT,
  type ExitCode,
  errorRow,
  exitCodeOf,
  isRetryable,
} from "./protocol/errors.js";
export {
  type BatchProof,
  bodyHash,
  type ChainHead,
  CLAIM_KIND,
  type Event,
  type EventHeader,
  eventId,
  type ParsedEvent,
  parseEvent,
  pruneEvent,
} from "./protocol/event.js";
export {
  addFilterToQuery,
  type Filter,
  type FilterSubject,
  filterOfQuery,
  matches,
  parseFilter,
} from "./protocol/filter.js";
export { encodeFrame, type Frame, type FrameLimits, splitFrame } from "./protocol/frame.js";
export { DEFAULT_LIMITS, type RelayLimits } from "./protocol/limits.js";
export {
  type AckMessage,
  type AuthMessage,
  type CaughtUpMessage,
  type ClientMessage,
  type EndedMessage,
  type EntriesMessage,
  type FollowMessage,
  type HeadMessage,
  type HelloMessage,
  type PromisedMessage,
  type PromiseMessage,
  type PublishMessage,
  parseClientMessage,
  parseRelayMessage,
  type ReceivedFrame,
  type RefusedMessage,
  type RelayMessage,
  readClientFrame,
  readRelayFrame,
  type TreeHead,
  type UnfollowMessage,
  type Withheld,
} from "./protocol/messages.js";
export {
  formatNoteKey,
  type NoteKey,
  noteKeyId,
  parseNoteKey,
  signNote,
  type VerifiedNote,
  verifyNote,
} from "./protocol/note.js";
export {
  type BodyPlace,
  isSealedBody,
  openBody,
  type SealedBody,
  sealBody,
  stateKeyId,
} from "./protocol/private-body.js";
export {
  createPromise,
  type ParsedPromise,
  type PromiseInput,
  type PromiseStatement,
  parsePromise,
} from "./protocol/promise.js";
export { errorOfRefusal, type Refusal, refusalOf } from "./protocol/refusal.js";
export { parseRelayInfo, type RelayInfo, type RelayPolicy } from "./protocol/relay-info.js";
export {
  chooseSubprotocol,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
  SUBPROTOCOLS,
  versionUnsupported,
} from "./protocol/version.js";
