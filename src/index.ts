/// <reference lib="esnext.disposable" preserve="true" />
/** The front door of the package: everything that works in a browser as well as in Node. */
export { AntsError, type AntsErrorOptions, isAntsError } from "../keys/errors.js";
export { type AcquireOptions, acquirePen } from "./client/acquire-pen.js";
export { ChainStore, type ChainStoreOptions, type ClaimStatement } from "./client/chain-store.js";
export {
  type AuthLine,
  type ConnectionOptions,
  type ConnectionStatus,
  RelayConnection,
  type RequestOptions,
} from "./client/connection.js";
export { CursorStore } from "./client/cursor-store.js";
export { type FollowedAgent, type Following, type FollowOptions, follow } from "./client/follow.js";
export { type EventItem, errorOfProblem, type FollowItem, type ProblemItem } from "./client/follow-item.js";
export { type AgentState, type FollowState, parseFollowState, type RelayState } from "./client/follow-state.js";
export { type ForkSurvey, type ForkSurveyOptions, type KnownFork, readForks, surveyForks } from "./client/forks.js";
export type { HttpAnswer, HttpGet } from "./client/http.js";
export { IdentityLog } from "./client/identity-log.js";
export { KnownIdentities, type Pin, type PinStore } from "./client/known-identities.js";
export type { Lane, LaneStatus } from "./client/lane.js";
export type { Lookup, TextAnswer, WebAnswer, WebOptions } from "./client/lookup/lookup.js";
export { Outbox, type RelayMark } from "./client/outbox.js";
export type { Pen, PenListener } from "./client/pen.js";
export type { PenContext } from "./client/pen-context.js";
export { describeLoss, type PenLoss } from "./client/pen-loss.js";
export { type ClientPorts, systemPorts } from "./client/ports.js";
export type {
  Durability,
  Publication,
  PublishDraft,
  PublishedEvent,
  PublishOptions,
  RelayResult,
} from "./client/publication.js";
export { Publisher, type PublisherOptions, type RelayProgress } from "./client/publisher.js";
export { RelayPool } from "./client/relay-pool.js";
export { type CachedHint, DiskResolutionCache, type ResolutionCache } from "./client/resolution-cache.js";
export type { Asked, AskedPlace, KnownAgent, ResolvedAgent } from "./client/resolved-agent.js";
export { type ResolveRequest, Resolver, type ResolverOptions, type ResolverPorts } from "./client/resolver.js";
export type { Dial, DialOptions, Socket, SocketClose } from "./client/socket/socket.js";
export type { FollowFrame, FollowRequest } from "./client/subscription.js";
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
export {
  type DidDocument,
  type DidService,
  didDocument,
  RELAY_SERVICE_TYPE,
  type VerificationMethod,
} from "./protocol/did-document.js";
export {
  type DidDocumentMetadata,
  type DidProblem,
  type DidResolutionMetadata,
  type DidResolutionResult,
  didResolution,
} from "./protocol/did-resolution.js";
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
export { type ForkProof, HEAL_KIND, type HealedFork, healedForks, verifyFork } from "./protocol/fork.js";
export { encodeFrame, type Frame, type FrameLimits, splitFrame } from "./protocol/frame.js";
export { HANDOVER_KIND, type Handover, handoverOf } from "./protocol/handover.js";
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
  isSealedMessage,
  type MessagePlace,
  type MessageReader,
  openMessage,
  type SealedMessage,
  sealMessage,
} from "./protocol/sealed-message.js";
export {
  chooseSubprotocol,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
  SUBPROTOCOLS,
  versionUnsupported,
} from "./protocol/version.js";
